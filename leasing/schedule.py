"""What time brings by itself. Each function finds its rows by state and time: a late or doubled run changes nothing."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from accounts.operations import for_each
from leasing import enrolling, operations
from leasing.health import CALLED
from leasing.models import (
    Interruption,
    Lease,
    Machine,
    Maintenance,
    MaintenanceState,
    OnFailure,
    Outage,
    OutageCause,
    Standby,
)
from leasing.models.work import FENCED
from leasing.operations import NoEqualNode, calendar, outages
from leasing.operations.announcing import tell_of_terms
from leasing.operations.approving import expire_unapproved
from leasing.operations.blindness import sees_again, went_blind
from leasing.operations.enrolment import verify_again
from leasing.operations.interrupting import begin_due, settle
from leasing.operations.maintaining import begin_maintenance, remind_of_maintenance
from leasing.operations.pausing import UNDONE
from leasing.operations.servicing import REFRESH
from leasing.operations.standing_by import settle_standby
from leasing.operations.upkeep import quarantine, settle_drain
from leasing.provisioning import give_up, lock
from leasing.queries import extension, guarantee
from leasing.queries.fleet import BLIND_AFTER, last_looks, looked_at
from leasing.states import (
    MACHINE_FAILED_TWIN,
    POWER,
    STANDBY_FAILED_TWIN,
    WITHOUT_POWER,
    InterruptionState,
    LeaseState,
    MachineState,
    StandbyState,
)
from marketplace.models import Node, Site, Terms
from marketplace.states import NodeState

Row = TypeVar("Row", Interruption, Lease, Machine, Maintenance, Node, Outage, Site, Standby, Terms)

ACTOR = "system:leasing"
BATCH = 500
RECOVERED_AT = 4  # good looks in a row: a minute
AGAIN_AFTER = timedelta(minutes=2)
RUNNING = (LeaseState.PROVISIONING, LeaseState.ACTIVE, LeaseState.PAUSED)
WHY_NO_LONGER = {
    guarantee.Because.BOOKED: "guarantee_over",
    guarantee.Because.MAINTENANCE: "maintenance",
    guarantee.Because.POWER: "no_firm_power",
    None: "not_renewed",  # no sweep came for as long as it was guaranteed, and its hosts have ended access
}


def run_due(*, now: datetime) -> None:
    """Everything whose time has come, once."""
    for step in STEPS:
        step(now=now)


def expire_holds(*, now: datetime) -> None:
    """Holds that nobody confirmed in time."""
    _each(
        Lease.objects.filter(state=LeaseState.HELD, deadline__lte=now, approval=None),
        lambda lease: operations.expire(lease=lease, now=now),
    )


def expire_approvals(*, now: datetime) -> None:
    """Orders that staff did not decide on in time."""
    _each(
        Lease.objects.filter(state=LeaseState.HELD, deadline__lte=now, approval__isnull=False),
        lambda lease: expire_unapproved(lease=lease, now=now),
    )


def start_due(*, now: datetime) -> None:
    """Scheduled leases whose start has come."""
    _each(Lease.objects.filter(state=LeaseState.SCHEDULED, starts_at__lte=now), lambda lease: _start(lease, now=now))


@transaction.atomic
def _start(lease: Lease, *, now: datetime) -> None:
    """Unless it was moved to a later window since the sweep looked."""
    fresh = Lease.objects.select_for_update(of=("self",)).select_related("terms").get(pk=lease.pk)
    if fresh.starts_at <= now:
        operations.start(lease=fresh, now=now)


def deploy_pending(*, now: datetime) -> None:
    """Machines of a starting lease whose node has just come back to stock."""
    pending = Machine.objects.filter(
        state=MachineState.PENDING, lease__state=LeaseState.PROVISIONING, node__state=NodeState.AVAILABLE
    ).select_related("lease")
    _each(pending, lambda machine: operations.deploy(machine=machine, deadline=machine.lease.deadline, now=now))


def end_due(*, now: datetime) -> None:
    """Leases whose period or guarantee is over, and paused ones whose time to be resumed is over."""
    running = Lease.objects.filter(state__in=RUNNING).annotate(last=Coalesce(F("ends_at"), F("guaranteed_until")))
    coming_back = Machine.objects.filter(lease=OuterRef("pk"), state=MachineState.RESUMING)
    forgotten = Q(state=LeaseState.PAUSED, deadline__lte=now) & ~Exists(coming_back)
    over = running.filter(Q(last__lte=now) | forgotten)
    _each(over, lambda lease: _end(lease, now=now))


@transaction.atomic
def _end(lease: Lease, *, now: datetime) -> None:
    """Unless it was extended, or its guarantee renewed, since the sweep looked: that may be asked until the end."""
    calendar.lock_nodes_of(lease)
    fresh = Lease.objects.select_for_update(of=("self",)).get(pk=lease.pk)
    forgotten = fresh.state == LeaseState.PAUSED and fresh.deadline is not None and fresh.deadline <= now
    if fresh.last_moment <= now or forgotten:
        operations.end(lease=fresh, reason=_why(fresh, now), actor="system:leasing", now=now)


def tell_endings(*, now: datetime) -> None:
    """Leases that end soon: the customer hears in time to save what is on them, or to extend them."""
    soon = extension.ending_soon(now=now).select_related("organization", *extension.READ)
    _each(soon, lambda lease: operations.tell_ending(lease=lease, now=now))


def give_up_overdue(*, now: datetime) -> None:
    """Machines whose state has lasted past its deadline, and those whose node never came free in time for the start."""
    worked = Q(state__in=sorted(MACHINE_FAILED_TWIN), deadline__lte=now)
    waiting = Q(state=MachineState.PENDING, lease__state=LeaseState.PROVISIONING, lease__deadline__lte=now)
    _each(Machine.objects.filter(worked | waiting), lambda machine: _overdue(machine, now=now))


def settle_overdue(*, now: datetime) -> None:
    """Reclaiming leases that can wait no longer: the customer's lease ends, the node's own trouble goes on."""
    late = Lease.objects.filter(state=LeaseState.RECLAIMING, deadline__lte=now)
    _each(late, lambda lease: operations.settle_end(lease=lease, now=now))


def renew_due(*, now: datetime) -> None:
    """Open-ended leases whose guarantee has shrunk below what is promised to be renewed, or ends, or no longer ends."""
    open_ended = Lease.objects.filter(ends_at=None, state__in=RUNNING, guarantee_notice_at=None)
    margin = ExpressionWrapper(F("terms__renew_within_seconds") * timedelta(seconds=1), output_field=DurationField())
    due = open_ended.annotate(margin=margin).filter(guaranteed_until__lt=Value(now) + F("margin"))
    _each(due, lambda lease: operations.renew(lease=lease, now=now))
    # At once, and not only when the guarantee has shrunk: who has booked behind, or has gone.
    _each(guarantee.cut_short(now=now), lambda lease: operations.renew(lease=lease, now=now))
    _each(guarantee.freed(), lambda lease: operations.renew(lease=lease, now=now))


def settle_drains(*, now: datetime) -> None:
    """Drained nodes whose last booking has gone in another way than by a wipe."""
    drained = Node.objects.filter(state=NodeState.AVAILABLE).exclude(after_lease="")
    _each(drained, lambda node: settle_drain(node=node, now=now))


def maintenance_due(*, now: datetime) -> None:
    """Planned work whose time has come, and a word to staff about work that should be done by now."""
    begun = Maintenance.objects.filter(state=MaintenanceState.PLANNED, starts_at__lte=now)
    _each(begun, lambda work: begin_maintenance(maintenance=work, actor="system:leasing", now=now))
    late = Maintenance.objects.filter(
        state__in=[MaintenanceState.PLANNED, MaintenanceState.UNDER_WAY], ends_at__lte=now
    )
    _each(late, lambda work: remind_of_maintenance(maintenance=work, now=now))


def standby_due(*, now: datetime) -> None:
    """Nodes that are to be switched off or on for their site's power, and those that did not do it in time."""
    window_over = ~Q(maintenance__state__in=[MaintenanceState.PLANNED, MaintenanceState.UNDER_WAY])
    begins = Q(state=StandbyState.PLANNED, maintenance__starts_at__lte=now)
    due = begins | Q(deadline__lte=now) | window_over & Q(state__in=[StandbyState.PLANNED, StandbyState.OFF])
    open_ones = Standby.objects.filter(due, state__in=sorted(STANDBY_FAILED_TWIN))
    _each(open_ones.select_related("maintenance__node"), lambda row: settle_standby(standby=row, now=now))


def tell_terms(*, now: datetime) -> None:
    """Terms that were announced ahead, and of which nobody was told yet."""
    untold = Terms.objects.filter(starts_at__gt=F("announced_at"), told=None).select_related("plan")
    _each(untold, lambda terms: tell_of_terms(terms=terms, now=now))


@transaction.atomic
def _overdue(machine: Machine, *, now: datetime) -> None:
    """Fence whoever still works on it, then move it to its failed twin."""
    late = lock(machine, state=machine.state, version=machine.version)
    deadline = late.deadline or late.lease.deadline if late else None
    if late is None or deadline is None or deadline > now:  # the replacement of a sibling has extended it
        return
    Machine.objects.filter(pk=late.pk).update(**FENCED)
    give_up(machine=late, reason=f"{late.state}_deadline", now=now)


def call_outages(*, now: datetime) -> None:
    """Outages that enough looks have confirmed: the tenant is told. Who moves has left the node that is looked at."""
    sure = Outage.objects.filter(ended_at=None, called_at=None, machine__node__health__history__in=CALLED)
    told = sure.exclude(cause=OutageCause.MOVING).select_related("machine__node", "machine__lease__organization")
    _each(told, lambda outage: outages.call(outage=outage, now=now))


def swap_down(*, now: datetime) -> None:
    """Machines that are down in leases whose tenant chose to have them swapped at once."""
    down = Q(outages__ended_at=None, outages__called_at__isnull=False, successor=None)
    wanted = Machine.objects.filter(down, lease__state=LeaseState.ACTIVE, lease__on_failure=OnFailure.SWAP)
    _each(wanted.select_related("lease__offer", "lease__terms"), lambda machine: _swap(machine, now=now))


def refresh_machines(*, now: datetime) -> None:
    """Machines whose host does not have the lease's keys and deadline yet, or has restarted without its tenant."""
    behind = Q(setup_applied__lt=F("lease__setup_version")) | Q(node__health__cause=OutageCause.REBOOTED)
    stale = Machine.objects.filter(behind, state=MachineState.READY, lease__state=LeaseState.ACTIVE)
    _each(stale, lambda machine: operations.service(machine=machine, what=REFRESH, actor=ACTOR, now=now))


def pause_again(*, now: datetime) -> None:
    """Machines that count as paused although their host may not have done it."""
    doubtful = Machine.objects.filter(state=MachineState.PAUSED, reason__in=UNDONE, state_since__lte=now - AGAIN_AFTER)
    _each(doubtful, lambda machine: operations.pause_again(machine=machine, now=now))


def interrupt_due(*, now: datetime) -> None:
    """Announced interruptions whose notice is over, and those under way."""
    rows = Interruption.objects.select_related("lease")
    _each(
        rows.filter(state=InterruptionState.SCHEDULED, begins_at__lte=now),
        lambda row: begin_due(interruption=row, now=now),
    )
    under_way = rows.filter(state__in=sorted({*WITHOUT_POWER, InterruptionState.RESUMING}))
    _each(under_way, lambda row: settle(interruption=row, now=now))


def resume_powered(*, now: datetime) -> None:
    """Leases that are paused for power although there is some: until all their machines answer, or it is too late."""
    dark = Interruption.objects.filter(lease=OuterRef("pk"), state__in=sorted(WITHOUT_POWER))
    stopped = Machine.objects.filter(lease=OuterRef("pk"), state=MachineState.PAUSED)
    waiting = Lease.objects.filter(
        ~Exists(dark), Exists(stopped), state=LeaseState.PAUSED, reason=POWER, deadline__gt=now
    )
    _each(waiting, lambda lease: operations.resume(lease=lease, actor=ACTOR, now=now))


def quarantine_sick(*, now: datetime) -> None:
    """Nodes in stock that enough looks have found unwell: nobody shall get them."""
    sick = Node.objects.filter(state=NodeState.AVAILABLE, health__history__in=CALLED).exclude(health__cause="")
    _each(
        sick.select_related("health"),
        lambda node: quarantine(node=node, code=node.health.cause, reason=node.health.detail, actor=ACTOR, now=now),
    )


def verify_recovered(*, now: datetime) -> None:
    """Nodes that were quarantined for their health, and have been well for a minute: they may prove themselves."""
    well = Node.objects.filter(state=NodeState.QUARANTINED, reason__in=OutageCause.values, health__cause="")
    recovered = well.filter(health__good_looks__gte=RECOVERED_AT)
    _each(recovered, lambda node: verify_again(node=node, actor=ACTOR, now=now))


def tell_blind(*, now: datetime) -> None:
    """Sites whose watcher has not looked for two minutes, and those where it looks again."""
    sites, silent = last_looks(), Q(looked_at__lte=now - BLIND_AFTER)
    _each(sites.filter(silent, blind_since=None), lambda site: went_blind(site=site, since=looked_at(site), now=now))
    _each(sites.exclude(silent).exclude(blind_since=None), lambda site: sees_again(site=site, now=now))


STEPS = (
    expire_holds,
    expire_approvals,
    start_due,
    deploy_pending,
    end_due,
    tell_endings,
    give_up_overdue,
    settle_overdue,
    renew_due,
    call_outages,
    swap_down,
    refresh_machines,
    interrupt_due,
    resume_powered,
    pause_again,
    quarantine_sick,
    verify_recovered,
    settle_drains,
    maintenance_due,
    standby_due,
    tell_terms,
    tell_blind,
    enrolling.give_up_overdue,
    enrolling.verify_idle,
)


def _swap(machine: Machine, *, now: datetime) -> None:
    with suppress(NoEqualNode):  # looked for again at the next turn; nothing is charged meanwhile
        operations.swap(machine=machine, actor=ACTOR, now=now)


def _why(lease: Lease, now: datetime) -> str:
    if lease.state == LeaseState.PAUSED and lease.deadline is not None and lease.deadline <= now:
        return "node_failed" if lease.machines.filter(reason__in=UNDONE).exists() else lease.reason
    if lease.ends_at:
        return "period_over"
    return WHY_NO_LONGER[guarantee.stopped_by(lease, now=now)]


def _each(rows: QuerySet[Row], act: Callable[[Row], Any]) -> None:
    """A batch of them."""
    for_each(rows.order_by("pk")[:BATCH], act)
