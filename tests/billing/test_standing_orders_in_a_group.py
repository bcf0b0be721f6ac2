"""Standing orders for nodes of one fabric group: they wait for one, and are never filled from two."""

import pytest

from accounts.models import Organization
from billing import filling
from billing.models import Mode
from marketplace.models import NodeCalendar, PlanKind
from tests import factories
from tests.billing.conftest import HOUR, NOON, a_quote, funded, place
from tests.billing.test_standing_orders import TWO_DAYS, give_back, join, order_lease, sweep, taken, told
from tests.leasing.test_fabric import a_grouped_offer, groups_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db: None) -> Organization:
    return funded(1000)


@pytest.fixture
def other(db: None) -> Organization:
    return funded(1000, "Other Ltd")


def test_who_wants_one_fabric_group_waits_until_one_is_free(acme: Organization, other: Organization) -> None:
    offer = a_grouped_offer(east=2, none=1, west=2)
    blocking = [taken(other, offer) for _ in range(3)]  # one in the east, one of no group, one in the west
    order = join(acme, nodes=2, same_fabric=True)
    assert sweep() == [False] and told(order) == []
    give_back(blocking[2], NOON + HOUR)
    assert sweep(NOON + HOUR) == [True]
    assert order_lease(order).same_fabric and groups_of(order_lease(order)) == ["west", "west"]


def test_ahead_it_gets_the_first_time_at_which_one_group_is_free(acme: Organization, other: Organization) -> None:
    offer = factories.an_offer(a_grouped_offer(east=2, west=2).pool, factories.a_plan(PlanKind.RESERVED))
    place(a_quote(other, offer, nodes=2, starts_at=NOON + HOUR, ends_at=NOON + 30 * HOUR))  # one of each group
    order = join(acme, nodes=2, same_fabric=True, **TWO_DAYS)
    assert sweep() == [True]
    assert order_lease(order).starts_at == NOON + 31 * HOUR
    assert len({*groups_of(order_lease(order))}) == 1


def test_the_dearer_offer_is_booked_where_only_that_has_one_group(acme: Organization) -> None:
    scattered = a_grouped_offer(east=1, west=1)
    whole = factories.an_offer(
        factories.a_pool(nodes=0, site=factories.a_site("itaipu")), scattered.plan, micros=3_900_000
    )
    for _ in range(2):
        factories.a_node(whole.pool, fabric_group="north")
    order = join(acme, nodes=2, same_fabric=True)
    assert sweep() == [True]
    assert order_lease(order).offer == whole


def test_who_is_told_gets_a_quote_for_one_group_that_holds_it(acme: Organization) -> None:
    offer = a_grouped_offer(east=1, none=1, west=2)
    factories.the_terms(offer.plan, starts_at=NOON - HOUR, hold_seconds=600)
    order = join(acme, mode=Mode.TELL, nodes=2, same_fabric=True)
    assert sweep() == [True]
    order.refresh_from_db()
    assert order.quote and order.quote.same_fabric and "same_fabric=on" in filling.order_path(order.quote)
    held = NodeCalendar.objects.filter(held_for=order.quote.public_id)
    assert list(held.values_list("node__fabric_group", flat=True)) == ["west", "west"]
