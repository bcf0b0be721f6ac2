"""A stand-in for each module, and the official SDK as its client."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from tests.standins.stripe.answers import Checked
from tests.standins.stripe.lives import Life
from tests.stripe_standin import KEY, StripeStandin, running

Open = Callable[..., stripe.checkout.Session]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeStandin]:
    with running(tmp_path_factory.mktemp("stripe")) as started:
        yield started


def client_of(standin: StripeStandin, key: str = KEY, retries: int = 0) -> stripe.StripeClient:
    """The official SDK, with every answer checked; see answers.py."""
    addresses: Any = {"api": standin.url}
    return stripe.StripeClient(key, base_addresses=addresses, max_network_retries=retries, http_client=Checked())


@pytest.fixture
def client(standin: StripeStandin) -> Iterator[stripe.StripeClient]:
    yield client_of(standin)
    standin.heal()


def order(amount_cents: int = 5000, **more: Any) -> Any:
    """Parameters of a checkout session."""
    price = {"currency": "usd", "unit_amount": amount_cents, "product_data": {"name": "Wallet top-up"}}
    return {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/basket",
        "metadata": {"payment_id": "pm_1"},
        "payment_intent_data": {"metadata": {"payment_id": "pm_1"}},
        **more,
    }


def paid_charge(standin: StripeStandin, client: stripe.StripeClient, amount_cents: int = 5000, **pay: str) -> str:
    """The charge of a checkout that was paid on the page."""
    session = client.v1.checkout.sessions.create(order(amount_cents))
    assert session.url is not None
    assert standin.pay(session.url, **pay).status == 303
    found = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert isinstance(found.payment_intent, stripe.PaymentIntent)
    return str(found.payment_intent.latest_charge)


def fails(error: type[stripe.StripeError], code: str | None) -> Any:
    """The block is refused with the SDK's error of this class and Stripe's code."""
    return pytest.raises(error, check=lambda refused: refused.code == code)


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    return client.v1.customers.create({"email": "ada@example.com", "name": "Ada Lovelace"}).id


def events(client: stripe.StripeClient, about: str) -> list[str]:
    """The types of the events about an object, in the order in which they happened."""
    found = client.v1.events.list({"limit": 100}).data
    return [event.type for event in reversed(found) if event.data.object["id"] == about]


@pytest.fixture
def life(client: stripe.StripeClient) -> Life:
    return Life(client)


@pytest.fixture
def owner(client: stripe.StripeClient) -> str:
    """A customer who pays by invoice, with an address."""
    address: Any = {"country": "DE", "postal_code": "10115", "city": "Berlin"}
    return client.v1.customers.create({"name": "Ada GmbH", "address": address}).id
