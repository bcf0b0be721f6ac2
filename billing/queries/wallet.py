"""What an organization has, what is spoken for, and how long it lasts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, QuerySet

from accounts.models import Organization
from billing.models import AccountKind, Entry, LedgerAccount, Payment, PaymentState
from billing.queries.credit import credits_left, lapsing
from billing.queries.meters import Reading, open_readings, promised_micros
from marketplace.money import MICROS_PER_CENT, SECONDS_PER_HOUR


@dataclass(frozen=True)
class Wallet:
    """An organization's money at a moment, micro-dollars. `available = balance - accrued - held`."""

    balance_micros: int
    accrued_micros: int  # used, but not posted yet
    held_micros: int  # kept aside for leases that are ordered or running
    burn_micros_per_hour: int  # of on-demand leases that are running
    seconds_left: int | None  # until those, and leases that extend themselves, have used all up; None: nothing does
    readings: tuple[Reading, ...] = ()  # of leases that have begun
    credit_micros: int = 0  # of the balance: given, spent before all else, never paid out; less what is accrued

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
    grants = list(credits_left(organization))
    lapsed = sum(lapse.micros for lapse in lapsing(organization=organization, grants=grants, now=now))
    balance, promised = _balance(organization) - lapsed, promised_micros(organization)
    readings = tuple(open_readings(organization, at=now))
    accrued, held = sum(r.accrued_micros for r in readings), promised + sum(r.held_micros for r in readings)
    running = [r for r in readings if r.runs_on_credit]
    burn = sum(r.micros_per_hour for r in running)
    for_running = balance - accrued - held + sum(r.held_micros for r in running)
    left = _seconds_left(for_running, burn, readings, now)
    credit = max(0, sum(grant.remaining_micros for grant in grants) - lapsed - accrued)
    return Wallet(balance, accrued, held, burn, left, readings, credit)


def _seconds_left(micros: int, burn: int, readings: Iterable[Reading], now: datetime) -> int | None:
    """How long the money lasts. A lease that extends itself burns as one on demand does, from its agreed end on."""
    renewing = sorted(
        (max(lease.ends_at, now), reading.micros_per_hour)
        for reading in readings
        if not reading.over and (lease := reading.meter.lease).auto_extend_seconds and lease.ends_at
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
    own = purse.available_micros - max(0, purse.credit_micros - purse.held_micros)
    return max(0, min(paid, own // MICROS_PER_CENT))


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


def _balance(organization: Organization) -> int:
    accounts = LedgerAccount.objects.filter(organization=organization, kind=AccountKind.WALLET)
    return accounts.values_list("balance_micros", flat=True).first() or 0
