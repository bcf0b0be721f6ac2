"""The order page for nodes of one fabric group: what could not be ordered is said before it is."""

from datetime import datetime
from html import unescape

import pytest
from django.test import Client

from accounts.clock import now
from accounts.models import Organization
from leasing.models import Lease
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.billing.conftest import HOUR, a_quote, funded, place
from tests.billing.test_order_page import HTMX, ahead, an_order, begin, browser, read
from tests.leasing.test_fabric import a_grouped_offer

pytestmark = pytest.mark.django_db
__all__ = ["begin", "browser"]  # fixtures


@pytest.fixture
def offer(db: None) -> Offer:
    """Two nodes in each of two groups, ahead."""
    on_demand = a_grouped_offer(east=2, west=2)
    return factories.an_offer(on_demand.pool, factories.a_plan(PlanKind.RESERVED))


def book(offer: Offer, begin: datetime, *, nodes: int) -> None:
    """Somebody else, for the same two hours; the first nodes are one of each group."""
    other, instant = funded(1000, "Other Ltd"), now()
    window = {"starts_at": begin, "ends_at": begin + 2 * HOUR}
    place(a_quote(other, offer, now=instant, nodes=nodes, **window), now=instant)


def test_nodes_that_are_free_in_several_groups_only_are_not_offered_as_one(
    browser: Client, acme: Organization, offer: Offer, begin: datetime
) -> None:
    wish = {**ahead(offer, begin, nodes=2), "same_fabric": "on"}
    before = browser.get("/order/", wish).context["price"]
    assert before.enough
    book(offer, begin, nodes=2)
    words = read(browser, "/order/", wish)
    assert (
        "Not 2 free in one fabric group for this period." in words
        and "disabled" in words
        and "Guaranteed until" not in words
    )
    assert browser.get("/order/", ahead(offer, begin, nodes=2)).context["price"].enough  # without one group
    refused = an_order(browser, acme, wish, before.quote)
    assert "in one fabric group any more. Nothing was ordered." in unescape(refused.content.decode())
    assert not Lease.objects.filter(organization=acme).exists()


def test_the_address_of_times_that_were_taken_over_keeps_the_group(
    browser: Client, offer: Offer, begin: datetime
) -> None:
    wish = {**ahead(offer, begin, nodes=2), "same_fabric": "on"}
    book(offer, begin, nodes=4)
    first = browser.get("/order/", wish).context["ways_out"].windows[0]
    take = f"{first.starts_at.isoformat()}/{first.ends_at.isoformat()}"
    answer = browser.post("/order/", {**wish, "take": take}, headers=HTMX)
    assert browser.get(answer.headers["HX-Replace-Url"]).context["price"].quote.same_fabric
