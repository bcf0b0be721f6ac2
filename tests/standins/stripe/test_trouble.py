"""What goes wrong on demand, on any route, and what Stripe refuses by itself: speed, rights, other versions."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import stripe

from standins.stripe import contract
from standins.stripe.endpoints import ROUTES
from standins.stripe.errors import ApiError
from standins.stripe.shapes import ACCOUNT
from tests.standins.stripe.conftest import client_of, events, fails, order
from tests.standins.stripe.receiver import receiving
from tests.stripe_standin import StripeStandin, running, wait_for

BROKEN = {
    "429": stripe.RateLimitError,
    "lock_timeout": stripe.RateLimitError,
    "503": stripe.APIError,
    "500": stripe.APIError,
    "close": stripe.APIConnectionError,
    "apply_then_500": stripe.APIError,
    "apply_then_close": stripe.APIConnectionError,
}


IN_FRONT = {"429", "lock_timeout", "503", "close"}


def complete(declared: str) -> bool:
    """Whether a request without parameters gets past the contract."""
    try:
        contract.check(declared, {})
    except ApiError:
        return False
    return True


def concrete(path: str) -> str:
    return path.replace("{customer}", "cus_x").replace("{id}", "x_y")


@pytest.mark.parametrize("mode", BROKEN)
def test_every_route_breaks_when_asked_to(standin: StripeStandin, client: stripe.StripeClient, mode: str) -> None:
    for route in ROUTES:
        if mode not in IN_FRONT and not complete(route.contract):
            continue
        path = concrete(route.path)
        standin.faults(path=path, mode=mode, method=route.method)
        with pytest.raises(BROKEN[mode]):
            client.raw_request(route.method.lower(), path)
    assert standin.control("GET", "faults") == []


@pytest.mark.parametrize(("mode", "made"), [("apply_then_500", 1), ("apply_then_close", 1), ("500", 0), ("close", 0)])
def test_a_failure_happens_before_or_after_the_effect(
    standin: StripeStandin, client: stripe.StripeClient, customer: str, mode: str, made: int
) -> None:
    standin.faults(path="/v1/invoiceitems", mode=mode)
    with pytest.raises(BROKEN[mode]):
        client.v1.invoice_items.create({"customer": customer, "amount": 500, "currency": "usd"})
    assert len(client.v1.invoice_items.list({"customer": customer}).data) == made


def test_a_refusal_leaves_nothing_behind(client: stripe.StripeClient, customer: str) -> None:
    wanted: Any = {"currency": "usd", "product_data": {"name": "Orphan"}}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.prices.create(wanted)
    assert "Orphan" not in [product.name for product in client.v1.products.list({"limit": 100}).data]


def test_what_happened_may_never_be_told(standin: StripeStandin, client: stripe.StripeClient) -> None:
    standin.faults(path="/v1/customers", mode="never_emit")
    silent, told = client.v1.customers.create(), client.v1.customers.create()
    assert events(client, silent.id) == [] and events(client, told.id) == ["customer.created"]
    session = client.v1.checkout.sessions.create(order())
    assert session.url is not None
    standin.faults(path="/c/pay", mode="never_emit")
    assert standin.pay(session.url).status == 303
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"
    assert events(client, session.id) == []


def test_one_kind_of_event_is_dropped(standin: StripeStandin, client: stripe.StripeClient) -> None:
    with receiving() as receiver:
        standin.webhook(receiver.url)
        standin.faults(path="webhook", mode="drop", type="customer.updated")
        customer = client.v1.customers.create().id
        client.v1.customers.update(customer, {"name": "Ada"})
        client.v1.customers.delete(customer)
        wait_for(lambda: len(receiver.received) == 2)
        standin.webhook(None)
    states = {delivery["type"]: delivery["state"] for delivery in standin.deliveries()[-3:]}
    assert states["customer.updated"] == "dropped"


def test_an_endpoint_made_through_the_api_gets_the_events_it_wants(client: stripe.StripeClient) -> None:
    with receiving() as receiver:
        made = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.updated"]})
        customer = client.v1.customers.create().id
        client.v1.customers.update(customer, {"name": "Ada"})
        wait_for(lambda: receiver.received)
        signature, body = receiver.received[0]
        event = client.construct_event(body, signature, str(made.secret))
        assert (event.type, event.account, event.livemode) == ("customer.updated", ACCOUNT, False)
        assert event.data.to_dict()["previous_attributes"] == {"name": None}
        assert client.v1.webhook_endpoints.update(made.id, {"disabled": True}).status == "disabled"
        client.v1.customers.update(customer, {"name": "Grace"})
        assert client.v1.webhook_endpoints.delete(made.id).deleted
    assert len(receiver.received) == 1


def test_so_many_requests_a_second_for_each_endpoint(standin: StripeStandin, client: stripe.StripeClient) -> None:
    standin.rate_limit(5)
    started = time.monotonic()
    for _ in range(5):
        client.v1.balance.retrieve()
    assert time.monotonic() - started < 1, "this machine is too slow for this test"
    with pytest.raises(stripe.RateLimitError) as limited:
        client.v1.balance.retrieve()
    assert limited.value.headers is not None
    assert limited.value.headers["Stripe-Rate-Limited-Reason"] == "endpoint-rate"
    assert client.v1.customers.list().data is not None
    standin.rate_limit(None)
    client.v1.balance.retrieve()


def test_a_customers_meter_takes_one_call_at_a_time(
    standin: StripeStandin, client: stripe.StripeClient, customer: str
) -> None:
    name = "one at a time"
    client.v1.billing.meters.create(
        {"display_name": name, "event_name": name, "default_aggregation": {"formula": "sum"}}
    )
    payload = {"stripe_customer_id": customer, "value": "1"}
    standin.faults(path="/v1/billing/meter_events", mode="delay", seconds=1.5)

    def send(number: int) -> None:
        client_of(standin).v1.billing.meter_events.create(
            {"event_name": name, "payload": payload, "identifier": f"{customer}{number}"}
        )

    with ThreadPoolExecutor(2) as pool:
        failures = [error for each in [pool.submit(send, n) for n in range(2)] if (error := each.exception())]
    assert len(failures) == 1 and isinstance(failures[0], stripe.RateLimitError)


def test_a_restricted_key_may_do_what_it_was_given_and_nothing_else(
    standin: StripeStandin, client: stripe.StripeClient, customer: str
) -> None:
    standin.restricted_key("rk_test_small", customer="read", invoiceitem="write", checkout_session="write")
    small = client_of(standin, "rk_test_small")
    assert small.v1.customers.retrieve(customer).id == customer
    assert small.v1.invoice_items.create({"customer": customer, "amount": 5, "currency": "usd"}).amount == 5
    assert small.v1.invoice_items.list({"customer": customer}).data
    with pytest.raises(stripe.PermissionError, match="rak_customer_write"):
        small.v1.customers.update(customer, {"name": "Grace"})
    with pytest.raises(stripe.PermissionError, match="rak_refund_read"):
        small.v1.refunds.list()
    with pytest.raises(stripe.AuthenticationError):
        client_of(standin, "rk_test_unknown").v1.customers.list()


def test_only_one_version_is_spoken(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="speaks"):
        client.v1.customers.list(options={"stripe_version": "2024-06-20"})


def test_keys_and_times_live_by_the_servers_clock_also_after_a_restart(tmp_path: Path) -> None:
    tomorrow = int(time.time()) + 25 * 3600

    def create(client: stripe.StripeClient) -> stripe.Customer:
        return client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "a day"})

    with running(tmp_path) as before:
        session = client_of(before).v1.checkout.sessions.create(order())
        first = create(client_of(before))
        assert create(client_of(before)).id == first.id
        before.clock(tomorrow)
        assert client_of(before).v1.checkout.sessions.retrieve(session.id).status == "expired"
    with running(tmp_path) as after:
        again = create(client_of(after))
        assert again.id != first.id and tomorrow <= again.created < tomorrow + 60
        with fails(stripe.IdempotencyError, None):
            client_of(after).v1.customers.create({"name": "Grace"}, {"idempotency_key": "a day"})
