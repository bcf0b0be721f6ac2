"""Writing what a site's watcher has read: one batch of all its nodes at a time, through COPY."""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from psycopg import Copy

from leasing.provisioners.base import GPUReading, Reading
from leasing.telemetry.partitions import BIRTH, HOUR, MINUTE, SAMPLES, SLOT, floor

LATE = "leasing_gpusamplelate"
STAGING = "gpusample_staging"
Rows = dict[datetime, list[bytes]]
"""Rows as PostgreSQL's binary COPY wants them, by the hour that they belong into."""

# A row's fields, each with its length in bytes before it: at, gpu, energy_mj, memory_mib, power_mw, ecc, utilization,
# temperature_c, lost. The second form is for rows in which something is missing.
WHOLE = struct.Struct("!hiqiiiqiiiiiiihihi?")
FIELDS = (("!iq", 8), ("!ii", 4), ("!iq", 8), ("!ii", 4), ("!ii", 4), ("!ii", 4), ("!ih", 2), ("!ih", 2), ("!i?", 1))
MISSING = struct.pack("!i", -1)
BEGIN, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), struct.pack("!h", -1)
CHUNK = 512  # rows handed over at a time
MICROSECOND = timedelta(microseconds=1)


def write(readings: Iterable[Reading], *, exactly_once: bool = True) -> int:
    """
    Keep the GPU samples of these readings, all or none, and count those that are new.

    `at` of each must be the start of a 15-second slot. Readings of hosts that did not answer hold no samples; a figure
    that its column cannot hold is kept as missing. With `exactly_once` samples that are there already are left as they
    are, so a batch whose answer was lost may be sent again. Without, it is faster, and one that is there already
    refuses the whole batch.

    :raises ValueError: when an `at` is not on a slot
    :raises IntegrityError: without `exactly_once`, when a sample is there already
    """
    told = [reading for reading in readings if reading.reached and reading.gpus]
    if not told:
        return 0
    for reading in told:
        if floor(reading.at, SLOT) != reading.at:
            raise ValueError(f"A reading of {reading.node_id} is of {reading.at}, which is not on a 15-second slot.")
    with transaction.atomic():
        rows, xids = _rows(told, gpu_ids(told))
        written = put(rows, exactly_once=exactly_once)
        _note(xids, minutes={floor(reading.at, MINUTE) for reading in told})
    return written


def put(rows: Rows, *, exactly_once: bool) -> int:
    """Copy rows to where their hours are kept, inside a transaction; how many are new."""
    return sum(
        _copy_once(hour_rows, place) if exactly_once or place == LATE else _copy(hour_rows, place)
        for hour_rows, place in zip(rows.values(), _places(list(rows)), strict=True)
    )


def gpu_ids(readings: Collection[Reading]) -> dict[tuple[str, int, str], int]:
    """The small number of each GPU, by its node's public id, index and UUID; given now to those never seen before."""
    ids = _known(readings)
    fresh = [
        (reading.node_id, gpu.index, gpu.uuid)
        for reading in readings
        for gpu in reading.gpus
        if (reading.node_id, gpu.index, gpu.uuid) not in ids
    ]
    if fresh:
        nodes, indexes, uuids = map(list, zip(*sorted(set(fresh)), strict=True))
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO leasing_gpu (node_id, index, uuid) SELECT node.id, seen.index, seen.uuid "
                "FROM unnest(%s::text[], %s::integer[], %s::text[]) AS seen (node, index, uuid) "
                "JOIN marketplace_node AS node ON node.public_id = seen.node "
                "ORDER BY node.id, seen.index ON CONFLICT DO NOTHING",
                [nodes, indexes, uuids],
            )
        ids = _known(readings)
    return ids


def encode(at: int, gpu: int, seen: GPUReading) -> bytes:
    """A row for binary COPY; `at` in microseconds since 2000, as PostgreSQL counts."""
    try:
        return WHOLE.pack(
            9, 8, at, 4, gpu, 8, seen.energy_mj, 4, seen.memory_mib, 4, seen.power_mw, 4, seen.ecc_uncorrected,
            2, seen.utilization, 2, seen.temperature_c, 1, seen.lost,
        )  # fmt: skip
    except struct.error:
        return _encode_with_gaps(at, gpu, seen)


def _encode_with_gaps(at: int, gpu: int, seen: GPUReading) -> bytes:
    values = (at, gpu, seen.energy_mj, seen.memory_mib, seen.power_mw, seen.ecc_uncorrected, seen.utilization,
              seen.temperature_c, seen.lost)  # fmt: skip
    return b"\0\x09" + b"".join(_field(value, *field) for value, field in zip(values, FIELDS, strict=True))


def _field(value: int | None, layout: str, length: int) -> bytes:
    try:
        return MISSING if value is None else struct.pack(layout, length, value)
    except struct.error:  # more than its column can hold cannot be true
        return MISSING


def _rows(
    readings: Iterable[Reading], ids: dict[tuple[str, int, str], int]
) -> tuple[Rows, list[tuple[int, datetime, int]]]:
    """(rows by hour, Xid errors). What is told of a node that there is not is left out."""
    rows: Rows = defaultdict(list)
    xids = []
    for reading in readings:
        at, node = (reading.at - BIRTH) // MICROSECOND, reading.node_id
        hour = rows[floor(reading.at, HOUR)]
        for seen in reading.gpus:
            gpu = ids.get((node, seen.index, seen.uuid))
            if gpu is None:
                continue
            hour.append(encode(at, gpu, seen))
            if seen.xid:
                xids.append((gpu, reading.at, seen.xid))
    return rows, xids


def _known(readings: Collection[Reading]) -> dict[tuple[str, int, str], int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT node.public_id, gpu.index, gpu.uuid, gpu.id FROM leasing_gpu AS gpu "
            "JOIN marketplace_node AS node ON node.id = gpu.node_id WHERE node.public_id = ANY(%s)",
            [list({reading.node_id for reading in readings})],
        )
        return {(node, index, uuid): gpu for node, index, uuid, gpu in cursor.fetchall()}


def open_hours(hours: Collection[datetime]) -> None:
    """Make pieces for hours that never had one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT at FROM leasing_gpusamplehour WHERE at = ANY(%s)", [list(hours)])
        fresh = sorted(set(hours) - {at for (at,) in cursor.fetchall()})
        if fresh:
            SAMPLES.ensure(fresh)
            cursor.execute(
                "INSERT INTO leasing_gpusamplehour (at) SELECT unnest(%s::timestamptz[]) ON CONFLICT DO NOTHING",
                [fresh],
            )


def _places(hours: list[datetime]) -> list[str]:
    """The table for each hour: its own piece until it is sealed, which waits for us to finish; then the late one."""
    open_hours(hours)
    with connection.cursor() as cursor:
        cursor.execute("SELECT at, sealed FROM leasing_gpusamplehour WHERE at = ANY(%s) ORDER BY at FOR SHARE", [hours])
        sealed = dict(cursor.fetchall())
    return [LATE if sealed[hour] else SAMPLES.name(hour) for hour in hours]


def _copy(rows: list[bytes], place: str) -> int:
    with _copying(f"{place} FROM STDIN (FORMAT binary)") as copy:
        copy.write(BEGIN)
        for start in range(0, len(rows), CHUNK):
            copy.write(b"".join(rows[start : start + CHUNK]))
        copy.write(END)
    return len(rows)


def _copy_once(rows: list[bytes], place: str) -> int:
    """By way of a table of this connection's own."""
    empty_staging()
    _copy(rows, STAGING)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {place} SELECT * FROM {STAGING} ON CONFLICT DO NOTHING")
        return int(cursor.rowcount)


def empty_staging() -> None:
    """Have the staging table, without rows: it belongs to this connection, and to one transaction at a time."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {STAGING} (LIKE leasing_gpusample) ON COMMIT DELETE ROWS")
        cursor.execute(f"DELETE FROM {STAGING}")


def copy_samples(samples: Iterable[tuple[object, ...]], place: str) -> None:
    """Copy rows, which must be at hand already, in the order of the columns of leasing_gpusample."""
    with _copying(f"{place} FROM STDIN") as copy:
        for sample in samples:
            copy.write_row(sample)


@contextmanager
def _copying(what: str) -> Iterator[Copy]:
    """A COPY whose errors are Django's."""
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(f"COPY {what}") as copy:
        yield copy


def _note(xids: list[tuple[int, datetime, int]], *, minutes: set[datetime]) -> None:
    """Keep the errors, and which minutes have to be rolled up (again)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO leasing_gpusamplebatch (minute) SELECT unnest(%s::timestamptz[])", [sorted(minutes)]
        )
        if xids:
            cursor.executemany(
                "INSERT INTO leasing_gpuxid (gpu, at, code) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", xids
            )
