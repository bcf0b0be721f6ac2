"""What customers are told of the end of a lease before it comes: once for each end."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounts.operations import record
from leasing.models import Lease
from leasing.queries.extension import reach, why_not_now
from leasing.states import LeaseState


@transaction.atomic
def tell_not_extended(*, lease: Lease, why: str, actor: str, now: datetime) -> None:
    """Tell the customer, once for each end, that the lease could not be extended as it was to be."""
    if lease.ends_at is None or not _untold(lease).update(end_notice_at=now):
        return
    ends = _minute(lease.ends_at)
    record(
        organization=lease.organization,
        kind="lease.not_extended",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "ends_at": lease.ends_at.isoformat(), "why": why},
        notice={
            "title": f"{lease.name} could not be extended and ends at {ends}",
            "text": f"{why} It ends at {ends} unless that changes; we go on trying until then. Save your work in time.",
            "path": f"/leases/{lease.public_id}/extend/",
        },
    )


@transaction.atomic
def tell_ending(*, lease: Lease, now: datetime) -> None:
    """Tell the customer, once for each end, that the lease ends soon, what is lost then, and how far it can go on."""
    ends_at = lease.last_moment
    as_found = {"state": LeaseState.ACTIVE, "auto_extend_seconds": None, "guaranteed_until": lease.guaranteed_until}
    if not _untold(lease).filter(**as_found).update(end_notice_at=now):
        return
    further, possible = _further(lease, now)
    record(
        organization=lease.organization,
        kind="lease.ending",
        subject=lease.public_id,
        actor="system:leasing",
        at=now,
        data={"name": lease.name, "ends_at": ends_at.isoformat()},
        notice={
            "title": f"{lease.name} ends at {_minute(ends_at)}",
            "text": f"Then access ends, and everything on it is wiped for good. Save your work in time. {further}",
            "path": f"/leases/{lease.public_id}/{'extend/' if possible else ''}",
        },
    )


def _untold(lease: Lease) -> QuerySet[Lease]:
    return Lease.objects.filter(pk=lease.pk, end_notice_at=None, ends_at=lease.ends_at)


def _further(lease: Lease, now: datetime) -> tuple[str, bool]:
    """How far it can go on, or why it cannot, in words; and whether it can."""
    if lease.ends_at is None:
        return "Its page says where equal nodes are free, and whether it can be moved to one.", False
    if refusal := why_not_now(lease, now=now):
        return refusal.message, False
    found = reach(lease, now=now)
    if found.ends_at == lease.ends_at:
        return f"It cannot go on: {found.why}", False
    return f"Extend it if you need it for longer: as booked now, it can go on until {_minute(found.ends_at)}.", True


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
