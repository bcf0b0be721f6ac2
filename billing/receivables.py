"""
Invoices by transfer until they are paid: what staff find at the bank is recorded and applied, due dates are reminded
of, and who is long overdue orders nothing new until it has paid.
"""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import Organization
from accounts.operations import record
from billing import operations, suspending
from billing.models import (
    AccountKind,
    Applied,
    BankTransfer,
    BillingMode,
    Invoice,
    Outstanding,
    PostingKind,
    Reminder,
    WriteOff,
)
from billing.queries.adjustments import transfer_waits
from billing.queries.metered import mode_of
from billing.queries.receivables import Receivable, receivable_of, still_open, unapplied_cents
from marketplace.money import MICROS_PER_CENT, format_cents

REMINDERS = (-7, 1, 14)  # days behind the due date
LONG_OVERDUE = 30  # days behind it, from when on nothing new is ordered
BY_TRANSFER = "invoice by transfer"
BY_CARD = (
    "It pays by the month through the card processor, which knows its invoices. Mark the invoice that this money pays "
    "as paid out of band there: the wallet follows by itself, once."
)
ACTOR = "system:billing"
MOST_CENTS = 10**11  # $1,000,000,000: more is a slip of the keyboard


class BadTransfer(Exception):
    """What `field` says cannot be so."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


class NothingOwed(Exception):
    """There is nothing to write off: the invoice is paid, or not paid by transfer."""


@transaction.atomic
def record_transfer(
    *,
    organization: Organization,
    reference: str,
    amount_cents: int,
    received_at: datetime,
    invoice: Invoice | None = None,
    actor: str,
    now: datetime,
) -> BankTransfer:
    """
    Money that came to our bank, as staff record it by `billing.by_hand`, where much needs a second person. It pays
    `invoice` first, then whatever is due earliest; the rest is money in the wallet, and pays the next invoice. The same
    transfer told again is returned as it is.

    :raises BadTransfer: see `recorded` and `check_transfer`
    """
    operations.lock_wallet(organization=organization)
    if known := recorded(organization=organization, reference=reference, amount_cents=amount_cents):
        return known
    check_transfer(organization=organization, amount_cents=amount_cents, received_at=received_at, now=now)
    transfer = BankTransfer.objects.create(
        organization=organization,
        reference=reference,
        amount_cents=amount_cents,
        received_at=received_at,
        recorded_at=now,
        recorded_by=actor,
    )
    operations.post(
        organization=organization,
        kind=PostingKind.TRANSFER,
        key=f"transfer:{reference}",
        at=now,
        amounts=_moved(AccountKind.TRANSFERS, amount_cents),
        memo=reference,
    )
    _apply(transfer, first=invoice, now=now)
    _tell_of(transfer, actor, now)
    _suspend_or_release(organization, now)
    return transfer


def recorded(*, organization: Organization, reference: str, amount_cents: int) -> BankTransfer | None:
    """
    The transfer, if it is recorded.

    :raises BadTransfer: if it is so with another amount or for another customer
    """
    known = BankTransfer.objects.filter(reference=reference).first()
    if known and (known.organization_id, known.amount_cents) != (organization.pk, amount_cents):
        raise BadTransfer("reference", f"{reference} is recorded with another amount or for another customer.")
    return known


def check_transfer(*, organization: Organization, amount_cents: int, received_at: datetime, now: datetime) -> None:
    """
    Whether a transfer can be recorded so.

    :raises BadTransfer: if the amount or the time cannot be right, or if the card processor is to be told of it:
        recorded in both places, the same money would raise the wallet twice
    """
    if not 1 <= amount_cents <= MOST_CENTS:
        raise BadTransfer("amount_cents", f"From $0.01 to {format_cents(MOST_CENTS)}.")
    if received_at > now:
        raise BadTransfer("received_at", "That is in the future. Say when it came, in UTC.")
    if mode_of(organization) == BillingMode.METERED:
        raise BadTransfer("organization", BY_CARD)


@transaction.atomic
def write_off(*, invoice: Invoice, reason: str, actor: str, now: datetime) -> WriteOff:
    """
    Give up what is still open of an invoice, for a reason that staff give by `billing.by_hand`, where much needs a
    second person.

    :raises NothingOwed: if nothing is open
    """
    operations.lock_wallet(organization=invoice.organization)
    cents = open_cents(invoice=invoice)
    gone = WriteOff.objects.create(invoice=invoice, cents=cents, reason=reason, at=now, actor=actor)
    operations.post(
        organization=invoice.organization,
        kind=PostingKind.WRITE_OFF,
        key=f"write_off:{invoice.public_id}",
        at=now,
        amounts=_moved(AccountKind.WRITTEN_OFF, gone.cents),
        memo=f"{invoice.number}: {reason}"[:200],
    )
    record(
        organization=invoice.organization,
        kind="invoice.written_off",
        subject=invoice.public_id,
        actor=actor,
        at=now,
        data={"cents": gone.cents, "reason": reason},
    )
    _suspend_or_release(invoice.organization, now)
    return gone


def open_cents(*, invoice: Invoice) -> int:
    """
    What can be written off of an invoice.

    :raises NothingOwed: if nothing is open
    """
    owed = receivable_of(invoice)
    if owed is None or not owed.open_cents:
        raise NothingOwed(f"Nothing is open of invoice {invoice}, so there is nothing to write off.")
    return owed.open_cents


def at_stake() -> QuerySet[Organization]:
    """Organizations with invoices by transfer that are not paid, or that were paused for one."""
    owing = Outstanding.objects.values("invoice__organization")
    return Organization.objects.filter(
        Q(pk__in=owing) | Q(billing_account__suspended_reason=f"{suspending.OVERDUE}{BY_TRANSFER}")
    ).order_by("pk")


@transaction.atomic
def collect(*, organization: Organization, now: datetime) -> None:
    """
    What is due at `now`: the wallet pays what it can, due dates are reminded of, orders are paused or go on. Nobody is
    asked for money while a transfer of his waits for a second person.
    """
    operations.lock_wallet(organization=organization)
    operations.set_off(organizations=[organization.pk], now=now)
    for owed in [] if transfer_waits(organization, now=now) else _open_of(organization):
        _remind(owed, now)
    _suspend_or_release(organization, now)


def _apply(transfer: BankTransfer, *, first: Invoice | None, now: datetime) -> None:
    left, owing = transfer.amount_cents, _open_of(transfer.organization)
    owing.sort(key=lambda owed: first is None or owed.invoice.pk != first.pk)  # stable: the rest stay by due date
    for owed in owing:
        part = min(left, owed.open_cents)
        if part:
            Applied.objects.create(transfer=transfer, invoice=owed.invoice, cents=part, at=now)
        left -= part
    operations.set_off(organizations=[transfer.organization_id], now=now)


def _open_of(organization: Organization) -> list[Receivable]:
    return still_open(Invoice.objects.filter(organization=organization))


def _remind(owed: Receivable, now: datetime) -> None:
    """The latest reminder that is due; those before it count as told, for one letter is enough."""
    due = [days for days in REMINDERS if owed.days_late(now.date()) >= days]
    told = set(Reminder.objects.filter(invoice=owed.invoice).values_list("days", flat=True))
    fresh = [days for days in due if days not in told]
    if not fresh:
        return
    Reminder.objects.bulk_create(Reminder(invoice=owed.invoice, days=days, at=now) for days in fresh)
    late = owed.days_late(now.date()) > 0
    number, amount, day = owed.invoice.number, format_cents(owed.open_cents), _day(owed.due_on)
    text = f"{amount} of it {'was' if late else 'is'} due on {day}. Please transfer it with {number} as reference."
    record(
        organization=owed.invoice.organization,
        kind="invoice.overdue" if late else "invoice.due_soon",
        subject=owed.invoice.public_id,
        actor=ACTOR,
        at=now,
        data={"number": number, "open_cents": owed.open_cents, "due_on": owed.due_on},
        notice={
            "title": f"Invoice {number} {'is overdue' if late else f'is due on {day}'}",
            "text": text if max(due) < max(REMINDERS) else f"{text} {_warning(owed)}",
            "path": f"/invoices/{owed.invoice.public_id}/",
        },
    )


def _warning(owed: Receivable) -> str:
    return f"From {_day(owed.due_on + timedelta(days=LONG_OVERDUE))} on, nothing new can be ordered until it is paid."


def _suspend_or_release(organization: Organization, now: datetime) -> None:
    """
    Who pays by transfer and is long overdue orders nothing, unless a transfer waits; what runs goes on. Other
    suspensions are left alone.
    """
    late = [owed for owed in _open_of(organization) if owed.days_late(now.date()) >= LONG_OVERDUE]
    if late and not transfer_waits(organization, now=now):
        if suspending.suspend_overdue(organization=organization, what=BY_TRANSFER, now=now):
            _tell_ordering(organization, late[0].invoice, now)
    elif not late and suspending.lift_overdue(organization=organization, what=BY_TRANSFER):
        _tell_ordering(organization, None, now)


def _tell_ordering(organization: Organization, overdue: Invoice | None, now: datetime) -> None:
    words = (
        f"Invoice {overdue.number} is {LONG_OVERDUE} days overdue. What you lease goes on; nothing new can be ordered "
        "or extended until it is paid."
        if overdue
        else "Thank you: what was long overdue is settled."
    )
    record(
        organization=organization,
        kind="invoice.ordering_paused" if overdue else "invoice.ordering_resumed",
        subject=overdue.public_id if overdue else organization.public_id,
        actor=ACTOR,
        at=now,
        notice={
            "title": "Ordering is paused" if overdue else "You can order again",
            "text": words,
            "path": f"/invoices/{overdue.public_id}/" if overdue else "/invoices/",
        },
    )


def _tell_of(transfer: BankTransfer, actor: str, now: datetime) -> None:
    paid = [f"{format_cents(part.cents)} for {part.invoice}" for part in transfer.applied.select_related("invoice")]
    rest = unapplied_cents(transfer)
    kept = [f"{format_cents(rest)} kept in your wallet for the next invoice"] if rest else []
    record(
        organization=transfer.organization,
        kind="transfer.received",
        subject=transfer.public_id,
        actor=actor,
        at=now,
        data={"reference": transfer.reference, "amount_cents": transfer.amount_cents},
        notice={
            "title": f"Your transfer of {format_cents(transfer.amount_cents)} has come",
            "text": f"{', '.join(paid + kept)}.",
            "path": "/invoices/",
        },
    )


def _moved(source: AccountKind, cents: int) -> dict[AccountKind, int]:
    micros = cents * MICROS_PER_CENT
    return {source: -micros, AccountKind.WALLET: micros}


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
