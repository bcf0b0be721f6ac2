"""Cards are saved on the processor's page, mirrored, charged, and let go. No number of theirs is ever ours."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe as sdk
from django.conf import settings
from pytest_django.live_server_helper import LiveServer

from accounts.clock import now
from accounts.models import Event, Organization
from billing import automatic, cards, charging, opening, operations, payments, refunds, sending, settlement, tasks
from billing.models import CallKind, CardPage, GatewayCall, Payment, PaymentState, Posting, SavedCard
from tests import factories
from tests.billing.cards_world import (
    ASKS_ALWAYS,
    DECLINES,
    charge,
    charged,
    opened_page,
    saved,
    send,
    switched_on,
)
from tests.billing.conftest import assert_books_balance, balance
from tests.billing.stripe_world import arrived
from tests.stripe_standin import KEY, StripeStandin
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture
def poor(db: None) -> Organization:
    return factories.an_organization()


@pytest.fixture
def messages(stripe: StripeStandin, live_server: LiveServer) -> StripeStandin:
    stripe.webhook(f"{live_server.url}/stripe/webhook/")
    return stripe


def client() -> sdk.StripeClient:
    return sdk.StripeClient(KEY, base_addresses={"api": settings.STRIPE_API_BASE})


def test_a_card_saved_on_the_processors_page_is_mirrored_without_its_number(
    messages: StripeStandin, poor: Organization
) -> None:
    page = opened_page(poor)
    assert opening.card_page(page=page, gateway=payments.gateway(), now=now()) == page.url
    messages.pay(page.url, card="5555555555554444")
    arrived(kind="checkout")
    tasks.settle()
    card = cards.cards_of(poor).get()
    assert str(card) == "Mastercard ending in 4444" and card.is_default
    assert (card.exp_year, card.exp_month, card.expires_at) == (2040, 12, datetime(2041, 1, 1, tzinfo=UTC))
    tasks.settle()  # a second message of the same fact saves nothing twice
    assert SavedCard.objects.count() == 1 and Event.objects.filter(kind="card.saved").count() == 1
    everything = json.dumps([*SavedCard.objects.values(), *CardPage.objects.values()], default=str)
    assert "5555555555554444" not in everything


def test_a_page_whose_message_never_comes_is_asked_about(stripe: StripeStandin, poor: Organization) -> None:
    page = opened_page(poor)
    stripe.pay(page.url)
    assert cards.check_due(gateway=payments.gateway(), now=now() + timedelta(minutes=2)) == {}
    assert cards.cards_of(poor).exists()


def test_a_server_error_opens_no_second_page(stripe: StripeStandin, poor: Organization) -> None:
    saved(stripe, poor)
    page = cards.request_page(organization=poor, actor="user:us_tests", created_by=None, now=now())
    stripe.faults(path="/v1/checkout/sessions", mode="apply_then_500", times=3)
    url = opening.card_page(page=page, gateway=payments.gateway(), now=now())
    customer = operations.account_of(poor).customer_reference or ""
    assert url in {one.url for one in client().v1.checkout.sessions.list({"customer": customer, "status": "open"}).data}
    assert len(client().v1.checkout.sessions.list({"customer": customer, "status": "open"}).data) == 1


def test_the_card_of_a_top_up_is_kept_only_where_that_was_ticked(stripe: StripeStandin, poor: Organization) -> None:
    for keep, kept in ((False, 0), (True, 1)):
        payment = settlement.request_top_up(
            organization=poor, actor="user:us_t", created_by=None, amount_cents=5000, keep_card=keep, now=now()
        )
        stripe.pay(opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now()))
        payment.refresh_from_db()
        settlement.settle_checkout(reference=payment.checkout_reference or "", gateway=payments.gateway(), now=now())
        assert cards.cards_of(poor).count() == kept
    assert balance(poor) == 100_000_000
    assert charged(poor, cards.cards_of(poor).get()).state == PaymentState.PAID


def test_one_card_is_the_default_and_a_removed_one_is_let_go(stripe: StripeStandin, poor: Organization) -> None:
    first, second = saved(stripe, poor), saved(stripe, poor, "5555555555554444")
    cards.make_default(card=second, actor="user:us_tests", now=now())
    assert list(cards.cards_of(poor)) == [second, first]
    cards.remove(card=second, actor="user:us_tests", now=now())
    assert [(card.pk, card.is_default) for card in cards.cards_of(poor)] == [(first.pk, True)]
    with pytest.raises(charging.CardGone):
        charge(poor, second)
    send()
    assert client().v1.payment_methods.retrieve(second.reference).customer is None
    switched_on(poor)
    with pytest.raises(cards.CardNeeded):
        cards.remove(card=first, actor="user:us_tests", now=now())
    automatic.switch_off(organization=poor, actor="user:us_tests", now=now())
    cards.remove(card=first, actor="user:us_tests", now=now())
    assert not cards.cards_of(poor).exists()


def test_what_the_processor_says_of_a_card_is_taken_over(stripe: StripeStandin, poor: Organization) -> None:
    card, other = saved(stripe, poor), saved(stripe, poor)
    renewed: Any = {"card": {"exp_month": 3, "exp_year": 2031}}
    client().v1.payment_methods.update(card.reference, renewed)
    client().v1.payment_methods.detach(other.reference)
    assert cards.check_due(gateway=payments.gateway(), now=now() + 2 * DAY) == {}
    card.refresh_from_db()
    other.refresh_from_db()
    assert (card.exp_year, card.exp_month) == (2031, 3)
    assert other.removed_at and Event.objects.filter(kind="card.gone", notice__isnull=False).count() == 1


def test_a_card_that_expires_is_told_of_thirty_days_before_and_once(stripe: StripeStandin, poor: Organization) -> None:
    card = saved(stripe, poor)
    end = card.expires_at
    assert cards.expiring(now=end - 31 * DAY) == [] and cards.expiring(now=end - 30 * DAY) == [card]
    for _ in range(2):
        cards.tell_of_expiry(card=card, now=end - 30 * DAY)
    assert cards.expiring(now=end - 29 * DAY) == []
    assert Event.objects.filter(kind="card.expiring", notice__isnull=False).count() == 1


def test_a_charge_is_in_the_wallet_once_whoever_tells_of_it(messages: StripeStandin, poor: Organization) -> None:
    payment = charged(poor, saved(messages, poor))
    assert (payment.state, balance(poor)) == (PaymentState.PAID, 50_000_000)
    arrived(kind="payment_intent", our_id=payment.public_id)
    together(3, lambda _: tasks.settle())
    charging.settle_charge(reference=payment.intent_reference or "", gateway=payments.gateway(), now=now())
    assert Posting.objects.filter(payment=payment).count() == 1 and balance(poor) == 50_000_000
    assert_books_balance()


@pytest.mark.parametrize("mode", ["apply_then_500", "apply_then_close", "429", "close"])
def test_whatever_the_processor_does_the_card_is_charged_once(
    stripe: StripeStandin, poor: Organization, mode: str
) -> None:
    payment = charge(poor, saved(stripe, poor))
    stripe.faults(path="/v1/payment_intents", mode=mode, times=3)
    for minutes in (0, 5, 10, 15):
        sending.send_due(gateway=payments.gateway(), now=now() + timedelta(minutes=minutes))
    payment.refresh_from_db()
    assert payment.state == PaymentState.PAID and balance(poor) == 50_000_000
    customer = operations.account_of(poor).customer_reference or ""
    assert len(client().v1.payment_intents.list({"customer": customer}).data) == 1


def test_a_declined_charge_is_over_and_says_why(stripe: StripeStandin, poor: Organization) -> None:
    payment = charged(poor, saved(stripe, poor, DECLINES))
    assert (payment.state, payment.decline_code) == (PaymentState.FAILED, "generic_decline")
    assert payment.error == "The bank refused it without a reason." and balance(poor) == 0
    assert GatewayCall.objects.get(kind=CallKind.CHARGE).state == "failed"


@pytest.mark.parametrize(("yes", "state", "micros"), [(True, "paid", 50_000_000), (False, "failed", 0)])
def test_a_bank_that_asks_is_answered_on_its_page(
    stripe: StripeStandin, poor: Organization, *, yes: bool, state: str, micros: int
) -> None:
    payment = charged(poor, saved(stripe, poor, ASKS_ALWAYS))
    assert payment.state == PaymentState.ACTION and payment.bank_url
    assert opening.bank_page(payment=payment, gateway=payments.gateway(), now=now()) == payment.bank_url
    back = stripe.answer_the_bank(payment.bank_url, yes=yes).location or ""
    assert back.startswith(f"{settings.BASE_URL}/top-ups/{payment.public_id}/")
    assert charging.check_overdue(gateway=payments.gateway(), now=now() + timedelta(minutes=2)) == {}
    payment.refresh_from_db()
    assert (payment.state, balance(poor)) == (state, micros)


def test_a_charge_that_nobody_confirms_is_called_off_at_the_processor(
    stripe: StripeStandin, poor: Organization
) -> None:
    payment = charged(poor, saved(stripe, poor, ASKS_ALWAYS))
    bank = payment.bank_url
    assert charging.check_overdue(gateway=payments.gateway(), now=now() + timedelta(hours=24)) == {}
    send(now() + timedelta(hours=24))
    payment.refresh_from_db()
    assert (payment.state, payment.decline_code) == (PaymentState.FAILED, "not_confirmed")
    assert stripe.open(bank).status == 410


def test_the_money_of_a_saved_card_goes_back_to_it(stripe: StripeStandin, poor: Organization) -> None:
    payment = charged(poor, saved(stripe, poor))
    (refund,) = refunds.request_refund(
        organization=poor, actor="user:us_tests", created_by=None, amount_cents=3000, now=now()
    )
    send()
    refund.refresh_from_db()
    made = client().v1.refunds.retrieve(refund.reference or "")
    assert (made.charge, made.amount, refund.state) == (payment.charge_reference, 3000, "succeeded")
    assert balance(poor) == 20_000_000


def test_amounts_have_limits(stripe: StripeStandin, poor: Organization) -> None:
    card = saved(stripe, poor)
    for cents in (999, 50_000_01):
        with pytest.raises(settlement.BadAmount):
            charge(poor, card, cents)
    assert not Payment.objects.exists()
    send()
