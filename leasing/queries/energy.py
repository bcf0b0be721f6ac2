"""What leases at a site drew in an hour: how long they were in their tenants' hands, and what the GPUs counted."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Prefetch

from leasing.models import Lease, Machine, Transition
from leasing.states import METERED
from marketplace.models import Site

SAMPLE = timedelta(seconds=15)
ENOUGH_PERCENT = 90  # of the samples of all its GPUs: then an hour counts as measured
MJ_PER_WH = 3_600_000

# With what was used between the last sample of the hour before and the first of this one: see leasing.telemetry.
COUNTERS = """
    SELECT this.machine_id, sum(this.samples),
           sum(this.energy_mj + CASE WHEN before.energy_last_mj IS NULL THEN 0
                                     WHEN this.energy_first_mj >= before.energy_last_mj
                                     THEN this.energy_first_mj - before.energy_last_mj
                                     ELSE this.energy_first_mj END)
      FROM leasing_gpuhour AS this
      LEFT JOIN leasing_gpuhour AS before ON before.gpu = this.gpu AND before.machine_id = this.machine_id
                                         AND before.at = this.at - interval '1 hour'
     WHERE this.at = %s AND this.machine_id = ANY(%s) AND this.energy_mj IS NOT NULL
     GROUP BY this.machine_id
"""


@dataclass(frozen=True)
class Drawn:
    """A lease's hour: for how long it was in its tenant's hands, and watt-hours of its nodes; None: nobody knows."""

    lease: Lease
    seconds: int
    node_wh: int | None
    measured: bool


def drawn_in(*, site: Site, hour: datetime) -> list[Drawn]:
    """Every lease at the site that was in its tenant's hands in the hour. Three queries."""
    until = hour + timedelta(hours=1)
    begun = Transition.objects.filter(new__in=METERED, at__lt=until).values("lease")
    leases = (
        Lease.objects.filter(pk__in=begun, offer__pool__site=site)
        .exclude(pk__in=Transition.objects.filter(old__in=METERED, at__lte=hour, new="reclaiming").values("lease"))
        .select_related("offer__pool__node_type__gpu_model")
        .prefetch_related(
            Prefetch("transitions", Transition.objects.order_by("seq")), Prefetch("machines", Machine.objects.all())
        )
        .order_by("pk")
    )
    active = [(lease, seconds) for lease in leases if (seconds := _seconds(lease, hour, until))]
    counted = _counters(hour, [machine.pk for lease, _ in active for machine in lease.machines.all()])
    return [_drawn(lease, seconds, counted) for lease, seconds in active]


def _seconds(lease: Lease, since: datetime, until: datetime) -> int:
    """For how long of the time it was in its tenant's hands."""
    moves = list(lease.transitions.all())
    ends = [move.at for move in moves[1:]] + [until]
    total = timedelta()
    for move, end in zip(moves, ends, strict=True):
        if move.new in METERED:
            total += max(min(end, until) - max(move.at, since), timedelta())
    return total // timedelta(seconds=1)


def _counters(hour: datetime, machines: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Samples and watt-hours of the GPUs, by machine; without those that told nothing."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTERS, [hour, list(machines)])
        return {machine: (int(samples), int(mj) // MJ_PER_WH) for machine, samples, mj in cursor.fetchall()}


def _drawn(lease: Lease, seconds: int, counted: dict[int, tuple[int, int]]) -> Drawn:
    """By the counters of its GPUs, with what its type draws besides them; else all by its type."""
    kind, nodes = lease.offer.pool.node_type, lease.node_count
    gpus = kind.gpu_count * nodes
    told = [counted[machine.pk] for machine in lease.machines.all() if machine.pk in counted]
    expected = gpus * (seconds // int(SAMPLE.total_seconds()))
    if gpus and kind.gpu_model and sum(samples for samples, _ in told) * 100 >= expected * ENOUGH_PERCENT:
        besides = max(kind.power_w - kind.gpu_count * kind.gpu_model.tdp_w, 0) * nodes * seconds // 3600
        return Drawn(lease, seconds, sum(wh for _, wh in told) + besides, measured=True)
    return Drawn(lease, seconds, kind.power_w * nodes * seconds // 3600 if kind.power_w else None, measured=False)
