"""Tax on our own invoices in Stripe's reports, what is credited of it, and what faults of the processor do to it."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from pytest_django.fixtures import Settings

from accounts.models import Event, Organization
from billing import calculating, payments, sending
from billing.invoicing import Closed
from billing.models import (
    AccountKind,
    CallKind,
    GatewayCall,
    Invoice,
    TaxCalculation,
    TaxProfile,
)
from marketplace.models import Offer
from tests.billing.conftest import HOUR, balance
from tests.billing.monthly import processor
from tests.billing.taxed import (
    CALCULATIONS,
    MARCH,
    OVER,
    TRANSACTIONS,
    asked,
    asking,
    closed,
    credit,
    invoiced,
    sent,
    used,
    wrong_with_money,
)
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db


@pytest.fixture
def time(time: StripeStandin, settings: Settings) -> StripeStandin:
    """The processor, which is asked for tax."""
    asking(settings)
    return time


def test_credit_notes_take_back_exactly_the_tax_here_and_there(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    closed(OVER)
    assert sent(time, OVER) == {}
    assert closed(OVER + HOUR) == Closed(issued=1)
    invoice = Invoice.objects.get()
    early = credit(invoice, 500)  # the processor does not know of the invoice yet
    assert asked(CallKind.TAX_REVERSAL) == 0
    assert sent(time, OVER + HOUR) == {}
    notes = [early, credit(invoice, 1), credit(invoice, 1_499)]
    assert [(note.net_cents, note.tax_cents) for note in notes] == [(500, 45), (1, 0), (1_499, 133)]
    assert sent(time, OVER + 2 * HOUR) == {}
    calls = GatewayCall.objects.filter(kind=CallKind.TAX_REVERSAL).order_by("pk")
    backs = [processor().v1.tax.transactions.retrieve(call.reference) for call in calls]
    assert [back.reference for back in backs] == [note.number for note in notes]
    lines = [back.line_items.data[0] for back in backs if back.line_items]
    assert (sum(line.amount for line in lines), sum(line.amount_tax for line in lines)) == (-2_000, -178)
    assert balance(acme, AccountKind.TAXES) == 0
    assert wrong_with_money() == []


def test_an_answer_that_is_lost_is_asked_for_anew(time: StripeStandin, acme: Organization, offer: Offer) -> None:
    used(acme, offer)
    time.faults(path=CALCULATIONS, mode="apply_then_500", times=2)
    closed(OVER)
    assert sent(time, OVER)  # the question under its own key fails for ever, and so did the first under another
    assert sent(time, OVER + HOUR) == {}
    assert closed(OVER + HOUR) == Closed(issued=1)
    assert Invoice.objects.get().tax_cents == 178


def test_notes_that_were_taken_without_an_answer_are_not_taken_twice(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    time.faults(path=TRANSACTIONS, mode="apply_then_500", times=1)
    invoice = invoiced(time)
    made = TaxCalculation.objects.get()
    assert made.recorded_at and made.transaction == ""  # it is there, and nobody says as which
    credit(invoice, 500)
    assert asked(CallKind.TAX_REVERSAL) == 0
    assert Event.objects.get(kind="tax.not_taken_back").notice


def test_a_credit_note_is_taken_back_once_although_the_answer_was_lost(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    invoice = invoiced(time)
    time.faults(path=TRANSACTIONS, mode="apply_then_500", times=1)
    credit(invoice, 500)
    assert sent(time, OVER + 2 * HOUR) == {}
    assert GatewayCall.objects.get(kind=CallKind.TAX_REVERSAL).state == "done"
    assert not Event.objects.filter(kind="payment.call_failed").exists()


def test_a_forgotten_key_doubles_nothing(time: StripeStandin, acme: Organization, offer: Offer) -> None:
    used(acme, offer)
    closed(OVER)
    assert sent(time, OVER) == {} and closed(OVER + HOUR) == Closed(issued=1)
    time.faults(path=TRANSACTIONS, mode="apply_then_close", times=3)
    assert sent(time, OVER + HOUR)
    time.forget_keys()
    assert sent(time, OVER + 25 * HOUR) == {}
    assert TaxCalculation.objects.get().recorded_at
    assert GatewayCall.objects.get(kind=CallKind.TAX_RECORD).state == "done"


def test_a_refusal_is_told_to_staff_and_asked_again_on_another_day(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    closed(OVER)
    call = GatewayCall.objects.get(kind=CallKind.TAX_CALCULATION)
    refusal: Any = payments.base.GatewayRefused("stripe_tax_inactive", "Stripe Tax is not active.")
    sending._settle(call, "failed", OVER, refusal=refusal)  # type: ignore[arg-type]
    assert Event.objects.get(kind="payment.call_failed").notice
    for hours in (2, 25, 26):
        for row in calculating.refused(now=OVER + hours * HOUR):
            calculating.ask(calculation=row, now=OVER + hours * HOUR)
    assert asked(CallKind.TAX_CALCULATION) == 2
    assert sent(time, OVER + 27 * HOUR) == {}
    assert not calculating.refused(now=OVER + 50 * HOUR)


def test_the_database_keeps_questions_answers_and_papers_as_they_are(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    invoiced(time)
    rows = TaxCalculation.objects.all()
    changes: tuple[dict[str, Any], ...] = (
        {"net_cents": 1},
        {"tax_cents": 1},
        {"note": "less"},
        {"invoice": None},
        {"transaction": "tax_other"},
        {"recorded_at": None, "transaction": ""},
    )
    for change in changes:
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            rows.update(**change)
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        rows.delete()
    profile, more = TaxProfile.objects.get(), {"organization": acme, "period_start": MARCH, "asked_at": OVER}
    wrong: tuple[dict[str, Any], ...] = (
        {"net_cents": 2_000},  # asked before
        {"net_cents": 0},
        {"net_cents": 1, "tax_cents": 1},  # not answered
        {"net_cents": 1, "tax_cents": 1, "answered_at": OVER},  # by nobody
        {"net_cents": 1, "answered_at": OVER, "recorded_at": OVER},  # on no invoice
    )
    for fields in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            TaxCalculation.objects.create(profile=profile, **more, **fields)
