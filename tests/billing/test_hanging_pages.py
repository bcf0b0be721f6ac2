"""The card processor hangs while somebody waits at a page that leads to it: for a moment only, and nothing is lost."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client

from accounts.clock import now
from accounts.models import Organization
from billing import cards, operations, sending
from billing.models import CallKind, CallState, GatewayCall, Payment, PaymentState
from billing.payments import base
from billing.payments import stripe as sdk
from billing.payments.base import Call, Gateway, GatewaySilent
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing import stripe_world
from tests.billing.conftest import BRIEF_READ
from tests.billing.test_hanging import a_card, a_payment, asked, hang
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db


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
    shown = answer.content.decode()
    assert answer.status_code == 503 and "Try again" in shown
    if payment := Payment.objects.first():
        at = "your bank’s page" if kind == CallKind.CONFIRM else "the payment page"
        assert f"Opening {at} …" in shown and f"${payment.amount_cents / 100:.2f}" in shown
        assert f'href="/top-ups/{payment.public_id}/"' in shown
    assert asked(stripe) == 1
    unknown = "We do not know yet whether it went through" in shown
    assert unknown == (kind == CallKind.CONFIRM), "only a charge at the bank can have happened"
    call = GatewayCall.objects.get(kind=kind)
    assert (call.state, call.in_flight_until) == (CallState.PENDING, None)
    stripe.heal()
    sending.send_due(gateway=brief, now=now() + timedelta(minutes=1))
    call.refresh_from_db()
    assert call.settled_at


def test_who_tries_again_and_again_at_a_page_pushes_nothing_back(stripe: StripeStandin, brief: Gateway) -> None:
    organization = factories.an_organization("Waiting")
    path, kind = a_checkout(organization)
    hang(stripe)
    for _ in range(4):
        assert Client().get(path).status_code == 503
    stripe.heal()
    assert sending.send_due(gateway=brief, now=now()) == {}
    assert GatewayCall.objects.get(kind=kind).state == CallState.DONE


def test_nor_does_it_make_the_workers_wait_longer_after_a_try_of_theirs(stripe: StripeStandin) -> None:
    a_checkout(factories.an_organization("Waiting"))
    call = GatewayCall.objects.get()

    def taken(moment: datetime, *, at_once: bool) -> GatewayCall:
        found = sending.take(pk=call.pk, now=moment, at_once=at_once)
        assert found
        sending._mine(found).update(in_flight_until=None)
        return found

    for _ in range(8):
        taken(now(), at_once=True)
    moment = now()
    assert taken(moment, at_once=False).next_attempt_at - moment <= 2 * sending.FIRST_WAIT


def test_what_is_not_asked_any_more_was_not_tried(
    stripe: StripeStandin, brief: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, kind = a_checkout(factories.an_organization("Waiting"))
    monkeypatch.setattr("billing.payments.stripe.BRIEF_SECONDS", 0)
    assert Client().get(path).status_code == 503
    call = GatewayCall.objects.get(kind=kind)
    assert (call.attempts, call.first_sent_at, call.in_flight_until) == (0, None, None)


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
