"""Keeping house: hours that are over are rolled up, packed and dropped; what is older than its retention goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction

from leasing.telemetry.packs import pack_nodes, packed
from leasing.telemetry.partitions import DAY, HOUR, MINUTE, MINUTES, PACKS, SAMPLES, floor
from leasing.telemetry.rollup import roll_minutes, roll_these_minutes
from leasing.telemetry.samples import LATE, STAGING, copy_samples, empty_staging, open_hours

GRACE = timedelta(minutes=5)  # a watcher sends again for about so long; what comes later is merged, which costs more
AHEAD = 2  # hours that stand ready beside the present one, so that no batch waits for one to be made
KEEP_SAMPLES = 7 * DAY  # to look into what broke last weekend; about 3 GB a day for 80,000 GPUs
KEEP_MINUTES = 14 * DAY  # to compare a run with last week's; about 12 GB a day for 80,000 GPUs
# Hours are kept for good: 0.2 GB a day for 80,000 GPUs, and somebody may ask about an invoice after years.

KEEPING = 0x6B1D0013  # advisory lock: one keeps house at a time
NODES_AT_ONCE = 200  # in one transaction: a second or two


def keep_house(*, now: datetime) -> None:
    """
    Everything that has to be done once a minute. Safe to run twice, at once, late, or not for a while; killed half-way
    it goes on the next time where it was. Once an hour it takes about 10 ms for each node.
    """
    with _alone() as alone:
        if not alone:
            return
        open_hours([floor(now, HOUR) + place * HOUR for place in range(AHEAD + 1)])
        MINUTES.ensure([now, now + AHEAD * HOUR])
        forget(now=now)
        seal(now=now)
        roll_minutes(until=now)
        for hour in _sealed():
            pack_hour(hour)
        merge_late()


def forget(*, now: datetime) -> None:
    """Drop what is older than its retention, packed or not. A sample that comes when its hour is gone goes too."""
    oldest = now - KEEP_SAMPLES
    SAMPLES.drop_before(oldest)
    PACKS.drop_before(oldest)
    MINUTES.drop_before(now - KEEP_MINUTES)
    with connection.cursor() as cursor:
        for table, column in ((LATE, "at"), ("leasing_gpusamplehour", "at"), ("leasing_gpusamplebatch", "minute")):
            cursor.execute(f"DELETE FROM {table} WHERE {column} < %s", [floor(oldest, HOUR)])


def seal(*, now: datetime) -> None:
    """Close the hours that are over to writers. Waits for those that write now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE leasing_gpusamplehour SET sealed = true WHERE at IN (SELECT at FROM leasing_gpusamplehour "
            "WHERE NOT sealed AND at <= %s ORDER BY at FOR NO KEY UPDATE)",
            [now - GRACE - HOUR],
        )


def pack_hour(hour: datetime) -> None:
    """Pack a sealed hour, some nodes at a time, then drop its piece. Those that are packed already are done."""
    PACKS.ensure([hour])
    source = SAMPLES.name(hour)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {source}")
        cursor.execute(
            "SELECT node_id FROM leasing_gpu WHERE node_id NOT IN (SELECT node_id FROM leasing_gpusamplepack "
            "WHERE at = %s) GROUP BY node_id ORDER BY min(id)",
            [hour],
        )
        nodes = [node for (node,) in cursor.fetchall()]
    for some in _batches(nodes):
        with transaction.atomic():
            pack_nodes(hour, source=source, nodes=some)
    SAMPLES.drop(hour)


def merge_late() -> None:
    """Samples that came after their hour was packed: unpack it, add them, roll it up and pack it again."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT date_trunc('hour', late.at) AS hour, gpu.node_id FROM {LATE} AS late "
            "JOIN leasing_gpu AS gpu ON gpu.id = late.gpu ORDER BY hour, node_id"
        )
        late: dict[datetime, list[int]] = {}
        for hour, node in cursor.fetchall():
            late.setdefault(hour, []).append(node)
    unpacked = set(SAMPLES.starts())
    for hour in late.keys() - unpacked:
        for some in _batches(late[hour]):
            _merge(hour, some)


@transaction.atomic
def _merge(hour: datetime, nodes: list[int]) -> None:
    empty_staging()
    copy_samples(packed(nodes, since=hour, until=hour + HOUR), STAGING)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH late AS (DELETE FROM {LATE} AS late USING leasing_gpu AS gpu WHERE gpu.id = late.gpu "
            f"AND gpu.node_id = ANY(%s) AND late.at >= %s AND late.at < %s RETURNING late.*) "
            f"INSERT INTO {STAGING} SELECT * FROM late WHERE NOT EXISTS "
            f"(SELECT FROM {STAGING} AS known WHERE known.at = late.at AND known.gpu = late.gpu)",
            [nodes, hour, hour + HOUR],
        )
    PACKS.ensure([hour])
    roll_these_minutes([hour + place * MINUTE for place in range(60)], source=STAGING)
    pack_nodes(hour, source=STAGING, nodes=nodes)


def _sealed() -> list[datetime]:
    """Sealed hours whose piece is still there, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT at FROM leasing_gpusamplehour WHERE sealed")
        sealed = {at for (at,) in cursor.fetchall()}
    return [start for start in SAMPLES.starts() if start in sealed]


def _batches(nodes: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(nodes), NODES_AT_ONCE):
        yield nodes[start : start + NODES_AT_ONCE]


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether nobody else keeps house meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [KEEPING])
        (alone,) = cursor.fetchone()
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [KEEPING])
