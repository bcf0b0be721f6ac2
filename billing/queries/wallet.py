"""What an organization has, what is spoken for, and how long it lasts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, QuerySet

from accounts.models import Organization
from accounts.prepared import ask
from billing.models import AccountKind, Dispute, Entry, LedgerAccount, Payment, PaymentState
from billing.queries.credit import credits_left, lapsing
from billing.queries.meters import NOT_BEGUN, Reading, open_readings
from leasing.queries.limits import COUNTED
from marketplace.money import MICROS_PER_CENT, SECONDS_PER_HOUR

# Whose card fails for long has no credit while it is suspended, and the ladder then stops what it would pay for. Who is
# late with a transfer orders nothing, and what it leases goes on. The states are part of the text: so it is planned
# once, and both halves are answered by an index alone.
_AHEAD = "', '".join(NOT_BEGUN)
SUMS = f"""
    SELECT coalesce((SELECT balance_micros FROM billing_ledgeraccount
                      WHERE organization_id = %(organization)s AND kind = 'wallet'), 0),
           coalesce((SELECT credit_micros FROM billing_billingaccount
                      WHERE organization_id = %(organization)s AND (suspended_at IS NULL OR mode = 'invoiced')), 0),
           (SELECT coalesce(sum(remaining_micros), 0)::bigint FROM billing_creditgrant
             WHERE organization_id = %(organization)s AND remaining_micros > 0),
           EXISTS (SELECT FROM billing_creditgrant WHERE organization_id = %(organization)s AND remaining_micros > 0
                      AND expires_at <= %(now)s AND lapsed_at IS NULL),
           coalesce(sum(meter.hold_micros) FILTER (WHERE ahead.id IS NOT NULL), 0)::bigint,
           count(*) FILTER (WHERE ahead.id IS NULL)
      FROM billing_meter AS meter
      LEFT JOIN (SELECT id FROM leasing_lease
                  WHERE organization_id = %(organization)s AND {COUNTED}
                    AND state IN ('{_AHEAD}')) AS ahead ON ahead.id = meter.lease_id
     WHERE meter.organization_id = %(organization)s AND meter.closed_at IS NULL
"""  # noqa: S608  our own words


@dataclass(frozen=True)
class Wallet:
    """
    An organization's money at a moment, micro-dollars. `available = balance + credit - accrued - held`; promotional
    credit that has not ended is part of the balance.
    """

    balance_micros: int
    accrued_micros: int  # used, but not posted yet
    held_micros: int  # kept aside for leases that are ordered or running
    burn_micros_per_hour: int  # of on-demand leases that are running
    seconds_left: int | None  # until those, and leases that extend themselves, have used all up; None: nothing does
    readings: tuple[Reading, ...] = ()  # of leases that have begun
    promotional_micros: int = 0  # of the balance: given, spent before all else, never paid out; less what is accrued
    credit_micros: int = 0  # how far it may go below nothing: for who pays later, while nothing is overdue

    @property
    def available_micros(self) -> int:
        """What a new order may use."""
        return self.balance_micros + self.credit_micros - self.accrued_micros - self.held_micros

    @property
    def credit_used_micros(self) -> int:
        """What is owed or spoken for beyond what was paid; more than the credit, if it was cut."""
        return max(0, self.credit_micros - self.available_micros)

    @property
    def extending_micros_per_hour(self) -> int:
        """What leases that extend themselves will burn, each from its agreed end on."""
        return sum(reading.micros_per_hour for reading in self.readings if reading.extends_itself)

    @property
    def hours_left(self) -> float | None:
        """`seconds_left` in hours, for people."""
        return None if self.seconds_left is None else self.seconds_left / SECONDS_PER_HOUR


def wallet(*, organization: Organization, now: datetime) -> Wallet:
    """The wallet at `now`. Read it under `operations.lock_wallet` before promising anything from it."""
    sums = _sums(organization, now)
    lapsed = 0
    if sums.grant_ended:
        lapses = lapsing(organization=organization, grants=credits_left(organization), now=now)
        lapsed = sum(lapse.micros for lapse in lapses)
    balance, promised, begun = sums.balance_micros - lapsed, sums.promised_micros, sums.begun
    readings = tuple(open_readings(organization, at=now)) if begun else ()
    accrued, held = sum(r.accrued_micros for r in readings), promised + sum(r.held_micros for r in readings)
    running = [r for r in readings if r.runs_on_credit]
    burn = sum(r.micros_per_hour for r in running)
    for_running = balance + sums.credit_micros - accrued - held + sum(r.held_micros for r in running)
    left = lasts(for_running, burn, readings, now)
    promotional = max(0, sums.granted_micros - lapsed - accrued)
    return Wallet(balance, accrued, held, burn, left, readings, promotional, sums.credit_micros)


def lasts(micros: int, burn: int, readings: Iterable[Reading], now: datetime) -> int | None:
    """
    For how many seconds money lasts at so much an hour; None: nothing uses it. A lease that extends itself burns as one
    on demand does, from its agreed end on.
    """
    renewing = sorted(
        (max(lease.ends_at, now), reading.micros_per_hour)
        for reading in readings
        if reading.extends_itself and (lease := reading.meter.lease).ends_at
    )
    left, since = max(0, micros) * SECONDS_PER_HOUR, now  # micro-dollars times seconds in an hour: no rounding
    for begin, more in renewing:
        seconds = (begin - since) // timedelta(seconds=1)
        if burn and left < burn * seconds:
            break
        left, since, burn = left - burn * seconds, begin, burn + more
    return (since - now) // timedelta(seconds=1) + left // burn if burn else None


def refundable_cents(*, organization: Organization, now: datetime) -> int:
    """Whole cents that can go back to cards: available, paid by card before, and no promotional credit."""
    paid = sum(p.amount_cents - p.refunded_cents for p in refundable_payments(organization=organization))
    purse = wallet(organization=organization, now=now)
    own = purse.available_micros - purse.credit_micros - max(0, purse.promotional_micros - purse.held_micros)
    return max(0, min(paid, own // MICROS_PER_CENT))


def refundable_payments(*, organization: Organization) -> QuerySet[Payment]:
    """Payments with something left to give back, newest first; none that was ever disputed: its bank deals with it."""
    return Payment.objects.filter(
        ~Exists(Dispute.objects.filter(payment=OuterRef("pk"))),
        organization=organization,
        state=PaymentState.PAID,
        refunded_cents__lt=F("amount_cents"),
    ).order_by("-settled_at", "-id")


def ledger_entries(*, organization: Organization) -> QuerySet[Entry]:
    """The wallet's entries, newest first, with what they are about."""
    return (
        Entry.objects.filter(account__organization=organization, account__kind=AccountKind.WALLET)
        .select_related("posting__lease", "posting__payment", "posting__link")
        .order_by("-id")
    )


def wallet_balance(organization: Organization) -> int:
    """The wallet's balance by the ledger, micro-dollars."""
    accounts = LedgerAccount.objects.filter(organization=organization, kind=AccountKind.WALLET)
    return accounts.values_list("balance_micros", flat=True).first() or 0


@dataclass(frozen=True)
class _Sums:
    """
    The balance, the credit, what is left of gifts, what is kept aside for leases that have not begun, and how many
    have.
    """

    balance_micros: int
    credit_micros: int
    granted_micros: int
    grant_ended: bool
    promised_micros: int
    begun: int


def _sums(organization: Organization, now: datetime) -> _Sums:
    """Read before the leases that have begun: one that begins meanwhile counts twice for a moment, never not at all."""
    [found] = ask(SUMS, {"organization": organization.pk, "now": now})
    return _Sums(*found)
