"""Whom planned work on a node concerns, and what they are told."""

from datetime import datetime

from accounts.operations import record
from leasing.models import Claim, Lease, Maintenance
from leasing.states import LEASE_OVER, LeaseState


def lease_before(maintenance: Maintenance, *, now: datetime) -> Lease | None:
    """The lease that is or will be the last on the node before the window."""
    before = Claim.objects.filter(
        node=maintenance.node,
        lease__isnull=False,
        released_at=None,
        period__endswith__gt=now,
        period__endswith__lte=maintenance.starts_at,
    )
    going_on = before.exclude(lease__state__in=[LeaseState.HELD, LeaseState.RECLAIMING, *LEASE_OVER])
    last = going_on.select_related("lease__organization").order_by("period").last()
    return last.lease if last else None


def tell_planned(lease: Lease, maintenance: Maintenance, *, now: datetime) -> None:
    """Tell the customer what is done, when, and what that means for the lease."""
    if lease.ends_at:
        means = f"Your lease ends before that, at {lease.ends_at:%Y-%m-%d %H:%M} UTC, as agreed."
    else:
        means = "Your lease runs on until then at the longest. Book another node in time to move your work."
    _tell(lease, maintenance, "planned", f"{maintenance.reason} {means}", now=now)


def tell_cancelled(lease: Lease, maintenance: Maintenance, *, now: datetime) -> None:
    """Tell the customer that the work does not take place."""
    _tell(lease, maintenance, "cancelled", "It does not take place, and your lease is not affected.", now=now)


def _tell(lease: Lease, maintenance: Maintenance, word: str, text: str, *, now: datetime) -> None:
    # Which member of staff did it is in the node's own event; the customer deals with Gridlease.
    node, begins, ends = maintenance.node, maintenance.starts_at, maintenance.ends_at
    record(
        organization=lease.organization,
        kind=f"lease.maintenance_{word}",
        subject=lease.public_id,
        actor="system:leasing",
        at=now,
        data={"name": lease.name, "maintenance": maintenance.public_id, "node": node.name},
        notice={
            "title": f"Maintenance of a node of {lease.name} is {word}",
            "text": f"{node.name}, from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC. {text}",
            "path": f"/leases/{lease.public_id}/",
        },
    )
