"""Staff's side of a node's life: out of the offers, out of stock, and back through verification."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import IllegalMove, Stale
from accounts.operations import record
from leasing.models import Claim, Maintenance, MaintenanceState
from leasing.operations import calendar
from leasing.operations.enrolment import NodeInUse, retire, verify_again
from leasing.operations.maintaining import NotOpen, cancel_maintenance, finish_maintenance
from leasing.operations.rebooking import rebook
from marketplace.models import Node
from marketplace.states import AFTER_LEASE, IN_STOCK, NodeState

ACTOR = "system:leasing"
REFUSALS = (IllegalMove, Stale, NodeInUse, NotOpen)  # each is a sentence that says why not, and what instead


@dataclass(frozen=True)
class Cleared:
    """What became of the bookings of a node that leaves the stock: those moved elsewhere, and those that stay on it."""

    moved: Sequence[Claim]
    staying: Sequence[Claim]


@transaction.atomic
def cordon(*, node: Node, reason: str, actor: str, now: datetime) -> None:
    """
    Offer the node no more. The lease that it has goes on, and so does what is booked. Doing it twice changes nothing.

    :raises IllegalMove: if the node is retired
    """
    node = calendar.lock_node(node)
    if node.state == NodeState.RETIRED:
        raise IllegalMove(node, "cordoned")
    if node.cordoned_at is None:
        Node.objects.filter(pk=node.pk).update(cordoned_at=now, cordon_reason=reason)
        _record(node, "node.cordoned", actor=actor, now=now, reason=reason)


@transaction.atomic
def uncordon(*, node: Node, actor: str, now: datetime) -> None:
    """Offer the node again, and call off a drain that is not done yet. Doing it twice changes nothing."""
    node = calendar.lock_node(node)
    if node.cordoned_at is not None:
        Node.objects.filter(pk=node.pk).update(cordoned_at=None, cordon_reason="", after_lease="")
        _record(node, "node.uncordoned", actor=actor, now=now, after_lease=node.after_lease)


def drain(*, node: Node, to: str, reason: str, actor: str, now: datetime) -> Cleared:
    """
    Take the node out of stock as soon as nobody is on it and nothing is booked: now, or after its last tenant's wipe.

    `to` is one of AFTER_LEASE. Bookings that have not begun move to equal nodes where one is free for their whole
    period. Those that stay are for staff to decide: wait for them, or agree another time with the customer. Each
    booking is a transaction of its own, so that locks keep their order; doing all of it twice changes nothing.

    :raises IllegalMove: if the node is not in stock
    """
    _mark(node=node, to=to, reason=reason, actor=actor, now=now)
    cleared = _clear(node=node, now=now)
    settle_drain(node=node, now=now)
    return cleared


@transaction.atomic
def _mark(*, node: Node, to: str, reason: str, actor: str, now: datetime) -> None:
    node = calendar.lock_node(node)
    if to not in AFTER_LEASE or node.state not in {*IN_STOCK, NodeState.WIPE_FAILED}:
        raise IllegalMove(node, to)
    if node.after_lease != to:
        Node.objects.filter(pk=node.pk).update(
            cordoned_at=node.cordoned_at or now, cordon_reason=reason, after_lease=to
        )
        _record(node, "node.draining", actor=actor, now=now, to=to, reason=reason)


@transaction.atomic
def settle_drain(*, node: Node, now: datetime) -> bool:
    """Move a drained node on once it is clean and no lease has claimed it any more. True if it moved."""
    node = calendar.lock_node(node)
    to, under_way = node.after_lease, Maintenance.objects.filter(node=node, state=MaintenanceState.UNDER_WAY)
    if not to or node.state != NodeState.AVAILABLE or bookings(node, now=now).exists() or under_way.exists():
        return False
    drained: dict[str, Any] = {"cordoned_at": None, "cordon_reason": "", "after_lease": ""}
    if to == NodeState.RETIRED:
        for planned in Maintenance.objects.filter(node=node, state=MaintenanceState.PLANNED):
            cancel_maintenance(maintenance=planned, actor=ACTOR, now=now)
        Node.objects.filter(pk=node.pk).update(**drained)
        retire(node=node, actor=ACTOR, now=now, reason=node.cordon_reason)
    else:
        node.move_to(to, at=now, reason="drained", actor=ACTOR, **drained)
        _record(node, "node.drained", actor=ACTOR, now=now, to=to)
    return True


def bookings(node: Node, *, now: datetime) -> QuerySet[Claim]:
    """What leases have claimed of the node from now on, by time; the lease that is on it now is the first."""
    live = Claim.objects.filter(node=node, lease__isnull=False, released_at=None, period__endswith__gt=now)
    return live.select_related("lease__organization", "lease__offer__plan").order_by("period")


def quarantine(*, node: Node, reason: str, actor: str, now: datetime, code: str = "by_staff") -> Cleared:
    """
    Take a node that nobody is on out of stock, until it is verified again: by staff, or, where the `code` is what looks
    at its health found, once they find it well. Doing it twice changes nothing.

    Its bookings move to equal nodes where they can. One that stays is re-placed at its start, as after any failure.

    :raises IllegalMove: if somebody is on the node or it is being wiped: drain it instead
    """
    _quarantine(node=node, code=code, reason=reason, actor=actor, now=now)
    return _clear(node=node, now=now)


@transaction.atomic
def _quarantine(*, node: Node, code: str, reason: str, actor: str, now: datetime) -> None:
    node = calendar.lock_node(node)
    if node.state != NodeState.QUARANTINED:
        node.move_to(NodeState.QUARANTINED, at=now, reason=code, actor=actor)
        _record(node, "node.quarantined", actor=actor, now=now, reason=reason)


@transaction.atomic
def release_from_quarantine(*, node: Node, actor: str, now: datetime) -> None:
    """
    Let a node that is out of stock prove itself again. Maintenance that is under way on it is finished by this.

    :raises IllegalMove: if its state does not lead to verification
    """
    node = calendar.lock_node(node)
    under_way = Maintenance.objects.filter(node=node, state=MaintenanceState.UNDER_WAY).first()
    if under_way and node.state == NodeState.MAINTENANCE:
        finish_maintenance(maintenance=under_way, actor=actor, now=now)
    elif NodeState.VERIFYING not in node.TRANSITIONS[node.state]:
        raise IllegalMove(node, NodeState.VERIFYING)
    else:
        verify_again(node=node, actor=actor, now=now)


def _clear(*, node: Node, now: datetime) -> Cleared:
    """Move the bookings that can be moved."""
    moved = [new for claim in bookings(node, now=now) if (new := rebook(claim=claim, now=now))]
    return Cleared(moved, list(bookings(node, now=now)))


def _record(node: Node, kind: str, *, actor: str, now: datetime, **data: str) -> None:
    record(organization=None, kind=kind, subject=node.public_id, actor=actor, at=now, data={"name": node.name, **data})
