"""
Samples summed up by minute and by hour, set by set. Each row is computed anew from all samples of its time, so the
result is the same whatever the order, lateness and repetition in which they came.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from leasing.telemetry.partitions import HOUR, MINUTE, MINUTES, SLOT, floor

MINUTES_AT_ONCE = 15

# The energy counter only ever grows, and starts again from zero when the driver is loaded: then all that it shows was
# used since. What was used between the last sample of one row and the first of the next is in neither row; readers
# compute it from energy_first_mj and energy_last_mj (series.py), so that no row depends on another.
METRICS = (
    "samples, utilization_avg, utilization_max, memory_max_mib, temperature_max_c, power_avg_mw, "
    "energy_mj, energy_first_mj, energy_last_mj"
)
SUMS = """
    count(*) FILTER (WHERE NOT lost), round(avg(utilization)), max(utilization), max(memory_mib), max(temperature_c),
    round(avg(power_mw)),
    sum(CASE WHEN energy_mj >= before THEN energy_mj - before WHEN before IS NULL THEN 0 ELSE energy_mj END)
        FILTER (WHERE energy_mj IS NOT NULL),
    max(energy_mj) FILTER (WHERE before IS NULL), max(energy_mj) FILTER (WHERE after IS NULL)
"""
NEIGHBOURS = """
    lag(energy_mj) OVER neighbours AS before, lead(energy_mj) OVER neighbours AS after
"""
REPLACE = ", ".join(f"{name} = excluded.{name}" for name in METRICS.split(", "))

ROLL_MINUTES = f"""
INSERT INTO leasing_gpuminute (gpu, at, {METRICS})
SELECT gpu, minute, {SUMS}
  FROM (SELECT *, {NEIGHBOURS}
          FROM (SELECT *, date_trunc('minute', at) AS minute FROM {{source}} WHERE at = ANY(%(slots)s)) AS sample
        WINDOW neighbours AS (PARTITION BY gpu, minute, energy_mj IS NULL ORDER BY at)) AS sample
 GROUP BY gpu, minute
    ON CONFLICT (gpu, at) DO UPDATE SET {REPLACE}
"""

# Whose time it was is decided by each sample's own time: an hour in which one tenant left and another came is two rows.
ROLL_HOUR = f"""
INSERT INTO leasing_gpuhour (gpu, at, machine_id, {METRICS})
SELECT gpu, %(hour)s, machine_id, {SUMS}
  FROM (SELECT *, {NEIGHBOURS}
          FROM (SELECT sample.*, coalesce(machine.id, 0) AS machine_id
                  FROM {{source}} AS sample JOIN leasing_gpu AS gpu ON gpu.id = sample.gpu
                  LEFT JOIN leasing_machine AS machine
                    ON machine.node_id = gpu.node_id AND machine.node_id = ANY(%(nodes)s)
                   AND machine.touched_at <= sample.at
                   AND (machine.access_ended_at IS NULL OR machine.access_ended_at > sample.at)
                 WHERE sample.at = ANY(%(slots)s) AND sample.gpu BETWEEN %(first)s AND %(last)s
                   AND gpu.node_id = ANY(%(nodes)s)) AS sample
        WINDOW neighbours AS (PARTITION BY gpu, machine_id, energy_mj IS NULL ORDER BY at)) AS sample
 GROUP BY gpu, machine_id
"""


def roll_minutes(*, until: datetime) -> None:
    """Roll up every minute that is over at `until` and for which samples have come since it was last rolled up."""
    while _roll_some(until=floor(until, MINUTE)):
        pass


@transaction.atomic
def _roll_some(*, until: datetime) -> bool:
    """The oldest few such minutes; False when there were none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM leasing_gpusamplebatch WHERE minute IN (SELECT DISTINCT minute FROM leasing_gpusamplebatch "
            "WHERE minute < %s ORDER BY minute LIMIT %s) RETURNING minute",
            [until, MINUTES_AT_ONCE],
        )
        minutes = {minute for (minute,) in cursor.fetchall()}
    if minutes:
        roll_these_minutes(minutes, source="leasing_gpusample")
    return bool(minutes)


def roll_these_minutes(minutes: Collection[datetime], *, source: str) -> None:
    """Compute these minutes anew for every GPU that the table `source` has samples of."""
    MINUTES.ensure(minutes)
    slots = [slot for minute in sorted(minutes) for slot in slots_of(minute, MINUTE)]
    with connection.cursor() as cursor:
        cursor.execute(ROLL_MINUTES.format(source=source), {"slots": slots})


def roll_hour(hour: datetime, *, source: str, nodes: Collection[int]) -> None:
    """Compute the hour anew for these nodes, from their samples in the table `source`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM leasing_gpu WHERE node_id = ANY(%s)", [list(nodes)])
        gpus = [gpu for (gpu,) in cursor.fetchall()]
        cursor.execute("DELETE FROM leasing_gpuhour WHERE at = %s AND gpu = ANY(%s)", [hour, gpus])
        given: dict[str, Any] = {"hour": hour, "slots": slots_of(hour, HOUR), "nodes": list(nodes)}
        cursor.execute(ROLL_HOUR.format(source=source), given | {"first": min(gpus), "last": max(gpus)})


def slots_of(start: datetime, length: timedelta) -> list[datetime]:
    """The 15-second slots from `start` on."""
    return [start + place * SLOT for place in range(length // SLOT)]
