"""A call that lasts for long: it is taken for its whole flight, and a worker that was overtaken writes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from accounts.clock import now
from accounts.models import Event
from billing import customers, sending, sweeping
from billing.models import CallState, GatewayCall
from billing.payments.base import Call, Facts, Gateway, GatewayRefused, GatewaySilent
from tests import factories

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
    [GatewaySilent("late"), GatewayRefused("late", "too late")],
    ids=["silent", "refused"],
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
