"""Stripe Tax on invoices that we make: asked when a month is over, waited for, and on the invoice to the cent."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Event, Organization
from billing import invoicing, operations, printing
from billing.invoicing import Closed
from billing.models import (
    AccountKind,
    BillingAccount,
    CallKind,
    Export,
    GatewayCall,
    Invoice,
    ParkedMonth,
    PostingKind,
    TaxCalculation,
    TaxProfile,
)
from billing.payments.card_invoices import UNTAXED
from billing.payments.taxes import calculated
from billing.queries.taxes import NOTHING_OWED, UNANSWERED, tax_at
from marketplace.models import Offer
from tests.billing.conftest import HOUR, assert_books_balance, balance
from tests.billing.monthly import processor
from tests.billing.papers import STAFF, on_account
from tests.billing.taxed import (
    CALCULATIONS,
    HERE,
    MARCH,
    NOON,
    NOTE,
    OVER,
    asked,
    asking,
    closed,
    invoiced,
    sent,
    used,
    wrong_with_money,
)
from tests.billing.test_card_tax import KENYA, NOT_REGISTERED
from tests.billing.test_printing import read
from tests.billing.test_taxing import BERLIN, answered
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db


@pytest.fixture
def time(time: StripeStandin, settings: Settings) -> StripeStandin:
    """The processor, which is asked for tax."""
    asking(settings)
    return time


@pytest.mark.parametrize("mode", ["prepaid", "invoiced"])
def test_a_month_that_we_invoice_carries_the_tax_to_the_cent(
    time: StripeStandin, acme: Organization, offer: Offer, mode: str
) -> None:
    if mode == "invoiced":
        on_account(acme, keeps=True)
    used(acme, offer)
    invoice = invoiced(time)
    assert (invoice.net_cents, invoice.tax_cents, invoice.total_cents) == (2_000, 178, 2_178)
    assert (invoice.mode, invoice.tax_rate_ppm, invoice.tax_note) == (mode, 89_000, NOTE)
    assert (balance(acme), balance(acme, AccountKind.TAXES)) == (100_000_000 - 21_780_000, 1_780_000)
    made = TaxCalculation.objects.get()
    assert (made.invoice, made.net_cents, made.tax_cents) == (invoice, 2_000, 178)
    shown = processor().v1.tax.transactions.retrieve(made.transaction)
    assert shown.line_items is not None
    [line] = shown.line_items.data
    assert (shown.reference, line.amount, line.amount_tax) == (invoice.number, 2_000, 178)
    assert wrong_with_money() == []
    assert_books_balance()


def test_it_is_asked_once_however_often_the_sweep_runs(time: StripeStandin, acme: Organization, offer: Offer) -> None:
    used(acme, offer)
    for minutes in range(3):
        assert closed(OVER + minutes * timedelta(minutes=20)) == Closed()
    assert (asked(CallKind.TAX_CALCULATION), TaxCalculation.objects.count()) == (1, 1)
    invoiced_once = invoiced(time, OVER + HOUR)
    for hours in (3, 4):
        assert closed(OVER + hours * HOUR) == Closed() and sent(time, OVER + hours * HOUR) == {}
    assert Invoice.objects.get() == invoiced_once
    assert (asked(CallKind.TAX_CALCULATION), asked(CallKind.TAX_RECORD)) == (1, 1)


def test_the_processor_is_told_no_more_than_who_is_where_and_how_much(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer, **{**BERLIN, "tax_id": "DE111111111"})
    closed(OVER)
    call = GatewayCall.objects.get(kind=CallKind.TAX_CALCULATION)
    assert call.body["line_items"] == [{"amount": 2_000, "reference": "March 2026", "tax_behavior": "exclusive"}]
    assert call.body["customer_details"] == {
        "address": {"line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE"},
        "address_source": "billing",
    }  # without a tax id that no register knows


def test_at_home_a_verified_tax_id_is_told_and_is_another_question(
    time: StripeStandin, acme: Organization, offer: Offer, settings: Settings
) -> None:
    settings.SELLER_COUNTRY = "DE"
    used(acme, offer, **BERLIN)
    closed(OVER)
    answered(TaxProfile.objects.get(), "verified")  # type: ignore[arg-type]
    closed(OVER + HOUR)
    details = [
        call.body["customer_details"].get("tax_ids")
        for call in GatewayCall.objects.order_by("pk")
        if "customer_details" in call.body
    ]
    assert details == [None, [{"type": "eu_vat", "value": "DE123456789"}]]


def test_what_changes_behind_the_question_is_asked_again(time: StripeStandin, acme: Organization, offer: Offer) -> None:
    lease = used(acme, offer)
    closed(OVER)
    assert sent(time, OVER) == {}
    operations.post(
        organization=acme,
        kind=PostingKind.ADJUSTMENT,
        key="late",
        at=NOON,
        amounts={AccountKind.WALLET: 10_000_000, AccountKind.REVENUE: -10_000_000},
        lease=lease,
    )
    invoice = invoiced(time, OVER + HOUR)
    assert (invoice.net_cents, invoice.tax_cents, asked(CallKind.TAX_CALCULATION)) == (1_000, 89, 2)
    assert [row.invoice for row in TaxCalculation.objects.order_by("pk")] == [None, invoice]


def test_without_an_answer_the_month_is_parked_and_closed_without_tax_when_released(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    time.faults(path=CALCULATIONS, mode="close", times=1_000)
    assert closed(OVER) == Closed() and sent(time, OVER)
    assert closed(OVER + 11 * HOUR) == Closed()
    assert closed(OVER + 12 * HOUR) == Closed(parked=1)
    assert closed(OVER + 13 * HOUR) == Closed()
    parked = ParkedMonth.objects.get()
    assert parked.lacks_tax and "released, it is closed without tax" in parked.reason
    assert Event.objects.filter(kind="closing.parked").count() == 1
    invoicing.release(parked=parked, reason="They wait for it.", actor=STAFF, now=OVER + 14 * HOUR)
    assert closed(OVER + 14 * HOUR) == Closed(issued=1)
    invoice = Invoice.objects.get()
    assert (invoice.total_cents, invoice.tax_cents, invoice.tax_note) == (2_000, 0, UNANSWERED)
    time.heal()
    assert sent(time, OVER + 15 * HOUR) == {}  # too late, and nothing follows from it
    assert (TaxCalculation.objects.get().tax_cents, asked(CallKind.TAX_RECORD)) == (178, 0)


def test_a_late_answer_lets_a_parked_month_go_on_by_itself(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    closed(OVER)
    assert closed(OVER + 12 * HOUR) == Closed(parked=1)
    assert sent(time, OVER + 20 * HOUR) == {}
    assert ParkedMonth.objects.get().released_by == "system:billing"
    assert closed(OVER + 21 * HOUR) == Closed(issued=1)
    assert Invoice.objects.get().tax_cents == 178


def test_who_was_released_for_another_reason_still_waits_for_the_tax(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    parked = ParkedMonth.objects.create(organization=acme, period_start=MARCH, reason="odd", parked_at=OVER)
    assert closed(OVER) == Closed() and not TaxCalculation.objects.exists()
    invoicing.release(parked=parked, reason="looked", actor=STAFF, now=OVER + HOUR)
    assert closed(OVER + HOUR) == Closed()
    assert closed(OVER + 13 * HOUR) == Closed(parked=1)
    parked.refresh_from_db()
    assert parked.lacks_tax and parked.released_at is None and parked.release_reason == ""


def test_an_address_that_is_not_found_is_told_and_stops_nothing(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer, **{**HERE, "postal_code": ""})
    invoice = invoiced(time)
    assert (invoice.total_cents, invoice.tax_cents, invoice.tax_note) == (2_000, 0, UNTAXED)
    assert TaxProfile.objects.get().address_state == "unlocated"
    told = Event.objects.filter(kind__endswith="address_not_found", notice__isnull=False).order_by("pk")
    assert [event.organization for event in told] == [acme, None]
    assert asked(CallKind.TAX_RECORD) == 0  # there is nothing to take note of


@pytest.mark.parametrize(
    ("profile", "tax_cents", "note"),
    [(KENYA, 0, NOT_REGISTERED), ({**BERLIN, "tax_id": "", "tax_id_kind": ""}, 380, "VAT: DE 19 %.")],
)
def test_other_countries_are_as_the_processor_says(
    time: StripeStandin, acme: Organization, offer: Offer, profile: dict[str, str], tax_cents: int, note: str
) -> None:
    used(acme, offer, **profile)
    invoice = invoiced(time)
    assert (invoice.tax_cents, invoice.tax_note) == (tax_cents, note)
    assert TaxCalculation.objects.get().transaction  # what is not taxed is in the reports too


def test_reverse_charge_no_address_and_months_by_card_ask_nothing(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer, **BERLIN)
    answered(TaxProfile.objects.get(), "verified")  # type: ignore[arg-type]
    assert closed(OVER) == Closed(issued=1)
    assert Invoice.objects.get().tax_note.startswith("Reverse charge")
    assert not TaxCalculation.objects.exists()


def test_where_nothing_is_owed_nothing_is_asked(time: StripeStandin, acme: Organization, offer: Offer) -> None:
    lease = used(acme, offer)
    operations.post(
        organization=acme,
        kind=PostingKind.ADJUSTMENT,
        key="all",
        at=NOON,
        amounts={AccountKind.WALLET: 20_000_000, AccountKind.REVENUE: -20_000_000},
        lease=lease,
    )
    assert closed(OVER) == Closed(issued=1)
    invoice = Invoice.objects.get()
    assert (invoice.total_cents, invoice.tax_note, asked(CallKind.TAX_CALCULATION)) == (0, NOTHING_OWED, 0)


def test_without_stripe_tax_nothing_is_asked(
    time: StripeStandin, acme: Organization, offer: Offer, settings: Settings
) -> None:
    settings.STRIPE_TAX = False
    used(acme, offer)
    assert closed(OVER) == Closed(issued=1)
    assert (Invoice.objects.get().tax_note, TaxCalculation.objects.exists()) == ("No sales tax is collected.", False)


def test_months_by_card_are_left_to_the_processors_own_invoices(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    used(acme, offer)
    BillingAccount.objects.update_or_create(organization=acme, defaults={"mode": "metered"})
    assert closed(OVER) == Closed(issued=1)
    assert (Invoice.objects.get().tax_cents, TaxCalculation.objects.exists()) == (0, False)


def test_pages_and_api_say_that_tax_comes_on_top_and_then_how_much(
    time: StripeStandin, acme: Organization, offer: Offer, browser: Client, api: APIClient
) -> None:
    used(acme, offer)
    words = "it is worked out when the month is over"
    for page in ("/invoices/", "/wallet/", "/wallet/statement/"):
        assert words in browser.get(page).content.decode(), page
    assert api.get("/api/v1/invoices/preview").json()["tax"]["treatment"] == "calculated"
    invoice = invoiced(time)
    shown = browser.get(f"/invoices/{invoice.public_id}/").content.decode()
    for text in (">Tax<", "$1.78", "$21.78", NOTE):  # what the cents are of the net amount is nobody's rate
        assert text in shown
    said = api.get(f"/api/v1/invoices/{invoice.public_id}").json()
    assert (said["net_cents"], said["tax_cents"], said["total_cents"], said["tax_note"]) == (2_000, 178, 2_178, NOTE)
    printed = read(printing.invoice_pdf(invoice))
    assert "New York City 4.5 %" in printed and "Tax, " not in printed


def a_part(name: str, percent: str, reason: str = "standard_rated") -> dict[str, Any]:
    rate = {"display_name": "Sales Tax", "percentage_decimal": percent, "tax_type": "sales_tax"}
    return {"jurisdiction": {"display_name": name}, "tax_rate_details": rate, "taxability_reason": reason}


@pytest.mark.parametrize(
    ("parts", "note"),
    [
        ([a_part("Illinois", "0.0", "not_subject_to_tax"), a_part("Chicago", "11")], "Sales Tax: Chicago 11 %."),
        ([{**a_part("Utah", "0"), "tax_rate_details": None, "taxability_reason": "not_collecting"}], NOT_REGISTERED),
        ([a_part("Utah", "0.0", "a_reason_of_tomorrow")], ""),
        ([a_part(f"District {number} of a county", "0.1") for number in range(20)], "Sales Tax, of 20 jurisdictions."),
        ([], ""),
    ],
)
def test_a_note_says_whose_tax_it_is_and_fits_on_an_invoice(parts: list[dict[str, Any]], note: str) -> None:
    facts = {"id": "taxcalc_1", "tax_amount_exclusive": 1, "line_items": {"data": [{"tax_breakdown": parts}]}}
    assert calculated(facts).note == note


def test_use_that_the_processor_invoiced_is_not_taxed_twice(
    time: StripeStandin, acme: Organization, offer: Offer
) -> None:
    lease = used(acme, offer)
    told = {"hour": NOON, "revision": 1, "micros": 1, "carry_micros": 0, "value_micros": 1, "at": NOON}
    Export.objects.create(
        organization=acme, lease=lease, identifier="x", way="event", state="counted", written_at=NOON, **told
    )
    assert tax_at(organization=acme, end=OVER).rule.treatment == "calculated"  # in April
    assert closed(OVER) == Closed(issued=1)
    assert Invoice.objects.get().tax_note == "Tax stands on the invoice of the card processor."
