"""Planned work on a node: a window in its calendar, begun when its time has come, finished by whoever did the work."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts.models import Event, IllegalMove
from accounts.operations import record
from leasing.models import Claim, Maintenance, MaintenanceState
from leasing.operations import calendar
from leasing.operations.enrolment import verify_again
from leasing.operations.maintenance_notices import lease_before, tell_cancelled, tell_planned
from leasing.operations.renewing import renew
from marketplace.models import Node
from marketplace.queries import Window, check_period
from marketplace.states import NodeState

OPEN = (MaintenanceState.PLANNED, MaintenanceState.UNDER_WAY)
FREE = frozenset({NodeState.AVAILABLE, NodeState.QUARANTINED, NodeState.MAINTENANCE})  # nobody is on it, no test runs
NEVER = frozenset({NodeState.ENROLLED, NodeState.RETIRED})
OVERDUE = "node.maintenance_overdue"


class WindowTaken(Exception):
    """Leases, other work or a quote have the node in the window. `free_from` is the next time it is free as long."""

    def __init__(self, claims: Sequence[Claim], free_from: datetime) -> None:
        super().__init__(
            f"The node is taken in this window. It is free for as long from {free_from:%Y-%m-%d %H:%M} UTC."
        )
        self.claims, self.free_from = tuple(claims), free_from


class NotOpen(Exception):
    """The work is done or was called off."""

    def __init__(self, maintenance: Maintenance) -> None:
        super().__init__(f"{maintenance.public_id} is {maintenance.get_state_display()}. Plan another window instead.")


def plan_maintenance(
    *, node: Node, kind: str, reason: str, starts_at: datetime, ends_at: datetime, actor: str, now: datetime
) -> Maintenance:
    """
    Take the node for a window, and tell whose lease is the last before it. `reason` is read by that customer.

    :raises BadPeriod: if the window lies in the past, ends before it starts, or starts more than 60 days ahead
    :raises WindowTaken: if anything else has the node in the window
    :raises IllegalMove: if the node is not enrolled yet, or retired
    """
    check_period(starts_at=starts_at, ends_at=ends_at, now=now)
    window = Window(max(starts_at, now), ends_at)
    planned = _plan(node=node, kind=kind, reason=reason, window=window, actor=actor, now=now)
    _renew_before(planned, now=now)
    return planned


@transaction.atomic
def _plan(*, node: Node, kind: str, reason: str, window: Window, actor: str, now: datetime) -> Maintenance:
    node = calendar.lock_node(node)
    if node.state in NEVER:
        raise IllegalMove(node, NodeState.MAINTENANCE)
    _must_be_free(node, window, now=now)
    (claim,) = calendar.claim(lease=None, node_ids=[node.pk], period=window)
    planned = Maintenance.objects.create(
        node=node,
        claim=claim,
        kind=kind,
        reason=reason,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        created_by=actor,
        created_at=now,
    )
    _record(planned, "node.maintenance_planned", actor=actor, now=now, work=kind, reason=reason)
    if lease := lease_before(planned, now=now):
        tell_planned(lease, planned, now=now)
    return planned


@transaction.atomic
def begin_maintenance(*, maintenance: Maintenance, actor: str, now: datetime) -> bool:
    """Begin a planned window, if nobody is on the node any more. False if it has to wait, or is not planned."""
    node, maintenance = _lock(maintenance)
    if maintenance.state != MaintenanceState.PLANNED or node.state not in FREE:
        return False
    if node.state != NodeState.MAINTENANCE:  # a drain may have brought it here before
        node.move_to(NodeState.MAINTENANCE, at=now, reason=maintenance.public_id, actor=actor)
    _set(maintenance, state=MaintenanceState.UNDER_WAY)
    _record(maintenance, "node.maintenance_begun", actor=actor, now=now)
    return True


@transaction.atomic
def finish_maintenance(*, maintenance: Maintenance, actor: str, now: datetime) -> bool:
    """The work is done: what is left of the window is free, and the node is verified. False if it is not under way."""
    node, maintenance = _lock(maintenance)
    if maintenance.state != MaintenanceState.UNDER_WAY:
        return False
    calendar.release_claim(maintenance.claim, now=now)
    _set(maintenance, state=MaintenanceState.DONE)
    _record(maintenance, "node.maintenance_done", actor=actor, now=now)
    if node.state == NodeState.MAINTENANCE:  # not if staff has quarantined it meanwhile
        verify_again(node=node, actor=actor, now=now)
    return True


def cancel_maintenance(*, maintenance: Maintenance, actor: str, now: datetime) -> bool:
    """Call a window off, tell who was told of it, and renew their guarantee. False if it is not planned (any more)."""
    cancelled = _cancel(maintenance=maintenance, actor=actor, now=now)
    if cancelled:
        _renew_before(maintenance, now=now)
    return cancelled


@transaction.atomic
def _cancel(*, maintenance: Maintenance, actor: str, now: datetime) -> bool:
    _, maintenance = _lock(maintenance)
    if maintenance.state != MaintenanceState.PLANNED:
        return False
    lease = lease_before(maintenance, now=now)
    calendar.release_claim(maintenance.claim, now=now)
    _set(maintenance, state=MaintenanceState.CANCELLED)
    _record(maintenance, "node.maintenance_cancelled", actor=actor, now=now)
    if lease:
        tell_cancelled(lease, maintenance, now=now)
    return True


@transaction.atomic
def extend_maintenance(*, maintenance: Maintenance, ends_at: datetime, actor: str, now: datetime) -> None:
    """
    Move the end of a window that is planned or under way; to the same end changes nothing.

    :raises BadPeriod: if the new end lies in the past or before the start
    :raises WindowTaken: if somebody else has the node before the new end
    :raises NotOpen: if the work is done or cancelled
    """
    node, maintenance = _lock(maintenance)
    if maintenance.state not in OPEN:
        raise NotOpen(maintenance)
    check_period(starts_at=maintenance.starts_at, ends_at=ends_at, now=now)
    if ends_at == maintenance.ends_at:
        return
    window = Window(maintenance.starts_at, ends_at)
    _must_be_free(node, window, now=now, besides=maintenance.claim)
    calendar.set_end(claims=[maintenance.claim], ends_at=ends_at)
    _set(maintenance, ends_at=ends_at)
    _record(maintenance, "node.maintenance_extended", actor=actor, now=now)


@transaction.atomic
def remind_of_maintenance(*, maintenance: Maintenance, now: datetime) -> bool:
    """Tell staff, once for each planned end, of work that should be done by now. True if that was news."""
    _, maintenance = _lock(maintenance)
    told = Event.objects.filter(
        kind=OVERDUE,
        subject=maintenance.node.public_id,
        at__gte=maintenance.ends_at,
        data__maintenance=maintenance.public_id,
    )
    if maintenance.state not in OPEN or maintenance.ends_at > now or told.exists():
        return False
    _record(maintenance, OVERDUE, actor="system:leasing", now=now, state=maintenance.state)
    return True


def _renew_before(maintenance: Maintenance, *, now: datetime) -> None:
    """Apart from the window's own transaction: a lease's nodes are locked in their order."""
    if lease := lease_before(maintenance, now=now):
        renew(lease=lease, now=now)


def _must_be_free(node: Node, window: Window, *, now: datetime, besides: Claim | None = None) -> None:
    taken = [claim for claim in calendar.claims_in(node=node, window=window) if claim != besides]
    if taken or calendar.is_held_in(node=node, window=window, now=now):
        raise WindowTaken(taken, calendar.next_free(node=node, after=window.starts_at, length=window.length, now=now))


def _lock(maintenance: Maintenance) -> tuple[Node, Maintenance]:
    """The node, its calendar locked, and the window, both as they are then."""
    node = calendar.lock_node(maintenance.node)
    return node, Maintenance.objects.select_related("node", "claim").get(pk=maintenance.pk)


def _set(maintenance: Maintenance, **fields: object) -> None:
    Maintenance.objects.filter(pk=maintenance.pk).update(**fields)
    for name, value in fields.items():
        setattr(maintenance, name, value)


def _record(maintenance: Maintenance, kind: str, *, actor: str, now: datetime, **data: str) -> None:
    window = {"starts_at": maintenance.starts_at.isoformat(), "ends_at": maintenance.ends_at.isoformat()}
    about = {"name": maintenance.node.name, "maintenance": maintenance.public_id, **window, **data}
    record(organization=None, kind=kind, subject=maintenance.node.public_id, actor=actor, at=now, data=about)
