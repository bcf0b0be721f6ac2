"""The whole ordering path under a storm: authentication, idempotency, funds, nodes, through the API."""

from collections import Counter
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from billing import checkout
from leasing.models import Claim, Lease
from marketplace.models import Offer
from tests import factories
from tests.accounts.cast import a_token
from tests.billing.conftest import funded
from tests.together import deadlocks, overlaps, together

pytestmark = pytest.mark.django_db(transaction=True)

ORGANIZATIONS = 8
ORDERS = 200


class Customer:
    """An organization with money, a key and a token, ready to order."""

    def __init__(self, name: str, dollars: float) -> None:
        self.organization: Organization = funded(dollars, name)
        owner = self.organization.members.get()
        self.token = a_token(self.organization, owner)
        self.key = factories.a_key(self.organization).public_id

    def order(self, quote: str, idempotency_key: str) -> Any:
        body = {"quote": quote, "name": "training", "ssh_keys": [self.key], "image": factories.an_image().slug}
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": idempotency_key}
        return APIClient(raise_request_exception=False).post("/api/v1/leases", body, format="json", headers=headers)

    def quotes(self, offer: Offer, count: int) -> list[str]:
        wanted: dict[str, Any] = {"offer": offer, "nodes": 1, "starts_at": None, "ends_at": None}
        made = (checkout.quote(organization=self.organization, now=now(), **wanted) for _ in range(count))
        return [quote.public_id for quote in made]


def test_two_hundred_orders_of_the_last_node_get_one_201_and_the_rest_409() -> None:
    offer = factories.an_offer()
    customers = [Customer(f"Customer {number}", 1000) for number in range(ORGANIZATIONS)]
    factories.an_image()
    orders = [(customer, quote) for customer in customers for quote in customer.quotes(offer, ORDERS // ORGANIZATIONS)]
    before = deadlocks()
    answers = together(ORDERS, lambda number: orders[number][0].order(orders[number][1], f"order-{number}"))
    assert Counter(getattr(answer, "status_code", answer) for answer in answers) == {201: 1, 409: ORDERS - 1}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"nodes_taken"}  # type: ignore[union-attr]
    assert Lease.objects.count() == Claim.objects.count() == 1
    assert (overlaps(), deadlocks() - before) == (0, 0)


def test_one_order_sent_fifty_times_at_once_makes_one_lease() -> None:
    offer = factories.an_offer(factories.a_pool(nodes=60))
    customer = Customer("Acme Robotics", 1000)
    factories.an_image()
    (quote,) = customer.quotes(offer, 1)
    answers = together(50, lambda _: customer.order(quote, "the-one"))
    statuses = Counter(getattr(answer, "status_code", answer) for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1  # type: ignore[union-attr]
    assert Lease.objects.count() == 1


def test_fifty_orders_with_money_for_one_make_one_lease() -> None:
    offer = factories.an_offer(factories.a_pool(nodes=60))
    customer = Customer("Acme Robotics", 3.60)
    factories.an_image()
    quotes = customer.quotes(offer, 50)
    answers = together(50, lambda number: customer.order(quotes[number], f"order-{number}"))
    assert Counter(getattr(answer, "status_code", answer) for answer in answers) == {201: 1, 402: 49}
