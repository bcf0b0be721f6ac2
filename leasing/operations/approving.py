"""Orders whose plan asks for the operator's approval: asked when they are placed, decided once, or run out."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.operations import record
from leasing.models import Approval, Lease
from leasing.operations import calendar
from leasing.operations.booking import confirm, expire
from leasing.operations.ending import end
from leasing.states import LeaseState
from marketplace.measures import counted

ACTOR = "system:leasing"  # the customer deals with Gridlease; the approval's row says who of its staff decided


class NotWaiting(Exception):
    """The lease does not wait for approval any more: it was decided, it ran out, or the customer called it off."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(f"{lease} does not wait for approval any more. It is {lease.state}.")


@transaction.atomic
def ask_approval(*, lease: Lease, actor: str, now: datetime) -> None:
    """Let a lease that is held wait for staff, for as long as its terms say: up to its start, if that lies ahead."""
    last = lease.starts_at if lease.starts_at > now else lease.last_moment
    lease.deadline = min(now + timedelta(seconds=lease.terms.approval_seconds), last)
    Lease.objects.filter(pk=lease.pk).update(deadline=lease.deadline)
    Approval.objects.create(lease=lease, asked_at=now)
    text = f"Its nodes and its money are kept until {lease.deadline:%Y-%m-%d %H:%M} UTC. You will hear of the decision."
    _tell(lease, "approval_asked", "waits for the operator's approval", text, actor=actor, now=now)
    _ask_staff(lease, now)


@transaction.atomic
def approve(*, lease: Lease, actor: str, now: datetime, note: str = "") -> None:
    """
    Make the order an agreement, and start it if its time has come.

    :raises NotWaiting: if there is nothing to decide any more
    """
    decided = _decide(lease, approved=True, actor=actor, note=note, now=now)
    begins = "It starts now." if decided.starts_at <= now else f"It starts at {decided.starts_at:%Y-%m-%d %H:%M} UTC."
    _tell(decided, "approved", "is approved", f"{note} {begins}".strip(), now=now)
    confirm(lease=decided, actor=ACTOR, now=now)


@transaction.atomic
def decline(*, lease: Lease, actor: str, now: datetime, note: str) -> None:
    """
    Call the order off; it costs nothing. `note` tells the customer why.

    :raises NotWaiting: if there is nothing to decide any more
    """
    decided = _decide(lease, approved=False, actor=actor, note=note, now=now)
    _tell(
        decided, "declined", "was declined", f"{note} You were charged nothing, and its money is free again.", now=now
    )
    end(lease=decided, reason="declined", actor=ACTOR, now=now)


@transaction.atomic
def expire_unapproved(*, lease: Lease, now: datetime) -> None:
    """
    Let go of an order that nobody decided on in time.

    :raises Stale: if it was decided or called off meanwhile
    """
    expire(lease=lease, reason="not_approved", now=now)
    text = "You were charged nothing, and its money is free again. Order once more, or another node."
    _tell(lease, "not_approved", "was not approved in time", text, now=now)


def _decide(lease: Lease, *, approved: bool, actor: str, note: str, now: datetime) -> Lease:
    """The lease under lock, its decision written down. Raises NotWaiting."""
    calendar.lock_nodes_of(lease)
    locked = Lease.objects.select_for_update(of=("self",)).select_related("terms", "organization").get(pk=lease.pk)
    open_ = locked.state == LeaseState.HELD and locked.deadline is not None and now < locked.deadline
    answer = {"decided_at": now, "approved": approved, "decided_by": actor, "note": note}
    if not (open_ and Approval.objects.filter(lease=locked, decided_at=None).update(**answer)):
        raise NotWaiting(locked)
    return locked


def _ask_staff(lease: Lease, now: datetime) -> None:
    """The mail to those who may decide: the order runs out by itself, so they must know of it."""
    nodes = f"{counted(lease.node_count, 'node')} on the plan {lease.offer.plan}"
    record(
        organization=None,
        kind="approval.asked",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        notice={
            "title": f"An order of {lease.organization} waits for approval",
            "text": f"{lease.name}, {nodes}. Decide by {lease.deadline:%Y-%m-%d %H:%M} UTC: then it ends by itself.",
            "path": f"/operations/approvals/{lease.public_id}/",
        },
    )


def _tell(lease: Lease, word: str, what: str, text: str, *, now: datetime, actor: str = ACTOR) -> None:
    record(
        organization=lease.organization,
        kind=f"lease.{word}",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name},
        notice={
            "title": f"{lease.name} {what}",
            "text": text.strip(),
            "path": f"/leases/{lease.public_id}/",
        },
    )
