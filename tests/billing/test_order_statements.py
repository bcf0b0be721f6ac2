"""What an order costs the database: each statement is a way there and back, under the wallet's lock."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from marketplace.models import Offer
from tests.billing.test_api import a_quote, an_order, post

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("start", "nodes", "statements"), [("tomorrow", 1, 14), ("tomorrow", 3, 14), ("at once", 1, 23)]
)
def test_an_order_takes_few_statements_and_no_more_for_many_nodes_ahead(
    api: APIClient, acme: Organization, offer: Offer, reserved: Offer, start: str, nodes: int, statements: int,
    django_assert_num_queries: Any,
) -> None:  # fmt: skip
    begin = (now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    window = {"starts_at": begin.isoformat(), "ends_at": (begin + timedelta(hours=2)).isoformat()}
    quote = a_quote(api, reserved, nodes=nodes, **window) if start == "tomorrow" else a_quote(api, offer, nodes=nodes)
    order = an_order(acme, quote)
    with django_assert_num_queries(statements):
        answer = post(api, "leases", order)
    assert answer.status_code == 201, answer.content
    assert answer.json() == api.get(f"/api/v1/leases/{answer.json()['id']}").json()


@pytest.mark.parametrize("nodes", [1, 3])
def test_giving_back_takes_as_few_for_many_nodes(
    api: APIClient, acme: Organization, reserved: Offer, nodes: int, django_assert_num_queries: Any
) -> None:
    begin = (now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    window = {"starts_at": begin.isoformat(), "ends_at": (begin + timedelta(hours=2)).isoformat()}
    lease = post(api, "leases", an_order(acme, a_quote(api, reserved, nodes=nodes, **window))).json()["id"]
    with django_assert_num_queries(21):
        answer = post(api, f"leases/{lease}/return", {})
    assert answer.json()["state"] == "cancelled", answer.content
    shown = api.get(f"/api/v1/leases/{lease}").json()
    assert answer.json() == {name: shown[name] for name in answer.json()}


def test_a_refusal_that_names_the_next_windows_takes_as_few(
    api: APIClient, acme: Organization, reserved: Offer, django_assert_num_queries: Any
) -> None:
    begin = (now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    window = {"starts_at": begin.isoformat(), "ends_at": (begin + timedelta(hours=2)).isoformat()}
    late = an_order(acme, a_quote(api, reserved, nodes=1, **window))
    everything = a_quote(api, reserved, nodes=reserved.pool.nodes.count(), **window)
    assert post(api, "leases", an_order(acme, everything)).status_code == 201
    with django_assert_num_queries(15):
        answer = post(api, "leases", late)
    assert answer.json()["code"] == "nodes_taken" and answer.json()["windows"]
