"""A top-up counts when the processor itself says so, once, whatever its messages do."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.clock import now
from accounts.models import Organization
from billing import opening, payments, settlement, tasks
from billing.models import AccountKind, GatewayEvent, Payment, PaymentState, Posting
from billing.opening import PageOver
from billing.payments import checkouts
from billing.payments.base import GatewayUnavailable
from billing.settlement import BadAmount, PaymentMismatch
from tests import factories
from tests.billing.conftest import assert_books_balance, balance
from tests.billing.stripe_world import a_payment, arrived, opened, paid, pay
from tests.stripe_standin import StripeStandin
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def messages(stripe: StripeStandin, live_server: LiveServer) -> StripeStandin:
    """The stand-in sends its messages to our web server."""
    stripe.webhook(f"{live_server.url}/stripe/webhook/")
    return stripe


@pytest.fixture
def poor(db: None) -> Organization:
    return factories.an_organization()


def settle() -> None:
    tasks.settle()


def state_of(payment: Payment) -> str:
    payment.refresh_from_db()
    return payment.state


def test_a_paid_checkout_reaches_the_wallet_through_its_message(messages: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    settle()
    assert state_of(payment) == PaymentState.PENDING
    pay(messages, payment)
    arrived(our_id=payment.public_id, kind="checkout")
    assert balance(poor) == 0  # the message alone moves nothing
    settle()
    assert state_of(payment) == PaymentState.PAID
    assert (balance(poor), balance(poor, AccountKind.CLEARING)) == (50_000_000, -50_000_000)
    assert payment.charge_reference
    assert not GatewayEvent.objects.filter(processed_at=None).exists()
    assert_books_balance()


def test_a_message_replayed_a_hundred_times_counts_once(messages: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    pay(messages, payment)
    (event,) = arrived(our_id=payment.public_id, kind="checkout")[:1]
    for _ in range(100):
        messages.deliver(event.event_id)
    together(4, lambda _: settle())
    assert GatewayEvent.objects.filter(event_id=event.event_id).count() == 1
    assert Posting.objects.filter(payment=payment).count() == 1
    assert balance(poor) == 50_000_000


def test_the_same_fact_in_two_messages_settled_at_once_counts_once(stripe: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    pay(stripe, payment)
    reference = payment.checkout_reference or ""
    gateway = payments.gateway()
    results = together(8, lambda _: settlement.settle_checkout(reference=reference, gateway=gateway, now=now()))
    assert results == [None] * 8
    assert balance(poor) == 50_000_000


def test_a_message_that_never_comes_is_made_up_for_by_asking(stripe: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    pay(stripe, payment)
    settle()
    assert state_of(payment) == PaymentState.PENDING  # not asked yet: its first check is a minute away
    assert not settlement.check_overdue(gateway=payments.gateway(), now=now() + timedelta(minutes=2))
    assert state_of(payment) == PaymentState.PAID
    assert balance(poor) == 50_000_000


def test_a_message_that_overtakes_our_own_commit_still_settles(stripe: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    pay(stripe, payment)
    reference = payment.checkout_reference or ""
    Payment.objects.filter(pk=payment.pk).update(checkout_reference=None, checkout_url="")
    settlement.settle_checkout(reference=reference, gateway=payments.gateway(), now=now())
    assert state_of(payment) == PaymentState.PAID
    assert payment.checkout_reference == reference


def test_a_message_about_somebody_elses_payment_is_parked_with_its_reason(
    messages: StripeStandin, poor: Organization
) -> None:
    payment = opened(poor)
    Payment.objects.filter(pk=payment.pk).update(public_id="pm_elsewhere")
    pay(messages, payment)
    arrived(our_id=payment.public_id, kind="checkout")
    settle()
    event = GatewayEvent.objects.get(our_id=payment.public_id, kind="checkout")
    assert event.processed_at is None
    assert "UnknownPayment" in event.error
    assert event.next_attempt_at > now()


@pytest.mark.parametrize("changes", [{"amount_cents": 4999}, {"checkout_reference": "cs_other"}])
def test_a_payment_of_another_amount_or_checkout_is_not_credited(
    stripe: StripeStandin, poor: Organization, changes: dict[str, Any]
) -> None:
    payment = opened(poor)
    reference = payment.checkout_reference or ""
    pay(stripe, payment)
    Payment.objects.filter(pk=payment.pk).update(**changes)
    with pytest.raises(PaymentMismatch):
        settlement.settle_checkout(reference=reference, gateway=payments.gateway(), now=now())
    assert state_of(payment) == PaymentState.PENDING
    assert "expected" in payment.error
    assert balance(poor) == 0


def test_a_payment_in_test_mode_is_never_credited_to_a_live_system(
    stripe: StripeStandin, poor: Organization, settings: Settings
) -> None:
    payment = opened(poor)
    pay(stripe, payment)
    path = f"{checkouts.PATH}/{payment.checkout_reference}"
    checkout = checkouts.read(payments.gateway().fetch(path, expand=checkouts.EXPAND))
    settings.STRIPE_API_KEY = "sk_live_real"
    with pytest.raises(PaymentMismatch):
        settlement.apply(checkout=checkout, now=now())


def test_a_declined_card_changes_nothing_and_another_card_may_follow(stripe: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    assert stripe.pay(payment.checkout_url, card="4000 0000 0000 0002").errors
    settlement.settle_checkout(reference=payment.checkout_reference or "", gateway=payments.gateway(), now=now())
    assert state_of(payment) == PaymentState.PENDING
    pay(stripe, payment)
    settlement.settle_checkout(reference=payment.checkout_reference or "", gateway=payments.gateway(), now=now())
    assert balance(poor) == 50_000_000


def test_opening_a_checkout_again_leads_to_the_same_page(stripe: StripeStandin, poor: Organization) -> None:
    payment = a_payment(poor)
    first = opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now())
    assert opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now()) == first  # row not read again
    payment.refresh_from_db()
    assert opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now()) == first


def test_a_processor_that_is_down_leaves_a_payment_that_can_be_opened_later(
    stripe: StripeStandin, poor: Organization
) -> None:
    payment = a_payment(poor)
    stripe.faults(path="/v1/checkout/sessions", mode="500", times=50)
    with pytest.raises(GatewayUnavailable):
        opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now())
    stripe.heal()
    stripe.forget_keys()
    assert opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now())


def test_the_address_to_pay_at_leads_to_the_processor_for_anybody(stripe: StripeStandin, poor: Organization) -> None:
    payment = a_payment(poor)
    path = f"/top-ups/{payment.public_id}/pay/"
    stripe.faults(path="/v1/checkout/sessions", mode="503", times=50)
    answer = Client().get(path)
    assert answer.status_code == 503 and b"You were charged nothing" in answer.content
    stripe.heal()
    answer = Client().get(path)
    assert answer.status_code == 302 and answer.headers["Location"].startswith(stripe.url)
    assert Client().get("/top-ups/pm_unknown/pay/").status_code == 404


def test_a_payment_that_nobody_opened_expires_and_one_that_is_paid_has_no_page(
    stripe: StripeStandin, poor: Organization
) -> None:
    forgotten = a_payment(poor)
    settlement.check_overdue(gateway=payments.gateway(), now=now() + timedelta(hours=24))
    assert state_of(forgotten) == PaymentState.EXPIRED
    with pytest.raises(PageOver):
        opening.open_checkout(payment=forgotten, gateway=payments.gateway(), now=now())
    with pytest.raises(PageOver):
        opening.open_checkout(payment=paid(stripe, poor), gateway=payments.gateway(), now=now())


@pytest.mark.parametrize("cents", [999, 5_000_001, -5000])
def test_an_amount_outside_the_limits_is_refused_with_the_limits(poor: Organization, cents: int) -> None:
    with pytest.raises(BadAmount, match=r"\$10\.00 to \$50,000\.00"):
        a_payment(poor, cents)


def test_a_web_server_that_was_down_gets_its_messages_later(
    messages: StripeStandin, poor: Organization, live_server: LiveServer
) -> None:
    messages.faults(path="webhook", mode="drop", times=1)
    payment = opened(poor)
    pay(messages, payment)
    arrived(our_id=payment.public_id, kind="checkout")
    settle()
    assert state_of(payment) == PaymentState.PAID
