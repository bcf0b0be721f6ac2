"""What can be read of leases: an organization's own, how far one has come, and where work waits."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import BigIntegerField, Count, Prefetch, Q, QuerySet

from accounts.models import Given, Organization, Statement, prefetched
from leasing.models import Lease, LeaseKey, Machine, Outage, WipeRecord
from leasing.states import MACHINE_FAILED_TWIN, WORKED_ON, LeaseState, MachineState
from marketplace.models import Site


@dataclass(frozen=True)
class Stage:
    """One stage of a lease's life as the customer sees it."""

    name: str
    status: str  # "done" | "current" | "upcoming" | "failed"
    at: datetime | None  # when it was reached


def leases_of(organization: Organization) -> QuerySet[Lease]:
    """The organization's leases, newest first, with everything that a page or an answer shows of them."""
    return (
        Lease.objects.filter(organization=organization)
        .select_related(*RELATED)
        .prefetch_related(
            "keys",
            "transitions",
            Prefetch("machines", Machine.objects.select_related("node", "lease").order_by("number", "pk")),
            "machines__outages",
        )
        .order_by("-pk")
    )


def shown(lease: Lease) -> Lease:
    """The same of one lease, as it is now, in four prepared statements. Its transitions are not read."""
    row = SHOWN.first(lease=lease.pk)
    if row is None:
        raise Lease.DoesNotExist
    machines, outages = MACHINES.rows(lease=row.pk), OUTAGES.rows(lease=row.pk)
    prefetched(row, keys=KEYS.rows(lease=row.pk), machines=machines)
    for machine in machines:
        machine.lease = row
        prefetched(machine, outages=[outage for outage in outages if outage.machine_id == machine.pk])
    return row


RELATED = (
    "offer__plan",
    "offer__pool__site",
    "offer__pool__node_type__gpu_model",
    "rate",
    "image",
    "created_by",
    "approval",
)
OF_LEASE = Given("lease", BigIntegerField())
SHOWN = Statement(lambda: Lease.objects.filter(pk=OF_LEASE).select_related(*RELATED))
KEYS = Statement(lambda: LeaseKey.objects.filter(lease=OF_LEASE))
MACHINES = Statement(lambda: Machine.objects.filter(lease=OF_LEASE).select_related("node").order_by("number", "pk"))
OUTAGES = Statement(lambda: Outage.objects.filter(machine__lease=OF_LEASE))


def current_step(lease: Lease) -> str:
    """What is being done for the customer right now, in words; empty when nothing is."""
    wanted = {MachineState.PENDING, *MACHINE_FAILED_TWIN}
    if lease.state in {LeaseState.PROVISIONING, LeaseState.ACTIVE, LeaseState.PAUSED}:
        wanted -= {MachineState.WIPING}  # that is the end of a machine that was replaced
    working = [machine for machine in lease.machines.all() if machine.state in wanted]
    if lease.state == LeaseState.SCHEDULED or not working:
        return ""
    return working[0].step or str(MachineState(working[0].state).label)


def stages(lease: Lease) -> list[Stage]:
    """The way from order to wipe, with where the lease is on it."""
    reached = {row.new: row.at for row in lease.transitions.all()}
    way = [LeaseState.SCHEDULED, LeaseState.PROVISIONING, LeaseState.ACTIVE, LeaseState.RECLAIMING, LeaseState.ENDED]
    if lease.over and lease.state != LeaseState.ENDED:
        done = [Stage(state, "done", reached[state]) for state in way if state in reached]
        return [*done, Stage(lease.state, "failed", lease.state_since)]
    if lease.state == LeaseState.HELD:
        way.insert(0, LeaseState.HELD)
    here = LeaseState.ACTIVE if lease.state == LeaseState.PAUSED else lease.state
    return [Stage(state, _status(state, here, reached), reached.get(state)) for state in way]


def _status(state: str, here: str, reached: dict[str, datetime]) -> str:
    if state == here:
        return "done" if state == LeaseState.ENDED else "current"
    return "done" if state in reached else "upcoming"


def wipe_records(lease: Lease) -> QuerySet[WipeRecord]:
    """Every wipe of the lease's machines, oldest first."""
    return WipeRecord.objects.filter(machine__lease=lease).select_related("machine", "node").order_by("pk")


def sites_with_work(*, now: datetime) -> list[tuple[Site, int]]:
    """Sites where machines wait for a worker, with how many."""
    waiting = Q(pools__nodes__machines__state__in=sorted(WORKED_ON)) & Q(
        pools__nodes__machines__next_attempt_at__lte=now
    )
    free = Q(pools__nodes__machines__work_until=None) | Q(pools__nodes__machines__work_until__lte=now)
    sites = Site.objects.filter(waiting & free).annotate(waiting=Count("pools__nodes__machines"))
    return [(site, site.waiting) for site in sites]
