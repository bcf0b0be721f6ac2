"""What an organization has, what is spoken for, and how long it lasts."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from accounts.models import Organization
from billing.models import AccountKind, Entry, LedgerAccount, Payment, PaymentState
from billing.queries.meters import Reading, open_readings, promised_micros
from marketplace.money import MICROS_PER_CENT, SECONDS_PER_HOUR


@dataclass(frozen=True)
class Wallet:
    """An organization's money at a moment, micro-dollars. `available = balance + credit - accrued - held`."""

    balance_micros: int
    accrued_micros: int  # used, but not posted yet
    held_micros: int  # kept aside for leases that are ordered or running
    burn_micros_per_hour: int  # of on-demand leases that are running
    seconds_left: int | None  # until those leases have used everything up; None when nothing burns
    readings: tuple[Reading, ...] = ()  # of leases that have begun
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
    def hours_left(self) -> float | None:
        """`seconds_left` in hours, for people."""
        return None if self.seconds_left is None else self.seconds_left / SECONDS_PER_HOUR


def wallet(*, organization: Organization, now: datetime) -> Wallet:
    """The wallet at `now`. Read it under `operations.lock_wallet` before promising anything from it."""
    (balance, credit), promised = _balance(organization), promised_micros(organization)
    readings = tuple(open_readings(organization, at=now))
    accrued, held = sum(r.accrued_micros for r in readings), promised + sum(r.held_micros for r in readings)
    running = [r for r in readings if r.runs_on_credit]
    burn = sum(r.micros_per_hour for r in running)
    for_running = balance + credit - accrued - held + sum(r.held_micros for r in running)
    left = max(0, for_running) * SECONDS_PER_HOUR // burn if burn else None
    return Wallet(balance, accrued, held, burn, left, readings, credit)


def refundable_cents(*, organization: Organization, now: datetime) -> int:
    """Whole cents that can go back to cards: available, and paid by card before."""
    paid = sum(p.amount_cents - p.refunded_cents for p in refundable_payments(organization=organization))
    purse = wallet(organization=organization, now=now)
    return max(0, min(paid, (purse.available_micros - purse.credit_micros) // MICROS_PER_CENT))


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


def wallet_balance(organization: Organization) -> int:
    """The wallet's balance by the ledger, micro-dollars."""
    return _balance(organization)[0]


def _balance(organization: Organization) -> tuple[int, int]:
    """Balance and credit. Whoever is suspended has no credit: the ladder then stops what it would pay for."""
    found = LedgerAccount.objects.filter(organization=organization, kind=AccountKind.WALLET).values_list(
        "balance_micros",
        "organization__billing_account__credit_micros",
        "organization__billing_account__suspended_at",
    )
    balance, credit, suspended_at = found.first() or (0, 0, None)
    return balance, 0 if suspended_at else credit or 0
