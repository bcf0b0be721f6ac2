"""The card processor accepts and never answers: no sweep waits for more than one call, and what waits is not lost."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.clock import now
from accounts.models import Organization
from billing import (
    card_invoices,
    cards,
    charging,
    customers,
    inbox,
    operations,
    payments,
    polling,
    refunds,
    retelling,
    sending,
    settlement,
    sweeping,
    taxing,
    tying_out,
)
from billing.models import (
    BillingAccount,
    CallKind,
    CallState,
    CardPage,
    Export,
    ExportWay,
    GatewayCall,
    GatewayEvent,
    MeteredPrice,
    MeteredSubscription,
    Payment,
    PaymentState,
    Refund,
    RefundState,
    SavedCard,
    TaxIdState,
    TaxProfile,
)
from billing.payments import base
from billing.payments import stripe as sdk
from billing.payments.base import Call, Gateway, GatewaySilent
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing import cards_world, stripe_world
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
ROWS = 6
AGES = timedelta(days=3)
READ_SECONDS = 1.0
BRIEF_READ, BRIEF = 0.3, 0.9
Sweeps = Callable[..., Mapping[str, Exception]]


@pytest.fixture
def impatient(stripe: StripeStandin, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A gateway that waits for an answer for a moment only."""
    monkeypatch.setattr("billing.payments.stripe._READ_SECONDS", READ_SECONDS)
    monkeypatch.setattr("billing.payments.stripe._RETRIES", 0)
    settings.STRIPE_API_KEY = "sk_test_impatient"
    payments._gateway.cache_clear()
    yield payments.gateway()
    payments._gateway.cache_clear()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch, impatient: Gateway) -> Gateway:
    """One whose workers wait for long, and who waits at a page for a moment only."""
    for name, seconds in {
        "_READ": 20.0,
        "_BRIEF_CONNECT": BRIEF_READ,
        "_BRIEF_READ": BRIEF_READ,
        "BRIEF": BRIEF,
    }.items():
        monkeypatch.setattr(f"billing.payments.stripe.{name}_SECONDS", seconds)
    payments._gateway.cache_clear()
    return payments.gateway()


def hang(stripe: StripeStandin) -> None:
    for method in ("GET", "POST"):
        stripe.faults(path="", method=method, mode="hang", times=1000, seconds=60)


def asked(stripe: StripeStandin) -> int:
    """How many requests have hung."""
    return sum(1000 - fault["times"] for fault in stripe.control("GET", "faults"))


def organizations() -> list[Organization]:
    return [factories.an_organization(f"Customer {number}") for number in range(ROWS)]


def a_payment(organization: Organization, **known: Any) -> Payment:
    when = now() - AGES
    return Payment.objects.create(
        organization=organization, amount_cents=5000, created_at=when, next_check_at=when, **known
    )


def a_card(organization: Organization) -> SavedCard:
    card = cards_world.a_card(organization)
    SavedCard.objects.filter(pk=card.pk).update(next_check_at=now() - AGES)
    return card


def known(organization: Organization) -> str:
    reference = f"cus_{organization.public_id}"
    operations.account_of(organization)
    BillingAccount.objects.filter(organization=organization).update(customer_reference=reference)
    return reference


def subscribed(organization: Organization) -> MeteredSubscription:
    known(organization)
    reference = f"sub_{organization.public_id}"
    return MeteredSubscription.objects.create(organization=organization, reference=reference, started_at=now() - AGES)


def payments_due() -> None:
    for organization in organizations():
        a_payment(organization, checkout_reference=f"cs_{organization.public_id}")


def charges_due() -> None:
    for organization in organizations():
        a_payment(organization, card=a_card(organization), intent_reference=f"pi_{organization.public_id}")


def cards_due() -> None:
    for organization in organizations():
        a_card(organization)


def pages_due() -> None:
    for organization in organizations():
        CardPage.objects.create(
            organization=organization,
            reference=f"cs_{organization.public_id}",
            created_at=now(),
            next_check_at=now() - AGES,
        )


def refunds_due() -> None:
    for organization in organizations():
        Refund.objects.create(
            payment=a_payment(organization),
            amount_cents=100,
            reference=f"re_{organization.public_id}",
            state=RefundState.SENT,
            created_at=now() - AGES,
            next_attempt_at=now() - AGES,
        )


def messages_due() -> None:
    for number in range(ROWS):
        GatewayEvent.objects.create(
            event_id=f"evt_{number}",
            kind="refund",
            object_reference=f"re_{number}",
            payload={},
            received_at=now(),
            next_attempt_at=now() - AGES,
        )


def calls_due() -> None:
    for organization in organizations():
        customers.make_known(organization=organization, now=now())


def subscriptions_due() -> None:
    MeteredPrice.objects.create(event_name="compute_usd_micros", meter_reference="mtr_x", price_reference="price_x")
    for organization in organizations():
        subscribed(organization)


def doubts_due() -> None:
    subscriptions_due()
    for subscription in MeteredSubscription.objects.order_by("pk"):
        Export.objects.create(
            organization=subscription.organization,
            hour=(now() - AGES).replace(minute=0, second=0, microsecond=0),
            identifier=subscription.organization.public_id,
            micros=1,
            carry_micros=0,
            value_micros=1,
            revision=1,
            way=ExportWay.EVENT,
            at=now() - AGES,
            written_at=now() - AGES,
            doubted_at=now() - AGES,
        )


def tax_ids_due() -> None:
    for organization in organizations():
        known(organization)
        TaxProfile.objects.create(
            organization=organization,
            version=1,
            legal_name="x",
            line1="x",
            city="x",
            country="DE",
            tax_id_kind="eu_vat",
            tax_id="DE123456789",
            tax_id_state=TaxIdState.PENDING,
            declared_at=now(),
            declared_by="user:us_tests",
        )


def nothing_more() -> None:
    """What is asked is always there."""


SWEEPS: dict[str, tuple[Callable[[], None], Sweeps]] = {
    "checkouts": (payments_due, settlement.check_overdue),
    "charges": (charges_due, charging.check_overdue),
    "cards": (cards_due, cards.check_due),
    "pages": (pages_due, cards.check_due),
    "refunds": (refunds_due, refunds.check_sent),
    "messages": (messages_due, inbox.settle_due),
    "calls": (calls_due, sending.send_due),
    "card invoices": (subscriptions_due, card_invoices.look),
    "tie-out": (subscriptions_due, tying_out.tie_out),
    "doubts": (doubts_due, retelling.look),
    "tax ids": (tax_ids_due, taxing.check_due),
    "objects": (nothing_more, polling.poll),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_waits_for_one_call_and_ends(stripe: StripeStandin, impatient: Gateway, name: str) -> None:
    prepare, sweep = SWEEPS[name]
    prepare()
    hang(stripe)
    began = time.monotonic()
    (error,) = sweep(gateway=impatient, now=now()).values()
    assert isinstance(error, GatewaySilent)
    assert asked(stripe) == 1
    assert time.monotonic() - began < 3 * READ_SECONDS


@pytest.mark.parametrize("name", ["checkouts", "charges", "cards", "pages", "refunds", "messages", "calls"])
def test_only_what_was_asked_about_waits_longer(stripe: StripeStandin, impatient: Gateway, name: str) -> None:
    prepare, sweep = SWEEPS[name]
    prepare()
    hang(stripe)
    sweep(gateway=impatient, now=now())
    stripe.heal()
    assert len(sweep(gateway=impatient, now=now())) == (0 if name == "calls" else ROWS - 1)  # the rest is not there
    assert not GatewayCall.objects.filter(in_flight_until__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_a_round_with_many_workers_waits_for_no_more_calls_than_it_has_workers(
    stripe: StripeStandin, impatient: Gateway
) -> None:
    calls_due()
    hang(stripe)
    assert len(sending.send_due(gateway=impatient, now=now(), workers=2)) == 2
    assert asked(stripe) == 2


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_that_is_answered_slowly_ends_when_its_time_is_over(
    stripe: StripeStandin, impatient: Gateway, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sweeping, "SWEEP_SECONDS", 0)
    monkeypatch.setattr(sweeping, "LONG_SECONDS", 0)
    prepare, sweep = SWEEPS[name]
    prepare()
    assert sweep(gateway=impatient, now=now()) == {}


def test_a_worker_that_is_over_its_time_is_not_taken_for_a_row_that_went_wrong() -> None:
    def over(_: int) -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        sweeping.ask_each([1, 2], over, now=now())


def test_nor_for_a_processor_that_does_not_answer(impatient: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def over(*_: object, **__: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("requests.Session.request", over)  # the SDK takes any error there for one of the network
    with pytest.raises(SoftTimeLimitExceeded):
        impatient.fetch("/v1/account")


def test_fifty_cards_that_are_not_there_hold_up_no_other(stripe: StripeStandin, impatient: Gateway) -> None:
    for number in range(50):
        a_card(factories.an_organization(f"Gone {number}"))
    other = a_card(factories.an_organization("There"))
    SavedCard.objects.filter(pk=other.pk).update(next_check_at=now() - timedelta(days=1))
    failures = cards.check_due(gateway=impatient, now=now())
    assert len(failures) == 51 and other.public_id in failures  # each was asked about
    assert cards.check_due(gateway=impatient, now=now()) == {}  # and none again at once


def a_checkout(organization: Organization) -> tuple[str, CallKind]:
    """The way to the page where a payment is made, and the call that opens it."""
    payment = stripe_world.a_payment(organization)
    return f"/top-ups/{payment.public_id}/pay/", CallKind.CHECKOUT


def a_card_to_type(organization: Organization) -> tuple[str, CallKind]:
    page = cards.request_page(organization=organization, actor="", created_by=None, now=now())
    return f"/card-pages/{page.public_id}/type/", CallKind.CUSTOMER


def a_bank_to_ask(organization: Organization) -> tuple[str, CallKind]:
    payment = a_payment(organization, card=a_card(organization), intent_reference="pi_x", state=PaymentState.ACTION)
    return f"/top-ups/{payment.public_id}/confirm/", CallKind.CONFIRM


PAGES = [a_checkout, a_card_to_type, a_bank_to_ask]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_gives_up_sooner_than_a_worker_and_loses_nothing(
    stripe: StripeStandin, brief: Gateway, page: Callable[[Organization], tuple[str, CallKind]]
) -> None:
    organization = factories.an_organization("Waiting")
    path, kind = page(organization)
    hang(stripe)
    began = time.monotonic()
    answer = a_browser(organization.members.get()).get(path)
    assert time.monotonic() - began < 10
    assert answer.status_code == 503 and "Try again" in answer.content.decode()
    assert asked(stripe) == 1
    call = GatewayCall.objects.get(kind=kind)
    assert (call.state, call.in_flight_until) == (CallState.PENDING, None)
    stripe.heal()
    sending.send_due(gateway=brief, now=now() + timedelta(minutes=1))
    call.refresh_from_db()
    assert call.settled_at


def test_many_slow_answers_are_not_a_long_wait(stripe: StripeStandin, brief: Gateway) -> None:
    organization = factories.an_organization("Waiting")
    for number in range(4):
        line = Call("/v1/customers", {"name": f"{number}"})
        operations.ask(organization=organization, kind=CallKind.CUSTOMER, subject=f"{number}", call=line, now=now())
    path, _ = a_checkout(organization)
    stripe.faults(path="", mode="delay", times=5, seconds=BRIEF_READ * 0.7)
    assert Client().get(path).status_code == 503
    assert 0 < GatewayCall.objects.filter(state=CallState.DONE).count() < 4
    assert not GatewayCall.objects.filter(in_flight_until__isnull=False).exists()
    stripe.heal()
    assert Client().get(path).status_code == 302
    assert set(GatewayCall.objects.values_list("state", flat=True)) == {CallState.DONE}


def test_a_message_that_names_an_account_waits_no_longer_either(stripe: StripeStandin, brief: Gateway) -> None:
    hang(stripe)
    began = time.monotonic()
    with pytest.raises(GatewaySilent):
        brief.account()
    assert time.monotonic() - began < 10


def test_all_that_a_page_asks_lasts_fifteen_seconds_and_none_of_it_for_longer() -> None:
    assert sdk._BRIEF_CONNECT_SECONDS + sdk._BRIEF_READ_SECONDS < base.BRIEF_SECONDS <= 15
