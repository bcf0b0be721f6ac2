"""Who a customer is for the tax office: declared version by version, checked with the register, and what it changes."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization
from billing import payments, sending, tasks, taxing
from billing.models import BillingAccount, CallKind, CallState, GatewayCall, TaxIdState, TaxProfile
from billing.queries.months import start_of
from billing.queries.taxes import profile_of, tax_at
from billing.taxing import BadTaxProfile
from marketplace.models import Offer
from tests.billing.conftest import NOON
from tests.billing.papers import owing
from tests.factories import DAY
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
BERLIN = {
    "legal_name": "Acme Robotics GmbH",
    "line1": "Unter den Linden 1",
    "city": "Berlin",
    "postal_code": "10117",
    "country": "DE",
    "tax_id_kind": "eu_vat",
    "tax_id": "DE123456789",
}


def declare(organization: Organization, *, at: Any = NOON, **changed: str) -> TaxProfile:
    return taxing.declare(organization=organization, fields={**BERLIN, **changed}, actor="user:us_tests", now=at)


def answered(profile: TaxProfile, state: TaxIdState) -> TaxProfile:
    TaxProfile.objects.filter(pk=profile.pk).update(tax_id_state=state)
    profile.refresh_from_db()
    return profile


def test_each_change_is_a_version_and_the_same_again_is_none(acme: Organization) -> None:
    first = declare(acme)
    assert (first.version, first.tax_id_state) == (1, "pending")
    assert declare(acme, tax_id="de 123 456 789") == first
    second = declare(acme, line1="Unter den Linden 2", at=NOON + DAY)
    assert (second.version, profile_of(acme)) == (2, second)
    assert Event.objects.filter(kind="organization.tax_profile_declared").count() == 2
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        TaxProfile.objects.filter(pk=first.pk).update(country="FR")


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"legal_name": " "}, "legal_name", "needed"),
        ({"country": "Germany"}, "country", "two letters"),
        ({"city": "x" * 81}, "city", "at most 80"),
        ({"tax_id": ""}, "tax_id", "or neither"),
        ({"tax_id_kind": "it_pi"}, "tax_id_kind", "Choose one of"),
        ({"tax_id": "123"}, "tax_id", "looks like DE123456789"),
        ({"tax_id": "FR12345678901"}, "tax_id", "not of DE"),
        ({"country": "US"}, "tax_id", "not of US"),
        ({"country": "GB", "tax_id_kind": "us_ein", "tax_id": "12-3456789"}, "tax_id", "not of GB"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(
    acme: Organization, changed: dict[str, str], field: str, words: str
) -> None:
    with pytest.raises(BadTaxProfile, match=words) as refused:
        declare(acme, **changed)
    assert refused.value.field == field
    assert not TaxProfile.objects.exists()


@pytest.mark.parametrize(
    ("seller", "stripe_tax", "changed", "state", "treatment"),
    [
        ("US", False, {}, "verified", "reverse_charge"),
        ("US", True, {}, "verified", "reverse_charge"),
        ("US", False, {}, "pending", "none"),
        ("US", True, {}, "unverified", "calculated"),
        ("DE", True, {}, "verified", "calculated"),  # at home nothing is reversed
        ("DE", False, {}, "verified", "none"),
        ("US", False, {"country": "GR", "tax_id": "EL123456789"}, "verified", "reverse_charge"),
        (
            "US",
            False,
            {"country": "GB", "tax_id_kind": "gb_vat", "tax_id": "GB123456789"},
            "verified",
            "reverse_charge",
        ),
        (
            "US",
            False,
            {"country": "AU", "tax_id_kind": "au_abn", "tax_id": "12345678912"},
            "verified",
            "reverse_charge",
        ),
        ("US", False, {"country": "US", "tax_id_kind": "us_ein", "tax_id": "12-3456789"}, "unavailable", "none"),
        ("US", True, {"country": "US", "tax_id_kind": "us_ein", "tax_id": "12-3456789"}, "unavailable", "calculated"),
    ],
)
def test_the_table_of_rules(
    acme: Organization,
    settings: Settings,
    seller: str,
    stripe_tax: bool,  # noqa: FBT001
    changed: dict[str, str],
    state: TaxIdState,
    treatment: str,
) -> None:
    settings.SELLER_COUNTRY, settings.STRIPE_TAX = seller, stripe_tax
    answered(declare(acme, **changed), state)
    tax = tax_at(organization=acme, end=NOON + DAY).rule
    assert (tax.treatment, bool(tax.words and tax.source)) == (treatment, True)
    BillingAccount.objects.filter(organization=acme).update(mode="metered")
    by_card = "processor" if treatment == "calculated" else treatment
    assert tax_at(organization=acme, end=NOON + DAY).rule.treatment == by_card


def test_a_month_is_taxed_by_the_version_that_held_when_it_ended(acme: Organization) -> None:
    assert tax_at(organization=acme, end=start_of(date(2026, 3, 1))).rule.words == "No tax: no address is known."
    answered(declare(acme), TaxIdState.VERIFIED)
    declare(acme, country="US", tax_id="", tax_id_kind="", at=NOON + timedelta(days=40))
    assert tax_at(organization=acme, end=start_of(date(2026, 3, 1))).rule.treatment == "none"
    assert tax_at(organization=acme, end=start_of(date(2026, 4, 1))).rule.treatment == "reverse_charge"
    assert tax_at(organization=acme, end=start_of(date(2026, 5, 1))).rule.words == "No sales tax is collected."


def test_an_invoice_says_who_buys_and_why_no_tax_is_on_it(acme: Organization, offer: Offer) -> None:
    answered(declare(acme), TaxIdState.VERIFIED)
    made = owing(acme, offer)
    assert made.buyer == "Acme Robotics GmbH\nUnter den Linden 1\n10117 Berlin\nDE"
    assert (made.buyer_tax_id, made.tax_note) == ("DE123456789", "Reverse charge: the customer accounts for the tax.")
    assert (made.net_cents, made.tax_cents, made.total_cents) == (300, 0, 300)
    answered(declare(acme, tax_id="DE111111111", at=NOON + DAY), TaxIdState.UNVERIFIED)
    BillingAccount.objects.filter(organization=acme).update(buyer="Acme, care of Bob")
    later = owing(acme, offer, month=date(2026, 4, 1))
    assert (later.buyer, later.buyer_tax_id) == (
        "Acme, care of Bob",
        "",
    )  # a denied id stands nowhere
    assert later.tax_note == "No tax: services to a customer abroad."


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("tax_id", "state"), [("DE123456789", "verified"), ("DE111111111", "unverified")])
def test_a_tax_id_is_checked_with_its_register_through_the_processor(
    stripe: StripeStandin, acme: Organization, tax_id: str, state: str
) -> None:
    profile = declare(acme, tax_id=tax_id, at=now())
    tasks.check_tax_ids()
    assert not GatewayCall.objects.filter(kind=CallKind.TAX_ID).exists()  # the processor does not know the customer yet
    tasks.send_calls()
    stripe.faults(path="/v1/customers", method="POST", mode="apply_then_close")
    later = now()
    for _ in range(4):
        for row in taxing.due(now=later):
            taxing.check(profile=row, gateway=payments.gateway(), now=later)
        sending.send_due(gateway=payments.gateway(), now=later)
        later += timedelta(minutes=6)
        stripe.clock(int(later.timestamp()))
    stripe.clock(None)
    assert GatewayCall.objects.get(kind=CallKind.TAX_ID).state == CallState.DONE
    profile.refresh_from_db()
    assert (profile.tax_id_state, bool(profile.reference)) == (state, True)
    told = [event.words for event in Event.objects.filter(kind="organization.tax_id_checked", notice__isnull=False)]
    assert told == ["Acme Robotics: your tax id was not found"] * (state == "unverified")


def test_page_and_api_declare_and_show(acme: Organization, browser: Client, api: APIClient) -> None:
    assert "no address is known" in browser.get("/organization/tax/").content.decode()
    refused = browser.post("/organization/tax/", {**BERLIN, "tax_id": "FR12345678901"}).content.decode()
    assert "It is not of DE" in refused and "Unter den Linden 1" in refused
    assert browser.post("/organization/tax/", BERLIN).status_code == 302
    answered(TaxProfile.objects.get(), TaxIdState.VERIFIED)
    assert "Reverse charge: the customer accounts" in browser.get("/organization/tax/").content.decode()
    changed = api.put("/api/v1/tax-profile", {**BERLIN, "line1": "Hof 3"}).json()
    assert changed == api.get("/api/v1/tax-profile").json()
    assert [changed["profile"]["version"], len(changed["history"])] == [2, 1]
    bad = api.put("/api/v1/tax-profile", {**BERLIN, "country": "D1"})
    assert (bad.status_code, "ISO 3166" in bad.content.decode()) == (400, True)
