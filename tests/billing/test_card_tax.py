"""Stripe Tax on what is charged to a card by the month: where customers are, which tax that makes, and who owes it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Event, Organization
from billing import card_invoices, locating, payments, taxing
from billing.invariants import broken
from billing.models import AccountKind, BillingAccount, CardInvoice, GatewayCall, MeteredSubscription, TaxProfile
from billing.payments.card_invoices import UNTAXED
from billing.tying_out import tie_out
from tests.billing.conftest import NOON, balance, funded
from tests.billing.monthly import (
    APRIL,
    DAY,
    HOUR,
    MARCH,
    MICROS,
    charge,
    metered_micros,
    monthly,
    processor,
    sweep,
    to,
)
from tests.billing.test_taxing import BERLIN
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
NEW_YORK = {"legal_name": "Acme Inc", "line1": "1 Main St", "city": "New York", "region": "NY", "country": "US"}
KENYA = {"legal_name": "Acme Ltd", "line1": "Moi Avenue 1", "city": "Nairobi", "country": "KE"}
NOT_REGISTERED = "No tax: the seller is not registered for it where you are."
REVERSE_CHARGE = "Reverse charge: the customer accounts for the tax."


@pytest.fixture
def time(time: StripeStandin, settings: Settings) -> StripeStandin:
    """The processor, which is asked for tax."""
    settings.STRIPE_TAX = True
    return time


def declared(organization: Organization, when: datetime, time: StripeStandin, **fields: str) -> None:
    """A tax profile, and what the sweeps make of it: they tell it, ask for tax and ask the register."""
    taxing.declare(organization=organization, fields=fields, actor="user:us_tests", now=when)
    for seconds in (1, 2, 400):
        swept(to(time, when + timedelta(seconds=seconds)))


def swept(now: datetime) -> None:
    gateway = payments.gateway()
    for row in taxing.stale():
        taxing.take_off(profile=row, now=now)
    for row in locating.due():
        locating.tell(profile=row, now=now)
    for row in taxing.due(now=now):
        taxing.check(profile=row, gateway=gateway, now=now)
    assert sweep(now) == {}


def billed(organization: Organization, when: datetime, time: StripeStandin) -> CardInvoice:
    """Its invoice of March, with $20.00 of use."""
    charge(organization, 20 * MICROS, when)
    swept(to(time, when + HOUR))
    for hours in (2, 3):
        assert card_invoices.look(gateway=payments.gateway(), now=to(time, APRIL + hours * HOUR)) == {}
    return CardInvoice.objects.filter(organization=organization, subtotal_cents__gt=0).get()


@pytest.mark.parametrize(
    ("fields", "tax_cents", "note"),
    [
        ({**NEW_YORK, "postal_code": "10001"}, 178, ""),
        ({**NEW_YORK, "postal_code": ""}, 0, ""),  # not found, so the processor was not asked
        (KENYA, 0, NOT_REGISTERED),
        (BERLIN, 0, REVERSE_CHARGE),
    ],
)
def test_tax_is_worked_out_by_the_processor_and_owed_apart_from_the_use(
    time: StripeStandin, fields: dict[str, str], tax_cents: int, note: str
) -> None:
    acme = monthly(funded(0), MARCH).organization
    declared(acme, MARCH, time, **fields)
    found = bool(fields.get("postal_code") or fields["country"] == "KE")
    assert TaxProfile.objects.get().address_state == ("located" if found else "unlocated")
    assert MeteredSubscription.objects.get().taxed == found
    invoice = billed(acme, MARCH + HOUR, time)
    assert (invoice.subtotal_cents, invoice.tax_cents, invoice.total_cents) == (2000, tax_cents, 2000 + tax_cents)
    assert (invoice.tax_note, invoice.status, invoice.paid_cents, balance(acme)) == (note, "paid", 2000 + tax_cents, 0)
    assert balance(acme, AccountKind.TAXES) == tax_cents * 10_000
    sweep(to(time, APRIL + 5 * HOUR))
    assert metered_micros(acme, APRIL, APRIL + DAY) == 0  # the meter is not told of tax
    assert tie_out(gateway=payments.gateway(), now=APRIL + 5 * HOUR) == {}
    assert not acme.tie_outs.exclude(differs_since=None).exists()
    assert list(broken(now=APRIL + 5 * HOUR)) == []


def test_an_address_that_is_not_found_is_told_and_stops_nothing(time: StripeStandin, settings: Settings) -> None:
    acme = monthly(funded(0), MARCH).organization
    for path in ("/v1/customers", "/v1/subscriptions"):  # done, and answered by an error
        time.faults(path=path, mode="apply_then_500")
    for number, code in enumerate(("10001", "", "94107")):
        declared(acme, MARCH + number * HOUR, time, **{**NEW_YORK, "postal_code": code})
        assert MeteredSubscription.objects.get().taxed  # by the last address that was found
    assert time.control("GET", "faults") == []
    assert [row.address_state for row in TaxProfile.objects.order_by("version")] == ["located", "unlocated", "located"]
    told = Event.objects.filter(kind__endswith="address_not_found", notice__isnull=False)
    assert [event.organization for event in told.order_by("pk")] == [acme, None]
    reference = BillingAccount.objects.get(organization=acme).customer_reference or ""
    gone: Any = {"address": {"country": "US"}, "tax": {"validate_location": "deferred"}}
    processor().v1.customers.update(reference, gone)  # somebody took it away there
    invoice = billed(acme, MARCH + 4 * HOUR, time)
    assert (invoice.total_cents, invoice.tax_note, invoice.status) == (2000, UNTAXED, "paid")
    assert not MeteredSubscription.objects.get().taxed and told.count() == 4
    swept(to(time, APRIL + 4 * HOUR))
    assert GatewayCall.objects.filter(kind="subscription_tax").count() == 1  # not asked for again
    declared(acme, APRIL + 5 * HOUR, time, **{**NEW_YORK, "postal_code": "10001"})
    assert MeteredSubscription.objects.get().taxed
    settings.STRIPE_TAX = False
    for _ in range(2):
        swept(to(time, APRIL + 6 * HOUR))
    assert not MeteredSubscription.objects.get().taxed
    assert not processor().v1.subscriptions.list({"customer": reference}).data[0].automatic_tax.enabled


def test_a_tax_id_that_is_denied_or_replaced_is_taken_off(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    reference = BillingAccount.objects.get(organization=acme).customer_reference or ""
    left = []
    time.faults(path="/v1/customers", method="DELETE", mode="apply_then_500")
    for number, changed in enumerate(({"tax_id": "DE111111111"}, {}, {"tax_id": "", "tax_id_kind": ""})):
        declared(acme, MARCH + number * HOUR, time, **{**BERLIN, **changed})
        swept(MARCH + number * HOUR + timedelta(seconds=800))
        left.append([one.value for one in processor().v1.customers.tax_ids.list(reference).data])
    assert left == [[], ["DE123456789"], []] and time.control("GET", "faults") == []
    assert [row.tax_id_state for row in TaxProfile.objects.order_by("version")] == ["unverified", "verified", "none"]


def test_a_void_invoice_owes_no_tax_and_the_tax_stands_beside_net_and_total(
    acme: Organization, browser: Client, api: APIClient
) -> None:
    row = CardInvoice(organization=acme, reference="in_1", number="AC-1", subtotal_cents=2000, due_cents=2178)
    row.tax_cents, row.total_cents, row.tax_note, row.finalized_at = 178, 2178, REVERSE_CHARGE, NOON
    row.period_start, row.period_end = NOON - 30 * DAY, NOON
    for status in ("open", "open", "void", "void"):
        row.status = status
        row.save()
        card_invoices._tax(row, NOON)
        assert balance(acme, AccountKind.TAXES) == (0 if status == "void" else 1_780_000)
    page = browser.get("/invoices/").content.decode()
    assert all(words in page for words in ("$20.00", "$1.78", "$21.78", REVERSE_CHARGE))
    (shown,) = api.get("/api/v1/card-invoices").json()["results"]
    assert (shown["subtotal_cents"], shown["tax_cents"], shown["total_cents"]) == (2000, 178, 2178)


def test_the_page_says_beside_the_address_that_it_was_not_found(
    acme: Organization, browser: Client, api: APIClient
) -> None:
    taxing.declare(organization=acme, fields=BERLIN, actor="user:us_tests", now=NOON)
    assert "This address was not found" not in browser.get("/organization/tax/").content.decode()
    TaxProfile.objects.update(address_state="unlocated")
    page = browser.get("/organization/tax/").content.decode()
    assert "This address was not found" in page and "Unter den Linden 1" in page
    assert api.get("/api/v1/tax-profile").json()["profile"]["address_state"] == "unlocated"
