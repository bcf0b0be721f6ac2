"""Whatever there is can be listed, paged through and read again, each as Stripe's own types have it."""

import re
from typing import Any

import pytest
import stripe

from standins.stripe import contract
from standins.stripe.endpoints import ROUTES
from standins.stripe.errors import ApiError
from tests.standins.stripe.conftest import client_of, fails, order
from tests.standins.stripe.lives import FEBRUARY, HOUR, JANUARY, Life, invoice
from tests.stripe_standin import StripeStandin


@pytest.fixture(scope="module")
def customer_of_all(standin: StripeStandin) -> str:
    """A customer who has at least one of everything."""
    client = client_of(standin)
    life = Life(client)
    owner, v1 = life.customer, client.v1
    life.use(5_000_000, JANUARY, "a")
    v1.customers.update(owner, {"balance": -5, "address": {"country": "DE"}})
    v1.customers.tax_ids.create(owner, {"type": "eu_vat", "value": "DE123456789"})
    life.advance(FEBRUARY + HOUR)
    paid = life.invoices()[0]
    v1.credit_notes.create({"invoice": paid.id, "amount": 100, "refund_amount": 100})
    v1.invoices.finalize_invoice(invoice(client, owner, 900, automatic_tax={"enabled": True}).id)
    setup = v1.setup_intents.create({"customer": owner})
    v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"})
    wanted: Any = {"amount": 900, "currency": "usd", "confirm": True}
    for card in ("pm_card_createDispute", "pm_card_createIssuerFraudRecord"):
        v1.payment_intents.create(wanted | {"payment_method": card})
    v1.checkout.sessions.create(order(customer=owner))
    v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["payout.paid"]})
    return owner


LISTS = [
    route
    for route in ROUTES
    if route.method == "GET" and not route.path.endswith(("}", "s}/lines", "balance", "account"))
]


@pytest.mark.parametrize(
    "path",
    [route.path for route in LISTS if "{id}" not in route.path and not re.search("preview|^/v2/", route.path)],
)
def test_every_list_is_paged_and_its_objects_are_read_again(
    client: stripe.StripeClient, customer_of_all: str, path: str
) -> None:
    path, more = path.replace("{customer}", customer_of_all), {}
    if path == "/v1/subscription_items":
        more["subscription"] = client.v1.subscriptions.list().data[0].id
    shown = client.raw_request("get", path, limit=1, **more)
    [first] = shown.data["data"]
    assert client.raw_request("get", f"{path}/{first['id']}").data["id"] == first["id"]
    rest = client.raw_request("get", path, starting_after=first["id"], **more)
    assert bool(rest.data["data"]) == shown.data["has_more"]
    with fails(stripe.InvalidRequestError, "resource_missing"):
        client.raw_request("get", f"{path}/nothing_1")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_unknown_parameter_is_refused_by_name(route: Any) -> None:
    with pytest.raises(ApiError) as refused:
        contract.check(route.contract, {"bogus": "1"})
    assert (refused.value.error["code"], refused.value.error["param"]) == ("parameter_unknown", "bogus")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_parameter_of_the_wrong_type_is_refused(route: Any) -> None:
    """A whole number as a word, an object as a word: whatever the SDK declares, a list of lists is none of it."""
    for name in route.taken:
        with pytest.raises(ApiError) as refused:
            contract.check(route.contract, {name: {"0": {"0": {"0": "x"}}}})
        assert refused.value.status == 400


def test_what_is_inside_is_shown_when_asked_for(client: stripe.StripeClient, customer_of_all: str) -> None:
    found = client.v1.customers.retrieve(customer_of_all, {"expand": ["tax_ids"]})
    assert found.tax_ids is not None and [each.value for each in found.tax_ids.data] == ["DE123456789"]
    [note] = client.v1.credit_notes.list({"limit": 1, "expand": ["data.invoice", "data.customer"]}).data
    assert isinstance(note.invoice, stripe.Invoice) and isinstance(note.customer, stripe.Customer)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.customers.retrieve(customer_of_all, {"expand": ["dog"]})


def test_what_may_be_changed_later_is_changed(client: stripe.StripeClient, customer_of_all: str) -> None:
    wanted: Any = {"metadata": {"a": "1"}}
    charge = client.v1.charges.list({"limit": 1}).data[0]
    note = client.v1.credit_notes.list({"limit": 1}).data[0]
    final = client.v1.invoices.list({"customer": customer_of_all, "limit": 1}).data[0]
    for changed in (
        client.v1.charges.update(charge.id, wanted),
        client.v1.credit_notes.update(note.id, wanted),
        client.v1.invoices.update(final.id, wanted),
    ):
        assert changed.to_dict()["metadata"]["a"] == "1"
