"""Writing what a site's watcher has read: one batch of all its nodes at a time, through COPY."""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from psycopg import Copy

from leasing.provisioners.base import GPUReading, Reading
from leasing.telemetry.partitions import BIRTH, HOUR, MINUTE, SAMPLES, SLOT, floor

LATE = "leasing_gpusamplelate"
STAGING = "gpusample_staging"
Numbers = dict[str, dict[tuple[int, str], int]]
"""The small number of each GPU, by its node's public id, then by its index and UUID."""

# A row's fields, each with its length in bytes before it: at, gpu, energy_mj, memory_mib, power_mw, ecc, utilization,
# temperature_c, lost. The second form is for rows in which something is missing.
WHOLE = struct.Struct("!hiqiiiqiiiiiiihihi?")
FIELDS = (("!iq", 8), ("!ii", 4), ("!iq", 8), ("!ii", 4), ("!ii", 4), ("!ii", 4), ("!ih", 2), ("!ih", 2), ("!i?", 1))
MISSING = struct.pack("!i", -1)
BEGIN, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), struct.pack("!h", -1)
CHUNK = 64  # readings handed over at a time
MICROSECOND = timedelta(microseconds=1)


def write(readings: Iterable[Reading], *, exactly_once: bool = True, known: Numbers | None = None) -> int:
    """
    Keep the GPU samples of these readings, all or none, and count those that are new.

    `at` of each must be the start of a 15-second slot. Readings of hosts that did not answer hold no samples; a figure
    that its column cannot hold is kept as missing. With `exactly_once` samples that are there already are left as they
    are, so a batch whose answer was lost may be sent again. Without, it is faster, and one that is there already
    refuses the whole batch. Who writes often gives the same `known` each time: then a GPU is looked up once.

    :raises ValueError: when an `at` is not on a slot
    :raises IntegrityError: without `exactly_once`, when a sample is there already
    """
    told = [reading for reading in readings if reading.reached and reading.gpus]
    for reading in told:
        if floor(reading.at, SLOT) != reading.at:
            raise ValueError(f"A reading of {reading.node_id} is of {reading.at}, which is not on a 15-second slot.")
    if not told:
        return 0
    with transaction.atomic():
        numbers = numbers_of(told, known if known is not None else {})
        by_hour = defaultdict(list)
        for reading in told:
            if reading.node_id in numbers:
                by_hour[floor(reading.at, HOUR)].append(reading)
        written = sum(
            _copy_once(part, numbers, place) if exactly_once or place == LATE else _copy(part, numbers, place)
            for part, place in zip(by_hour.values(), _places(list(by_hour)), strict=True)
        )
        _note([reading for part in by_hour.values() for reading in part], numbers)
    return written


def numbers_of(readings: Collection[Reading], known: Numbers) -> Numbers:
    """The numbers of all these GPUs, given now to those never seen before. `known` gets what was looked up."""
    news = [reading for reading in readings if not _all_known(reading, known)]
    if not news:
        return known
    _introduce(news)
    found: Numbers = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT node.public_id, gpu.index, gpu.uuid, gpu.id FROM leasing_gpu AS gpu "
            "JOIN marketplace_node AS node ON node.id = gpu.node_id WHERE node.public_id = ANY(%s)",
            [list({reading.node_id for reading in news})],
        )
        for node, index, uuid, number in cursor.fetchall():
            found[node][index, uuid] = number
    transaction.on_commit(lambda: known.update(found))  # a number that is rolled back was never given
    return known | found


def _all_known(reading: Reading, known: Numbers) -> bool:
    numbers = known.get(reading.node_id)
    return numbers is not None and all((gpu.index, gpu.uuid) in numbers for gpu in reading.gpus)


def _introduce(readings: Collection[Reading]) -> None:
    """Give numbers to GPUs that have none yet, of nodes that there are."""
    gpus = {(reading.node_id, gpu.index, gpu.uuid) for reading in readings for gpu in reading.gpus}
    nodes, indexes, uuids = map(list, zip(*sorted(gpus), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO leasing_gpu (node_id, index, uuid) SELECT node.id, seen.index, seen.uuid "
            "FROM unnest(%s::text[], %s::integer[], %s::text[]) AS seen (node, index, uuid) "
            "JOIN marketplace_node AS node ON node.public_id = seen.node "
            "WHERE NOT EXISTS (SELECT FROM leasing_gpu AS known WHERE known.node_id = node.id "
            "AND known.index = seen.index AND known.uuid = seen.uuid) "
            "ORDER BY node.id, seen.index, seen.uuid ON CONFLICT DO NOTHING",
            [nodes, indexes, uuids],
        )


def encoded(readings: Sequence[Reading], numbers: Numbers) -> Iterator[bytes]:
    """The readings' rows for binary COPY, in pieces: one is made while the server takes in the one before."""
    yield BEGIN
    for start in range(0, len(readings), CHUNK):
        yield b"".join(row for reading in readings[start : start + CHUNK] for row in _rows(reading, numbers))
    yield END


def _rows(reading: Reading, numbers: Numbers) -> list[bytes]:
    at, own, pack = (reading.at - BIRTH) // MICROSECOND, numbers[reading.node_id], WHOLE.pack
    try:
        return [
            pack(
                9, 8, at, 4, own[seen.index, seen.uuid], 8, seen.energy_mj, 4, seen.memory_mib, 4, seen.power_mw,
                4, seen.ecc_uncorrected, 2, seen.utilization, 2, seen.temperature_c, 1, seen.lost,
            )
            for seen in reading.gpus
        ]  # fmt: skip
    except struct.error:
        return [_row_with_gaps(at, own[seen.index, seen.uuid], seen) for seen in reading.gpus]


def _row_with_gaps(at: int, gpu: int, seen: GPUReading) -> bytes:
    values = (at, gpu, seen.energy_mj, seen.memory_mib, seen.power_mw, seen.ecc_uncorrected, seen.utilization,
              seen.temperature_c, seen.lost)  # fmt: skip
    return b"\0\x09" + b"".join(_field(value, *field) for value, field in zip(values, FIELDS, strict=True))


def _field(value: int | None, layout: str, length: int) -> bytes:
    try:
        return MISSING if value is None else struct.pack(layout, length, value)
    except struct.error:  # more than its column can hold cannot be true
        return MISSING


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
    sealed = _sealed(hours)
    if len(sealed) < len(hours):
        open_hours(hours)
        sealed = _sealed(hours)
    return [LATE if sealed[hour] else SAMPLES.name(hour) for hour in hours]


def _sealed(hours: list[datetime]) -> dict[datetime, bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT at, sealed FROM leasing_gpusamplehour WHERE at = ANY(%s) ORDER BY at FOR SHARE", [hours])
        return dict(cursor.fetchall())


def _copy(readings: Sequence[Reading], numbers: Numbers, place: str) -> int:
    with _copying(f"{place} FROM STDIN (FORMAT binary)") as copy:
        for piece in encoded(readings, numbers):
            copy.write(piece)
    return sum(len(reading.gpus) for reading in readings)


def _copy_once(readings: Sequence[Reading], numbers: Numbers, place: str) -> int:
    """By way of a table of this connection's own."""
    empty_staging()
    _copy(readings, numbers, STAGING)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {place} SELECT * FROM {STAGING} ON CONFLICT DO NOTHING")
        return int(cursor.rowcount)


def empty_staging() -> None:
    """Have the staging table, without rows: it belongs to this connection, and to one transaction at a time."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {STAGING} (LIKE leasing_gpusample) ON COMMIT DELETE ROWS; "
            f"DELETE FROM {STAGING}"
        )


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


def _note(readings: Sequence[Reading], numbers: Numbers) -> None:
    """Keep the errors, and which minutes have to be rolled up (again)."""
    minutes = sorted({floor(reading.at, MINUTE) for reading in readings})
    xids = [
        (numbers[reading.node_id][seen.index, seen.uuid], reading.at, seen.xid)
        for reading in readings
        for seen in reading.gpus
        if seen.xid
    ]
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO leasing_gpusamplebatch (minute) SELECT unnest(%s::timestamptz[])", [minutes])
        if xids:
            query = "INSERT INTO leasing_gpuxid (gpu, at, code) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
            cursor.executemany(query, xids)
