"""What an organization has, what is spoken for, and how long it lasts."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from accounts.models import Organization
from accounts.prepared import prepared
from billing.models import AccountKind, Entry, Payment, PaymentState
from billing.queries.meters import NOT_BEGUN, Reading, open_readings
from leasing.queries.limits import COUNTED
from marketplace.money import MICROS_PER_CENT, SECONDS_PER_HOUR

# The states are part of the text: so it is planned once, and both halves are answered by an index alone.
_AHEAD = "', '".join(NOT_BEGUN)
SUMS = f"""
    SELECT coalesce((SELECT balance_micros FROM billing_ledgeraccount
                      WHERE organization_id = %(organization)s AND kind = 'wallet'), 0),
           coalesce(sum(meter.hold_micros) FILTER (WHERE ahead.id IS NOT NULL), 0),
           count(*) FILTER (WHERE ahead.id IS NULL)
      FROM billing_meter AS meter
      LEFT JOIN (SELECT id FROM leasing_lease
                  WHERE organization_id = %(organization)s AND {COUNTED}
                    AND state IN ('{_AHEAD}')) AS ahead ON ahead.id = meter.lease_id
     WHERE meter.organization_id = %(organization)s AND meter.closed_at IS NULL
"""  # noqa: S608  our own words


@dataclass(frozen=True)
class Wallet:
    """An organization's money at a moment, micro-dollars. `available = balance - accrued - held`."""

    balance_micros: int
    accrued_micros: int  # used, but not posted yet
    held_micros: int  # kept aside for leases that are ordered or running
    burn_micros_per_hour: int  # of on-demand leases that are running
    seconds_left: int | None  # until those leases have used everything up; None when nothing burns
    readings: tuple[Reading, ...] = ()  # of leases that have begun

    @property
    def available_micros(self) -> int:
        """What a new order may use."""
        return self.balance_micros - self.accrued_micros - self.held_micros

    @property
    def hours_left(self) -> float | None:
        """`seconds_left` in hours, for people."""
        return None if self.seconds_left is None else self.seconds_left / SECONDS_PER_HOUR


def wallet(*, organization: Organization, now: datetime) -> Wallet:
    """The wallet at `now`. Read it under `operations.lock_wallet` before promising anything from it."""
    balance, promised, begun = _sums(organization)
    readings = tuple(open_readings(organization, at=now)) if begun else ()
    accrued, held = sum(r.accrued_micros for r in readings), promised + sum(r.held_micros for r in readings)
    running = [r for r in readings if r.runs_on_credit]
    burn = sum(r.micros_per_hour for r in running)
    for_running = balance - accrued - held + sum(r.held_micros for r in running)
    left = max(0, for_running) * SECONDS_PER_HOUR // burn if burn else None
    return Wallet(balance, accrued, held, burn, left, readings)


def refundable_cents(*, organization: Organization, now: datetime) -> int:
    """Whole cents that can go back to cards: available, and paid by card before."""
    paid = sum(p.amount_cents - p.refunded_cents for p in refundable_payments(organization=organization))
    available = wallet(organization=organization, now=now).available_micros // MICROS_PER_CENT
    return max(0, min(paid, available))


def refundable_payments(*, organization: Organization) -> QuerySet[Payment]:
    """Payments with something left to give back, newest first."""
    return Payment.objects.filter(
        organization=organization, state=PaymentState.PAID, refunded_cents__lt=F("amount_cents")
    ).order_by("-settled_at", "-id")


def ledger_entries(*, organization: Organization) -> QuerySet[Entry]:
    """The wallet's entries, newest first, with what they are about."""
    return (
        Entry.objects.filter(account__organization=organization, account__kind=AccountKind.WALLET)
        .select_related("posting__lease", "posting__payment", "posting__link")
        .order_by("-id")
    )


def _sums(organization: Organization) -> tuple[int, int, int]:
    """
    The balance, what is kept aside for leases that have not begun, and how many have: read before them, so that a lease
    that begins meanwhile counts twice for a moment, never not at all.
    """
    with prepared() as cursor:
        cursor.execute(SUMS, {"organization": organization.pk})
        balance, promised, begun = cursor.fetchone()
    return balance, int(promised), begun
