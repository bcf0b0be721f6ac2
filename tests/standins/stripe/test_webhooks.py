"""Events are signed, kept until delivered, and go wrong on demand."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.standins.stripe.conftest import client_of, order
from tests.standins.stripe.receiver import Receiver, receiving
from tests.stripe_standin import SECRET, StripeStandin, wait_for


@pytest.fixture
def receiver(standin: StripeStandin) -> Iterator[Receiver]:
    with receiving() as listening:
        standin.webhook(listening.url)
        yield listening
        standin.webhook(None)
        standin.heal()


def types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, body in receiver.received]


def deliveries(standin: StripeStandin, item: str) -> list[dict[str, Any]]:
    """The deliveries of events about one customer, in the order they were queued."""
    client = client_of(standin)
    about = {e.id for e in client.v1.events.list({"limit": 100}).data if e.data.object["id"] == item}
    return [delivery for delivery in standin.deliveries() if delivery["event"] in about]


def settled(standin: StripeStandin, item: str) -> list[dict[str, Any]]:
    found = deliveries(standin, item)
    return found if found and all(d["state"] not in ("pending", "held") for d in found) else []


def test_a_payment_is_announced_and_the_sdk_verifies_it(
    standin: StripeStandin, client: stripe.StripeClient, receiver: Receiver
) -> None:
    session = client.v1.checkout.sessions.create(order())
    assert session.url is not None
    standin.pay(session.url)
    wait_for(lambda: "checkout.session.completed" in types(receiver))
    assert types(receiver) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    signature, body = receiver.received[-1]
    event = client.construct_event(body, signature, SECRET)
    assert event.data.object["metadata"]["payment_id"] == "pm_1" and event.data.object["payment_status"] == "paid"
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(body + b" ", signature, SECRET)
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(body, signature, "whsec_other")
    assert client.v1.events.retrieve(event.id).type == "checkout.session.completed"


def test_a_receiver_that_fails_twice_gets_it_the_third_time(
    standin: StripeStandin, client: stripe.StripeClient, receiver: Receiver
) -> None:
    receiver.statuses[:] = [500, 302]
    customer = client.v1.customers.create()
    [delivery] = wait_for(lambda: settled(standin, customer.id))
    assert (delivery["state"], delivery["attempts"], delivery["status"]) == ("delivered", 3, 200)
    assert len({body for _, body in receiver.received}) == 1


def test_a_duplicate_is_the_same_event_twice(
    standin: StripeStandin, client: stripe.StripeClient, receiver: Receiver
) -> None:
    standin.faults(path="webhook", mode="duplicate")
    customer = client.v1.customers.create()
    wait_for(lambda: settled(standin, customer.id))
    assert len(receiver.received) == 2 and len({json.loads(body)["id"] for _, body in receiver.received}) == 1


def test_a_dropped_event_is_never_sent_until_it_is_asked_for(
    standin: StripeStandin, client: stripe.StripeClient, receiver: Receiver
) -> None:
    standin.faults(path="webhook", mode="drop")
    customer = client.v1.customers.create()
    [dropped] = wait_for(lambda: settled(standin, customer.id))
    assert dropped["state"] == "dropped" and not receiver.received
    standin.deliver(dropped["event"])
    wait_for(lambda: types(receiver) == ["customer.created"])


def test_a_reordered_event_comes_after_the_next(
    standin: StripeStandin, client: stripe.StripeClient, receiver: Receiver
) -> None:
    standin.faults(path="webhook", mode="reorder")
    customer = client.v1.customers.create()
    client.v1.customers.update(customer.id, {"name": "Ada"})
    wait_for(lambda: settled(standin, customer.id))
    assert types(receiver) == ["customer.updated", "customer.created"]


def test_a_delayed_event_comes_later(standin: StripeStandin, client: stripe.StripeClient, receiver: Receiver) -> None:
    standin.faults(path="webhook", mode="delay", seconds=0.5)
    customer = client.v1.customers.create()
    client.v1.customers.update(customer.id, {"name": "Ada"})
    wait_for(lambda: settled(standin, customer.id))
    assert types(receiver) == ["customer.updated", "customer.created"]


def test_a_forged_copy_fails_verification_and_is_not_retried(
    standin: StripeStandin, client: stripe.StripeClient, receiver: Receiver
) -> None:
    standin.faults(path="webhook", mode="forge")
    receiver.statuses[:] = [400]
    customer = client.v1.customers.create()
    forged, genuine = wait_for(lambda: settled(standin, customer.id))
    assert (forged["state"], forged["attempts"], genuine["state"]) == ("failed", 1, "delivered")
    signature, body = receiver.received[0]
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(body, signature, SECRET)
