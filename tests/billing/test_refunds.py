"""Unused money goes back to the card it came from, once, whatever happens on the way."""

from datetime import timedelta

import pytest
import stripe as sdk
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.clock import now
from accounts.models import Event, Organization
from billing import payments, refunds, sending, tasks
from billing.models import AccountKind, CallKind, GatewayCall, Payment, Refund, RefundState
from billing.payments.base import Call
from billing.payments.refunds import Answer
from billing.queries import refundable_cents
from billing.refunds import RefundTooLarge
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import assert_books_balance, balance, give, running
from tests.billing.stripe_world import arrived, paid
from tests.stripe_standin import KEY, StripeStandin
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def poor(db: None) -> Organization:
    return factories.an_organization()


def ask(organization: Organization, cents: int) -> list[Refund]:
    return refunds.request_refund(
        organization=organization, actor="user:us_tests", created_by=None, amount_cents=cents, now=now()
    )


def send(after: timedelta = timedelta()) -> None:
    """The sweeps: calls that wait, then what was sent and not confirmed."""
    sending.send_due(gateway=payments.gateway(), now=now() + after)
    refunds.check_sent(gateway=payments.gateway(), now=now() + after)


def made_at(stripe: StripeStandin, payment: Payment) -> int:
    """How many refunds the processor has made of this payment."""
    client = sdk.StripeClient(KEY, base_addresses={"api": stripe.url})
    return len(client.v1.refunds.list({"charge": payment.charge_reference}).data)


def test_unused_money_goes_back_to_the_newest_payments_first(stripe: StripeStandin, poor: Organization) -> None:
    old, new = paid(stripe, poor, 3000), paid(stripe, poor, 2000)
    made = ask(poor, 2500)
    assert [(row.payment, row.amount_cents) for row in made] == [(new, 2000), (old, 500)]
    assert balance(poor) == 25_000_000  # gone from the wallet before anything is sent
    send()
    assert {row.state for row in Refund.objects.all()} == {RefundState.SUCCEEDED}
    assert (made_at(stripe, old), made_at(stripe, new)) == (1, 1)
    assert balance(poor, AccountKind.CLEARING) == -25_000_000
    assert_books_balance()


def test_only_what_was_paid_and_is_available_can_go_back(
    stripe: StripeStandin, poor: Organization, offer: Offer
) -> None:
    paid(stripe, poor, 1000)
    give(poor, 50)
    assert refundable_cents(organization=poor, now=now()) == 1000  # a gift does not go to a card
    running(poor, offer, now=now())
    give(poor, -49)
    with pytest.raises(RefundTooLarge) as refused:
        ask(poor, 1000)
    assert refused.value.most_cents == 740  # $11.00 less the hold of $3.60, in whole cents
    assert not Refund.objects.exists()


@pytest.mark.parametrize("cents", [0, -5, 1001])
def test_nonsense_amounts_are_refused(stripe: StripeStandin, poor: Organization, cents: int) -> None:
    paid(stripe, poor, 1000)
    with pytest.raises(RefundTooLarge):
        ask(poor, cents)


def test_two_requests_at_once_cannot_take_the_same_money(stripe: StripeStandin, poor: Organization) -> None:
    paid(stripe, poor, 1000)
    results = together(6, lambda _: ask(poor, 700))
    assert sum(isinstance(result, list) for result in results) == 1
    assert balance(poor) == 3_000_000


def test_a_processor_that_fails_after_acting_has_made_one_refund(stripe: StripeStandin, poor: Organization) -> None:
    payment = paid(stripe, poor, 1000)
    stripe.faults(path="/v1/refunds", mode="apply_then_500", times=3)
    ask(poor, 1000)
    for minutes in (0, 5, 30):
        send(after=timedelta(minutes=minutes))
    assert Refund.objects.get().state == RefundState.SUCCEEDED
    assert made_at(stripe, payment) == 1
    assert balance(poor) == 0


def test_a_connection_that_closes_after_acting_has_made_one_refund(stripe: StripeStandin, poor: Organization) -> None:
    payment = paid(stripe, poor, 1000)
    stripe.faults(path="/v1/refunds", mode="apply_then_close", times=3)
    ask(poor, 1000)
    for minutes in (0, 5, 30):
        send(after=timedelta(minutes=minutes))
    assert Refund.objects.get().state == RefundState.SUCCEEDED
    assert made_at(stripe, payment) == 1


def test_after_a_day_the_refund_is_looked_for_before_it_is_sent_again(
    stripe: StripeStandin, poor: Organization
) -> None:
    payment = paid(stripe, poor, 1000)
    (refund,) = ask(poor, 1000)
    call = sending.take(pk=GatewayCall.objects.get(subject=refund.public_id).pk, now=now())
    assert call
    payments.gateway().send(Call(call.path, call.body), key=call.public_id)  # a worker died before it wrote this down
    stripe.forget_keys()
    send(after=timedelta(hours=24))
    assert Refund.objects.get().state == RefundState.SUCCEEDED
    assert made_at(stripe, payment) == 1


def test_many_workers_send_a_refund_once(stripe: StripeStandin, poor: Organization) -> None:
    payment = paid(stripe, poor, 1000)
    ask(poor, 600)
    together(4, lambda _: tasks.send_calls())
    assert made_at(stripe, payment) == 1
    assert GatewayCall.objects.get(kind=CallKind.REFUND).attempts == 1


def test_a_refund_that_the_bank_refuses_comes_back_to_the_wallet(stripe: StripeStandin, poor: Organization) -> None:
    payment = paid(stripe, poor, 1000)
    Payment.objects.filter(pk=payment.pk).update(charge_reference="ch_unknown")
    ask(poor, 1000)
    for minutes in (0, 5):
        send(after=timedelta(minutes=minutes))
    refund = Refund.objects.get()
    assert refund.state == RefundState.FAILED
    assert refund.error
    assert balance(poor) == 10_000_000
    assert refundable_cents(organization=poor, now=now()) == 1000
    assert Event.objects.filter(kind="wallet.refund_failed", notice__isnull=False).count() == 1
    assert_books_balance()


def test_a_refund_that_fails_days_later_comes_back_once(
    stripe: StripeStandin, poor: Organization, live_server: LiveServer
) -> None:
    stripe.webhook(f"{live_server.url}/stripe/webhook/")
    payment = paid(stripe, poor, 1000)
    (refund,) = ask(poor, 1000)
    send()
    refund.refresh_from_db()
    failed = Answer(refund.reference or "", refund.public_id, status="failed", reason="lost_or_stolen_card")
    for _ in range(2):
        refunds.apply(refund=refund, answer=failed, now=now())
    assert balance(poor) == 10_000_000
    arrived(kind="refund", our_id=refund.public_id)
    tasks.settle()  # its message says succeeded; failed is final with us
    refund.refresh_from_db()
    assert refund.state == RefundState.FAILED
    payment.refresh_from_db()
    assert payment.refunded_cents == 0
    assert_books_balance()


def test_a_key_that_the_processor_no_longer_takes_creates_no_money(
    stripe: StripeStandin, poor: Organization, settings: Settings
) -> None:
    payment = paid(stripe, poor, 2000)
    ask(poor, 1000)
    send()
    Refund.objects.update(state=RefundState.SENT)  # on its way: the processor is asked again how far it is
    ask(poor, 500)
    settings.STRIPE_API_KEY = "sk_live_revoked"
    send(after=timedelta(minutes=5))
    assert not Refund.objects.filter(state=RefundState.FAILED).exists()
    assert balance(poor) == 5_000_000
    settings.STRIPE_API_KEY = KEY
    send(after=timedelta(hours=1))
    assert made_at(stripe, payment) == 2
    assert_books_balance()


def test_a_sent_refund_that_the_processor_does_not_find_is_left_for_a_person(
    stripe: StripeStandin, poor: Organization
) -> None:
    paid(stripe, poor, 1000)
    (refund,) = ask(poor, 1000)
    Refund.objects.filter(pk=refund.pk).update(state=RefundState.SENT, reference="re_unknown")
    failures = refunds.check_sent(gateway=payments.gateway(), now=now() + timedelta(minutes=1))
    assert set(failures) == {refund.public_id}
    assert balance(poor) == 0
