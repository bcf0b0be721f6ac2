"""The order page for nodes of one fabric group: what could not be ordered is said before it is."""

from datetime import datetime, timedelta
from html import unescape

import pytest
from django.test import Client

from accounts.clock import now
from accounts.models import Organization
from leasing.models import Lease
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.billing.conftest import HOUR, a_quote, funded, place
from tests.billing.test_order_page import HTMX, ahead, an_order, begin, browser, held, read
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


def test_other_times_that_are_proposed_are_free_in_one_group(
    browser: Client, acme: Organization, offer: Offer, begin: datetime
) -> None:
    wish = {**ahead(offer, begin, nodes=2), "same_fabric": "on"}
    book(offer, begin, nodes=2)
    page = browser.get("/order/", wish)
    ways = page.context["ways_out"]
    assert ways.windows[0].starts_at == begin + 3 * HOUR  # behind the cleaning of what is booked there
    assert all("same_fabric=on" in address for address in (ways.wait, ways.calendar, ways.others))
    first = ways.windows[0]
    take = {"take": f"{first.starts_at.isoformat()}/{first.ends_at.isoformat()}"}
    assert browser.post("/order/", {**wish, **take}).context["price"].enough


def test_what_one_group_lacks_is_said_where_nodes_are_taken_too(
    browser: Client, acme: Organization, offer: Offer, begin: datetime
) -> None:
    book(offer, begin, nodes=3)
    page = browser.get("/order/", {**ahead(offer, begin, nodes=2), "same_fabric": "on"})
    assert "Only 1 free in one fabric group for this period." in page.content.decode()
    assert not page.context["price"].scattered


def test_on_demand_nodes_in_one_group_are_guaranteed_and_free_from_when_one_group_is(
    browser: Client, offer: Offer, begin: datetime
) -> None:
    on_demand = Offer.objects.get(pool=offer.pool, plan__kind=PlanKind.ON_DEMAND)
    wish = {"offer": on_demand.public_id, "nodes": "2", "same_fabric": "on"}
    book(offer, begin, nodes=2)  # one of each group, tomorrow
    assert browser.get("/order/", {**wish, "same_fabric": ""}).context["price"].guaranteed_until > begin
    price = browser.get("/order/", wish).context["price"]
    assert price.guaranteed_until == begin - timedelta(minutes=15)


def test_what_is_kept_in_one_group_is_ordered_so_from_its_address(
    browser: Client, offer: Offer, begin: datetime
) -> None:
    factories.the_terms(offer.plan, starts_at=now() - HOUR, hold_seconds=600)
    quote, address = held(browser, {**ahead(offer, begin, nodes=2), "same_fabric": "on"})
    beside = browser.get("/order/", ahead(offer, begin, nodes=3))
    for one in (address, beside.context["held_address"]):
        assert browser.get(one).context["price"].quote == quote
    assert quote.same_fabric


def test_the_address_of_times_that_were_taken_over_keeps_the_group(
    browser: Client, offer: Offer, begin: datetime
) -> None:
    wish = {**ahead(offer, begin, nodes=2), "same_fabric": "on"}
    book(offer, begin, nodes=4)
    first = browser.get("/order/", wish).context["ways_out"].windows[0]
    take = f"{first.starts_at.isoformat()}/{first.ends_at.isoformat()}"
    answer = browser.post("/order/", {**wish, "take": take}, headers=HTMX)
    assert browser.get(answer.headers["HX-Replace-Url"]).context["price"].quote.same_fabric
