"""Who may not order, or not so many nodes, holds none either, and hears it as the order would say it."""

import pytest
from django.test import Client

from accounts.clock import now as database_now
from accounts.models import Organization
from accounts.operations import ON_HOLD
from billing.limits import NodeLimitReached, OrderingBlocked
from billing.models import Quote
from marketplace.models import NodeCalendar, Offer, PlanKind
from tests import factories
from tests.accounts.cast import a_client, a_token
from tests.billing.conftest import HOUR, a_quote, place
from tests.billing.test_keeping import TOMORROW, held
from tests.factories import DAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(db: None) -> Offer:
    """An on-demand node that a quote can hold for ten minutes."""
    return factories.an_offer(factories.a_pool(), factories.a_plan(hold_seconds=600))


def test_an_organization_that_may_not_order_holds_nothing_and_hears_no_reason(acme: Organization, offer: Offer) -> None:
    Organization.objects.filter(pk=acme.pk).update(ordering_hold="card testing")
    with pytest.raises(OrderingBlocked) as refused:
        held(acme, offer)
    assert "card" not in str(refused.value)
    assert not NodeCalendar.objects.exclude(held_for="").exists()


def test_an_organization_holds_no_more_than_it_may_have_at_once(acme: Organization) -> None:
    plan = factories.a_plan(PlanKind.RESERVED, hold_seconds=600, nodes_at_once=512, nodes_at_once_new=3)
    macon, keflavik = (factories.an_offer(factories.a_pool(nodes=3, site=factories.a_site(n)), plan) for n in "mk")
    place(a_quote(acme, macon, **TOMORROW))
    held(acme, macon, **TOMORROW)
    with pytest.raises(NodeLimitReached, match="1 are in use or booked in this time, other quotes hold 1, and 2 more"):
        held(acme, keflavik, nodes=2, **TOMORROW)
    held(acme, keflavik, **TOMORROW)


def test_the_api_refuses_a_hold_as_it_refuses_the_order(acme: Organization) -> None:
    plan = factories.a_plan(PlanKind.RESERVED, hold_seconds=600, nodes_at_once=512, nodes_at_once_new=3)
    macon, keflavik = (factories.an_offer(factories.a_pool(nodes=3, site=factories.a_site(n)), plan) for n in "mk")
    begin = database_now().replace(minute=0, second=0, microsecond=0) + DAY
    window = {"starts_at": begin, "ends_at": begin + HOUR}
    held(acme, macon, nodes=2, now=database_now(), **window)
    client, wish = a_client(a_token(acme, acme.members.get())), {"offer": keflavik.public_id, "nodes": 2, **window}
    limited = client.post("/api/v1/quotes", {**wish, "hold": True})
    assert (limited.status_code, limited.json()["code"]) == (409, "node_limit_reached")
    assert [limited.json()[name] for name in ("limit", "in_use", "wanted")] == [3, 2, 2]
    Organization.objects.filter(pk=acme.pk).update(ordering_hold="card testing")
    blocked = client.post("/api/v1/quotes", {**wish, "hold": True})
    assert (blocked.status_code, blocked.json()["code"]) == (403, "ordering_blocked")
    assert "card" not in blocked.content.decode() and Quote.objects.count() == 1
    assert client.post("/api/v1/quotes", wish).status_code == 201


def test_the_page_says_why_one_may_hold_no_more(acme: Organization, browser: Client) -> None:
    plan = factories.a_plan(PlanKind.ON_DEMAND, hold_seconds=600, nodes_at_once=512, nodes_at_once_new=2)
    macon, keflavik = (factories.an_offer(factories.a_pool(nodes=3, site=factories.a_site(n)), plan) for n in "mk")
    held(acme, macon, nodes=2, now=database_now())
    page = hold_on_page(browser, keflavik)
    assert "other quotes hold 2, and 1 more were asked for" in page and "Held for you" not in page
    Organization.objects.filter(pk=acme.pk).update(ordering_hold="card testing")
    assert hold_on_page(browser, keflavik).count(ON_HOLD) == 1


def hold_on_page(browser: Client, offer: Offer) -> str:
    """The price panel once one wants to hold a node."""
    page = browser.post("/order/", {"offer": offer.public_id, "nodes": "1", "hold": "1"}).content.decode()
    return page.partition('id="price"')[2].partition("</aside>")[0].replace("\xa0", " ")
