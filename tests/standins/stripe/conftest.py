"""A stand-in for each module, and the official SDK as its client."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from tests.stripe_standin import KEY, StripeStandin, running

Open = Callable[..., stripe.checkout.Session]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeStandin]:
    with running(tmp_path_factory.mktemp("stripe")) as started:
        yield started


def client_of(standin: StripeStandin, key: str = KEY, retries: int = 0) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": standin.url}, max_network_retries=retries)


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
