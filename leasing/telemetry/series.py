"""Reading what was kept, for one machine: its own tenant's time on the node and nothing before or after it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from django.db import connection

from leasing.models import Machine
from leasing.telemetry.packs import Sample, packed
from leasing.telemetry.partitions import HOUR, MINUTE, SLOT, floor
from leasing.telemetry.points import Line, Point, fold, with_energy
from leasing.telemetry.rollup import METRICS, slots_of

STEPS = {"15s": SLOT, "1m": MINUTE, "1h": HOUR}
LONGEST = 1500  # points of one GPU in one answer


@dataclass(frozen=True)
class XidError:
    """An error that the driver reported for a GPU."""

    at: datetime
    index: int
    code: int


def tenancy(machine: Machine, *, now: datetime) -> tuple[datetime, datetime] | None:
    """When the node was this tenant's, up to `now`; None while that has not begun."""
    if machine.touched_at is None or machine.touched_at >= now:
        return None
    return machine.touched_at, min(machine.access_ended_at or now, now)


def series(machine: Machine, *, step: timedelta, since: datetime, until: datetime, now: datetime) -> list[Line]:
    """
    The machine's GPUs in steps of 15 s, a minute or an hour (one of STEPS), in as much of [since, until) as was its
    tenant's own. A minute in which the tenant came or left is left out; of such an hour only the tenant's part counts.
    """
    own = tenancy(machine, now=now)
    if own is None:
        return []
    since, until = max(floor(since, step), own[0]), min(until, own[1])
    gpus = _gpus(machine)
    if step == SLOT:
        found = _samples(machine, gpus, since, until)
    elif step == MINUTE:
        found = _minutes(list(gpus), since, until)
    else:
        found = _hours(machine, list(gpus), since, until)
    lines = [Line(*gpus[gpu], with_energy(sorted(points, key=attrgetter("at")))) for gpu, points in found.items()]
    return sorted(lines, key=attrgetter("index", "uuid"))


def xid_errors(machine: Machine, *, since: datetime, until: datetime, now: datetime) -> list[XidError]:
    """The Xid errors in as much of [since, until) as was the machine's own tenant's, oldest first."""
    own = tenancy(machine, now=now)
    if own is None:
        return []
    gpus = _gpus(machine)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, gpu, code FROM leasing_gpuxid WHERE gpu = ANY(%s) AND at >= %s AND at < %s ORDER BY at, gpu",
            [list(gpus), max(since, own[0]), min(until, own[1])],
        )
        return [XidError(at, gpus[gpu][0], code) for at, gpu, code in cursor.fetchall()]


Found = dict[int, list[Point]]


def _gpus(machine: Machine) -> dict[int, tuple[int, str]]:
    """Index and UUID of every GPU that was ever seen in the node, by its number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, index, uuid FROM leasing_gpu WHERE node_id = %s", [machine.node_id])
        return {gpu: (index, uuid) for gpu, index, uuid in cursor.fetchall()}


def _samples(machine: Machine, gpus: Iterable[int], since: datetime, until: datetime) -> Found:
    """Every sample, once: not packed yet, late, or packed; while packing goes on it may be in two places."""
    known = {
        (sample.gpu, sample.at): sample
        for sample in packed([machine.node_id], since=floor(since, HOUR), until=until)
        if since <= sample.at < until
    }
    with connection.cursor() as cursor:
        for table in ("leasing_gpusample", "leasing_gpusamplelate"):
            cursor.execute(
                f"SELECT {', '.join(Sample._fields)} FROM {table} WHERE at = ANY(%s) AND gpu = ANY(%s)",
                [_slots(since, until), list(gpus)],
            )
            for row in cursor.fetchall():
                known.setdefault((row[1], row[0]), Sample(*row))
    found: Found = defaultdict(list)
    for sample in known.values():
        if not sample.lost:
            found[sample.gpu].append(_point(sample))
    return found


def _slots(since: datetime, until: datetime) -> list[datetime]:
    first = floor(since, SLOT)
    return [slot for slot in slots_of(first, until - first + SLOT) if since <= slot < until]


def _point(sample: Sample) -> Point:
    return Point(
        sample.at, 1, sample.utilization, sample.utilization, sample.memory_mib, sample.temperature_c, sample.power_mw,
        None if sample.energy_mj is None else 0, sample.energy_mj, sample.energy_mj,
    )  # fmt: skip


def _minutes(gpus: list[int], since: datetime, until: datetime) -> Found:
    return _read("FROM leasing_gpuminute WHERE gpu = ANY(%s) AND at >= %s AND at <= %s", [gpus, since, until - MINUTE])


def _hours(machine: Machine, gpus: list[int], since: datetime, until: datetime) -> Found:
    """Hours that are packed, and after them what the minutes say."""
    found = _read(
        "FROM leasing_gpuhour WHERE machine_id = %s AND at >= %s AND at < %s",
        [machine.pk, floor(since, HOUR), until],
    )
    for gpu, minutes in _minutes(gpus, since, until).items():
        done = {point.at for point in found[gpu]}
        by_hour = groupby(sorted(minutes, key=attrgetter("at")), key=lambda point: floor(point.at, HOUR))
        found[gpu] += [fold(hour, list(points)) for hour, points in by_hour if hour not in done]
    return found


def _read(source: str, parameters: list[object]) -> Found:
    """Rolled up rows with samples in them; one with none says only that a GPU was lost."""
    found: Found = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT gpu, at, {METRICS} {source} AND samples > 0", parameters)  # type: ignore[arg-type]
        for gpu, *row in cursor.fetchall():
            found[gpu].append(Point(*row))
    return found
