"""Requests are held to the SDK's own types, answers to Stripe's published fixtures."""

import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest
import stripe

from standins.stripe import contract
from standins.stripe.endpoints import ROUTES
from standins.stripe.forms import unflatten
from standins.stripe.shapes import FIXTURES
from tests.standins.stripe.conftest import client_of, order, paid_charge
from tests.stripe_standin import StripeStandin


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_endpoint_has_a_parameter_type_in_the_installed_sdk(route: Any) -> None:
    declared = contract.fields(contract.load(route.contract))
    assert route.taken <= declared.keys()
    assert route.method == "DELETE" or route.path.startswith("/v2/") or "expand" in declared


def test_nested_parameters_are_unflattened_and_typed() -> None:
    text = "line_items[0][quantity]=2&line_items[0][price_data][currency]=usd&metadata[a]=1&expires_at=99&expand[]=x"
    assert contract.check("checkout._session_create_params.SessionCreateParams", unflatten(text)) == {
        "line_items": [{"quantity": 2, "price_data": {"currency": "usd"}}],
        "metadata": {"a": "1"},
        "expires_at": 99,
        "expand": ["x"],
    }


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"line_items": [{"bogus": 1}]}, "parameter_unknown", "line_items[0][bogus]"),
        ({"line_items": [{"quantity": 1}]}, None, "line_items[0]"),
        (
            {"line_items": [{"price_data": {"unit_amount": 5}}]},
            "parameter_missing",
            "line_items[0][price_data][currency]",
        ),
        ({"mode": "gift"}, None, "mode"),
        ({"expires_at": "soon"}, "parameter_invalid_integer", "expires_at"),
        ({"success_url": "nowhere"}, "url_invalid", "success_url"),
        ({"success_url": ""}, "parameter_invalid_empty", "success_url"),
        ({"customer": "cus_nobody"}, "resource_missing", "customer"),
        ({"line_items": order(49)["line_items"]}, "amount_too_small", None),
        ({"expires_at": 1}, None, "expires_at"),
    ],
)
def test_a_wrong_parameter_is_named(client: stripe.StripeClient, params: Any, code: str, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create(order(**params))
    assert (refused.value.code, refused.value.param) == (code, param)


def test_objects_have_every_key_of_stripes_fixtures(standin: StripeStandin, client: stripe.StripeClient) -> None:
    charge = paid_charge(standin, client)
    refund = client.v1.refunds.create({"charge": charge})
    customer = client.v1.customers.create({"email": "ada@example.com", "metadata": {"a": "1"}})
    session = client.v1.checkout.sessions.list({"limit": 1}).data[0]
    found = client.v1.charges.retrieve(charge, {"expand": ["payment_intent", "payment_intent.payment_method"]})
    assert isinstance(found.payment_intent, stripe.PaymentIntent)
    method = found.payment_intent.payment_method
    event = client.v1.events.list({"limit": 1}).data[0]
    for item in (found, found.payment_intent, method, refund, customer, session, event):
        assert isinstance(item, stripe.StripeObject)
        shown = item.to_dict()
        assert FIXTURES[shown["object"]].keys() <= shown.keys()
        assert shown["livemode" if "livemode" in shown else "id"] in (False, shown["id"])
    assert found.to_dict()["metadata"] == found.payment_intent.to_dict()["metadata"] == {"payment_id": "pm_1"}


def test_a_list_is_paged_newest_first_and_filtered(client: stripe.StripeClient) -> None:
    made = [client.v1.customers.create({"email": f"{n}@paging.example"}).id for n in range(5)]
    first = client.v1.customers.list({"limit": 2})
    assert [item.id for item in first.data] == made[:2:-1] and first.has_more and first.url == "/v1/customers"
    assert [item.id for item in client.v1.customers.list({"limit": 2}).auto_paging_iter()][:5] == made[::-1]
    before = client.v1.customers.list({"ending_before": made[1], "limit": 2})
    assert [item.id for item in before.data] == [made[3], made[2]]
    assert [item.id for item in client.v1.customers.list({"email": "3@paging.example"}).data] == [made[3]]
    assert client.v1.customers.list({"created": {"gt": 4_000_000_000}}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="limit"):
        client.v1.customers.list({"limit": 101})


def test_metadata_is_merged_and_an_empty_value_takes_its_key_away(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2"}})
    changed = client.v1.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}, "name": "Ada"})
    assert changed.metadata is not None and changed.metadata.to_dict() == {"b": "2", "c": "3"}
    assert changed.name == "Ada"


def test_what_is_not_there_is_resource_missing(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.refunds.retrieve("re_nothing")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")


@pytest.mark.parametrize("key", ["sk_live_real", "pk_test_public", "nonsense"])
def test_only_a_secret_test_key_is_let_in(standin: StripeStandin, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError):
        client_of(standin, key).v1.customers.list()


def test_without_a_key_the_answer_is_401_and_basic_authentication_works(standin: StripeStandin) -> None:
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(standin.url + "/v1/customers")
    with refused.value as answer:
        assert answer.status == 401 and answer.headers["Request-Id"].startswith("req_")
    basic = urllib.request.Request(standin.url + "/v1/customers", headers={"Authorization": "Basic c2tfdGVzdF94Og=="})
    with urllib.request.urlopen(basic) as answer:
        assert answer.status == 200


def test_the_version_asked_for_is_answered(standin: StripeStandin, client: stripe.StripeClient) -> None:
    answer = client.v1.customers.list()
    assert answer.last_response is not None
    assert answer.last_response.headers["Stripe-Version"] == stripe.api_version
    with pytest.raises(stripe.InvalidRequestError, match="API version"):
        client.v1.customers.list(options={"stripe_version": "yesterday"})
