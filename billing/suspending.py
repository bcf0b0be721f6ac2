"""
Suspended organizations cannot order, extend or move; they can always pay, return, read and download. What they lease
goes on: on demand as long as their wallet carries it, reserved until its end. `billing.limits` asks, here it
is decided. A hold on orders (`accounts.operations.hold_ordering`), while staff look into something, stops the same and
takes no credit.

Whoever owes is suspended until the money is there, which lifts it again. Any other reason takes the place of these: a
payment must not lift what a dispute has brought, and a sweep suspends again who still owes.
"""

from datetime import datetime

from django.db import transaction

from accounts.models import Organization
from accounts.operations import ON_HOLD, Words, record
from billing import operations
from billing.models import BillingAccount

WAY_OUT = "Write to us, and we will settle it together. You can pay, return, read and download as before."
SUSPENDED = f"Your company is suspended: it cannot order, extend or move nodes for now. {WAY_OUT}"


OVERDUE = "overdue: "  # how a reason begins that ends by itself


@transaction.atomic
def suspend(*, organization: Organization, reason: str, actor: str, now: datetime) -> bool:
    """
    Suspend an organization, once; one that is suspended stays so for the first reason. The reason is for staff: the
    organization hears only the way out. Returns whether it was not suspended before.
    """
    operations.lock_wallet(organization=organization)
    operations.account_of(organization)
    mine = BillingAccount.objects.filter(organization=organization)
    if mine.filter(suspended_reason__startswith=OVERDUE).update(suspended_reason=reason[:200]):
        _tell_staff(organization, "suspended", actor, now, reason=reason)
    if not mine.filter(suspended_at=None).update(suspended_at=now, suspended_reason=reason[:200]):
        return False
    notice: Words = {
        "title": f"{organization.name} is suspended",
        "text": f"{SUSPENDED} What you lease goes on: on demand as long as your wallet carries it.",
        "path": "/wallet/",
    }
    _record(organization, "suspended", actor, now, reason=reason, notice=notice)
    return True


def suspend_overdue(*, organization: Organization, what: str, now: datetime) -> bool:
    """Suspend who owes, under the wallet's lock; whoever asks tells it. Returns whether it was not suspended before."""
    free = BillingAccount.objects.filter(organization=organization, suspended_at=None)
    return bool(free.update(suspended_at=now, suspended_reason=f"{OVERDUE}{what}"[:200]))


def lift_overdue(*, organization: Organization, what: str) -> bool:
    """End that, and nothing else, under the wallet's lock. Returns whether it ended."""
    mine = BillingAccount.objects.filter(organization=organization, suspended_reason__startswith=f"{OVERDUE}{what}")
    return bool(mine.update(suspended_at=None, suspended_reason=""))


@transaction.atomic
def lift(*, organization: Organization, reason: str, actor: str, now: datetime) -> bool:
    """
    End a suspension. The reason is for staff, too; the organization hears whether it can order again, or its orders are
    still on hold. Returns whether it was suspended.
    """
    operations.lock_wallet(organization=organization)
    suspended = BillingAccount.objects.filter(organization=organization, suspended_at__isnull=False)
    if not suspended.update(suspended_at=None, suspended_reason=""):
        return False
    held = Organization.objects.get(pk=organization.pk).ordering_hold
    notice: Words = {
        "title": f"{organization.name} " + ("is not suspended any more" if held else "can order again"),
        "text": "Your company is not suspended any more. Leases that were paused go on as the wallet allows."
        + (f" {ON_HOLD}" if held else ""),
        "path": "/wallet/",
    }
    _record(organization, "unsuspended", actor, now, reason=reason, notice=notice)
    return True


def suspension(organization: Organization) -> BillingAccount | None:
    """The organization's account if it is suspended, as the database knows by now."""
    return BillingAccount.objects.filter(organization=organization, suspended_at__isnull=False).first()


def _record(organization: Organization, word: str, actor: str, now: datetime, *, reason: str, notice: Words) -> None:
    """Twice: the organization's own event says only that it is so, the operator's says why and by whom."""
    kind, subject = f"organization.{word}", organization.public_id
    record(organization=organization, kind=kind, subject=subject, actor="system:billing", at=now, notice=notice)
    _tell_staff(organization, word, actor, now, reason=reason)


def _tell_staff(organization: Organization, word: str, actor: str, now: datetime, *, reason: str) -> None:
    kind, subject = f"organization.{word}", organization.public_id
    record(organization=None, kind=kind, subject=subject, actor=actor, at=now, data={"reason": reason})
