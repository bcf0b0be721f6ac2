"""Invoices by transfer: what came pays the earliest first, reminders come once, who is long overdue orders nothing."""

from datetime import date

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from accounts.models import Event, Organization
from billing import receivables
from billing.limits import OrderingBlocked
from billing.models import AccountKind, Applied, BankTransfer, BillingAccount, Invoice, Posting, Reminder
from billing.queries.receivables import PaperState, aging, receivable_of, still_open, unapplied_cents
from billing.receivables import BadTransfer, NothingOwed
from marketplace.models import Offer
from tests.billing.conftest import a_quote, assert_books_balance, balance, give, money, place
from tests.billing.papers import DUE, ISSUED, STAFF, days_late, on_account, owing

pytestmark = pytest.mark.django_db
LAST_DAY = DUE.date()


@pytest.fixture
def invoice(acme: Organization, offer: Offer) -> Invoice:
    """Acme pays by transfer, and owes $3.00."""
    on_account(acme, purchase_order="PO-77")
    return owing(acme, offer)


def came(organization: Organization, cents: int, reference: str = "BANK-1", **more: object) -> BankTransfer:
    given = {"received_at": ISSUED, "now": DUE, "actor": STAFF, **more}
    return receivables.record_transfer(
        organization=organization,
        reference=reference,
        amount_cents=cents,
        **given,  # type: ignore[arg-type]
    )


def state(invoice: Invoice, day: date = LAST_DAY) -> tuple[PaperState, int]:
    owed = receivable_of(invoice)
    assert owed
    return owed.state(day), owed.open_cents


def told(organization: Organization) -> list[str]:
    """What the customer heard of its invoices since they were issued."""
    events = Event.objects.filter(organization=organization, kind__startswith="invoice.").exclude(kind="invoice.issued")
    return [f"{event.at:%d %B} {event.kind}" for event in events.order_by("id")]


def test_it_is_due_after_thirty_days_and_carries_the_order_number_of_the_day(
    invoice: Invoice, acme: Organization
) -> None:
    BillingAccount.objects.filter(organization=acme).update(purchase_order="PO-78")
    invoice.refresh_from_db()
    assert (invoice.due_on, invoice.purchase_order, invoice.mode) == (date(2026, 5, 1), "PO-77", "invoiced")
    assert state(invoice) == (PaperState.OPEN, 300)
    assert state(invoice, days_late(1).date()) == (PaperState.OVERDUE, 300)


def test_transfers_pay_in_parts_and_the_same_one_told_again_is_the_same(invoice: Invoice, acme: Organization) -> None:
    before = balance(acme)
    first = came(acme, 100)
    assert (state(invoice), came(acme, 100)) == ((PaperState.OPEN, 200), first)
    came(acme, 200, "BANK-2")
    assert state(invoice, days_late(90).date()) == (PaperState.PAID, 0)
    assert balance(acme) - before == 3_000_000 == -balance(acme, AccountKind.TRANSFERS)
    assert Posting.objects.filter(kind="transfer").count() == 2
    notice = Event.objects.filter(kind="transfer.received").earliest("id").notice
    assert notice and notice["text"] == f"$1.00 for {invoice.number}."
    assert_books_balance()


@pytest.mark.parametrize(
    ("cents", "more", "field"),
    [
        (0, {}, "amount_cents"),
        (10**11 + 1, {}, "amount_cents"),
        (100, {"received_at": days_late(1)}, "received_at"),
        (100, {"reference": "KNOWN"}, "reference"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_beside_its_field(
    acme: Organization, cents: int, more: dict[str, object], field: str
) -> None:
    came(acme, 99, "KNOWN")
    with pytest.raises(BadTransfer) as refused:
        came(acme, cents, **more)  # type: ignore[arg-type]
    assert (refused.value.field, BankTransfer.objects.count()) == (field, 1)


def test_a_transfer_pays_the_invoice_it_names_then_the_earliest_and_the_rest_pays_the_next(
    invoice: Invoice, acme: Organization, offer: Offer
) -> None:
    april = owing(acme, offer, month=date(2026, 4, 1))
    sent = came(acme, 700, invoice=april, now=days_late(5))
    assert [(part.invoice, part.cents) for part in sent.applied.order_by("id")] == [(april, 300), (invoice, 300)]
    assert unapplied_cents(sent) == 100
    may = owing(acme, offer, month=date(2026, 5, 1))
    assert state(may, date(2026, 6, 10)) == (PaperState.OPEN, 200)


def test_reminders_come_once_each_and_a_late_sweep_sends_one(invoice: Invoice, acme: Organization) -> None:
    for days in (-8, -7, -7, 0, 1, 2):
        receivables.collect(organization=acme, now=days_late(days))
    assert told(acme) == ["24 April invoice.due_soon", "02 May invoice.overdue"]
    assert Reminder.objects.filter(invoice=invoice).count() == 2
    came(acme, 300)
    receivables.collect(organization=acme, now=days_late(20))
    assert len(told(acme)) == 2, "nobody is reminded of what is paid"


def test_long_overdue_pauses_orders_and_a_payment_lets_them_go_on(
    invoice: Invoice, acme: Organization, offer: Offer
) -> None:
    receivables.collect(organization=acme, now=days_late(29))
    quote = a_quote(acme, offer, now=days_late(30))
    receivables.collect(organization=acme, now=days_late(30))
    receivables.collect(organization=acme, now=days_late(30))
    with pytest.raises(OrderingBlocked):
        place(quote, now=days_late(30))
    came(acme, 299, now=days_late(30))
    with pytest.raises(OrderingBlocked):
        place(quote, now=days_late(30))
    came(acme, 1, "BANK-2", now=days_late(30))
    assert place(quote, now=days_late(30))
    assert told(acme) == ["30 May invoice.overdue", "31 May invoice.ordering_paused", "31 May invoice.ordering_resumed"]


def test_a_suspension_for_another_reason_is_left_alone(invoice: Invoice, acme: Organization) -> None:
    account = BillingAccount.objects.filter(organization=acme)
    account.update(suspended_at=DUE, suspended_reason="A card payment is disputed.")
    receivables.collect(organization=acme, now=days_late(31))
    came(acme, 300, now=days_late(31))
    assert account.get().suspended_reason == "A card payment is disputed."


def test_what_is_written_off_is_no_longer_expected_and_the_invoice_stands(invoice: Invoice, acme: Organization) -> None:
    came(acme, 100)
    before = balance(acme)
    receivables.write_off(invoice=invoice, reason="insolvent", actor=STAFF, now=days_late(200))
    assert state(invoice, days_late(200).date()) == (PaperState.WRITTEN_OFF, 0)
    assert (balance(acme) - before, balance(acme, AccountKind.WRITTEN_OFF)) == (2_000_000, -2_000_000)
    with pytest.raises(NothingOwed):
        receivables.write_off(invoice=invoice, reason="again", actor=STAFF, now=days_late(201))
    assert Invoice.objects.get().total_cents == 300


def test_aging_sorts_what_is_open_by_how_late_it_is(invoice: Invoice, acme: Organization, offer: Offer) -> None:
    owing(acme, offer, month=date(2026, 4, 1))
    rows = still_open(Invoice.objects.all())
    assert [cents for _, cents in aging(rows, today=date(2026, 5, 1))] == [600, 0, 0, 0, 0]
    assert [cents for _, cents in aging(rows, today=date(2026, 5, 31))] == [300, 300, 0, 0, 0]
    assert [cents for _, cents in aging(rows, today=date(2026, 7, 31))] == [0, 0, 0, 300, 300]


def test_what_was_paid_cannot_be_changed(invoice: Invoice, acme: Organization) -> None:
    came(acme, 100)
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        BankTransfer.objects.update(amount_cents=1)
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        Applied.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        Applied.objects.create(transfer=BankTransfer.objects.get(), invoice=invoice, cents=0, at=DUE)


def test_who_pays_before_owes_nothing(acme: Organization, offer: Offer) -> None:
    assert receivable_of(owing(acme, offer)) is None
    give(acme, 1)
    assert money(acme).available_micros > 0
    assert list(receivables.at_stake()) == []
