"""A call that lasts for long: it is taken for its whole flight, and a worker that was overtaken writes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from accounts.clock import now
from accounts.models import Event
from billing import customers, payments, refunds, sending, sweeping
from billing.models import CallKind, CallState, GatewayCall, PaymentState, Refund, RefundState
from billing.payments.base import Call, Facts, Gateway, GatewayRefused, GatewaySilent
from tests import factories
from tests.billing.cards_world import charge, saved
from tests.billing.conftest import balance
from tests.billing.stripe_world import a_payment, paid
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


class Answering:
    """A processor that answers each call with what is given."""

    def __init__(self, answer: Callable[[GatewayCall], Facts]) -> None:
        self.answer = answer

    def send(self, call: Call, *, key: str) -> Facts:
        return self.answer(GatewayCall.objects.get(public_id=key))


def answering(answer: Callable[[GatewayCall], Facts]) -> Gateway:
    return cast(Gateway, Answering(answer))


@pytest.fixture
def call(db: None) -> GatewayCall:
    organization = factories.an_organization()
    customers.make_known(organization=organization, now=now())
    return GatewayCall.objects.get(organization=organization)


def test_each_call_of_a_sweep_is_taken_for_its_whole_flight(call: GatewayCall, monkeypatch: pytest.MonkeyPatch) -> None:
    customers.make_known(organization=factories.an_organization("Other"), now=now())
    seconds, flights = [0.0], list[datetime]()

    def slowly(taken: GatewayCall) -> Facts:
        assert taken.in_flight_until
        flights.append(taken.in_flight_until)
        seconds[0] += 24
        return {"id": f"cus_{taken.pk}"}

    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    assert sending.send_due(gateway=answering(slowly), now=now()) == {}
    assert flights[1] - flights[0] == timedelta(seconds=24)


@pytest.mark.parametrize(
    "end",
    [GatewaySilent("late"), GatewayRefused("late", "too late"), GatewayRefused("idempotency_error", "too late")],
    ids=["silent", "refused", "key"],
)
def test_a_worker_that_was_overtaken_writes_nothing(call: GatewayCall, end: Exception) -> None:
    def overtaken(taken: GatewayCall) -> Facts:
        assert sending.take(pk=taken.pk, now=now() + 3 * MINUTE)
        raise end

    sending.send_due(gateway=answering(overtaken), now=now())
    call.refresh_from_db()
    assert (call.state, call.attempts) == (CallState.PENDING, 2)
    assert call.in_flight_until and call.in_flight_until > now() + 4 * MINUTE  # the other still has it
    assert not Event.objects.filter(kind__startswith="payment.call_").exists()


def known_with_another_body(stripe: StripeStandin, kind: CallKind) -> GatewayCall:
    """A call that the processor has done, whose answer was lost, and whose body was changed since."""
    call = GatewayCall.objects.get(kind=kind)
    stripe.faults(path=call.path, mode="apply_then_close", times=3)
    sending.send_due(gateway=payments.gateway(), now=now())
    GatewayCall.objects.filter(pk=call.pk).update(body={**call.body, "metadata": {"call_id": "another"}})
    sending.send_due(gateway=payments.gateway(), now=now() + MINUTE)
    call.refresh_from_db()
    assert (call.state, call.error_code) == (CallState.UNCERTAIN, "idempotency_error")
    assert Event.objects.filter(kind="payment.call_failed", organization=None, notice__isnull=False).count() == 1
    return call


def found_later(call: GatewayCall) -> None:
    sending.send_due(gateway=payments.gateway(), now=now() + 10 * MINUTE)
    call.refresh_from_db()
    assert call.state == CallState.DONE
    assert Event.objects.filter(kind="payment.call_failed").count() == 1


def test_a_refund_whose_key_is_known_already_is_not_put_back(stripe: StripeStandin) -> None:
    poor = factories.an_organization()
    paid(stripe, poor, 5000)
    refunds.request_refund(organization=poor, actor="", created_by=None, amount_cents=2000, now=now())
    call = known_with_another_body(stripe, CallKind.REFUND)
    assert balance(poor) == 30_000_000
    found_later(call)
    assert balance(poor) == 30_000_000 and Refund.objects.get().state == RefundState.SUCCEEDED


def test_nor_is_a_charge_taken_for_declined(stripe: StripeStandin) -> None:
    poor = factories.an_organization()
    payment = charge(poor, saved(stripe, poor))
    call = known_with_another_body(stripe, CallKind.CHARGE)
    payment.refresh_from_db()
    assert payment.state == PaymentState.PENDING
    found_later(call)
    payment.refresh_from_db()
    assert payment.state == PaymentState.PAID and balance(poor) == 50_000_000


def test_nor_is_a_page_to_pay_at_taken_for_refused(stripe: StripeStandin) -> None:
    payment = a_payment(factories.an_organization())
    call = known_with_another_body(stripe, CallKind.CHECKOUT)
    payment.refresh_from_db()
    assert payment.state == PaymentState.PENDING
    found_later(call)
    payment.refresh_from_db()
    assert payment.checkout_url
