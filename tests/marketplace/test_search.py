"""The search finds by each criterion, and counts what is free for the whole window, cleaning included."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Organization
from marketplace.models import Node, Offer, Plan, Pool, Rate
from marketplace.queries import Criteria, Sort, counted_on, current_rate, find, offer_row, rows, search
from marketplace.queries.terms import remember
from marketplace.states import NodeState
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import acme, active, hold, order, world
from tests.marketplace.conftest import Fair

__all__ = ["acme", "world"]
pytestmark = pytest.mark.django_db
CLEANING = timedelta(minutes=15)


def found(**wanted: Any) -> list[Offer]:
    return [row.offer for row in search(criteria=Criteria(**wanted), now=NOON)]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["big_reserved", "big", "small", "green"]),
        ({"plan": "on_demand"}, ["big", "small", "green"]),
        ({"plan": "reserved"}, ["big_reserved"]),
        ({"gpu_model": "l4"}, ["small"]),
        ({"gpus": 4}, ["green"]),
        ({"gpu_memory_gb": 80, "plan": "on_demand"}, ["big", "green"]),
        ({"gpu_memory_gb": 81}, []),
        ({"region": "south_america"}, ["green"]),
        ({"site": "macon", "plan": "on_demand"}, ["big", "small"]),
        ({"provisioner": "sandbox"}, ["small"]),
        ({"max_micros_per_node_hour": 3_600_000}, ["big_reserved", "big", "small"]),
        ({"renewable_share": 13}, ["green"]),
        ({"nodes": 3}, ["green"]),
        ({"nodes": 4}, []),
        ({"starts_at": NOON + DAY, "ends_at": NOON + 2 * DAY}, ["big_reserved"]),
    ],
)
def test_the_search_finds_by_each_criterion(fair: Fair, wanted: dict[str, Any], names: list[str]) -> None:
    assert found(**wanted) == [getattr(fair, name) for name in names]


@pytest.mark.parametrize(
    ("hours", "own", "charged"), [(71, None, 3_000_000), (72, None, 2_700_000), (72, 2, 1_800_000)]
)
def test_the_ceiling_and_the_order_are_of_what_would_be_charged_for_the_window(
    fair: Fair, acme: Organization, hours: int, own: int | None, charged: int
) -> None:
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, discounts=[[72 * 3600, 10]])
    if own:
        Rate.objects.create(
            offer=fair.big_reserved, organization=acme, starts_at=NOON, micros_per_node_hour=own * 10**6
        )
    window: dict[str, Any] = {"starts_at": NOON + HOUR, "ends_at": NOON + (1 + hours) * HOUR, "organization": acme}
    assert found(max_micros_per_node_hour=charged - 1, **window) == []
    (row,) = search(criteria=Criteria(max_micros_per_node_hour=charged, **window), now=NOON)
    assert (row.micros_per_node_hour, row.micros_per_gpu_hour) == (charged, charged // 8)
    assert (row.discount_percent > 0) == (hours == 72)


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        (Sort.PRICE, ["big_reserved", "big", "small", "green"]),
        (Sort.NODE_PRICE, ["small", "big_reserved", "big", "green"]),
        (Sort.MEMORY, ["big_reserved", "big", "green", "small"]),
        (Sort.CARBON, ["green", "big_reserved", "big", "small"]),
        (Sort.FREE, ["green", "big_reserved", "big", "small"]),
    ],
)
def test_offers_come_in_the_wanted_order(fair: Fair, sort: Sort, names: list[str]) -> None:
    hits = find(criteria=Criteria(), now=NOON, sort=sort)
    shown = [row.offer for row in rows(hits=hits, criteria=Criteria(), now=NOON)]
    assert shown == [getattr(fair, name) for name in names]


def test_offers_with_enough_free_nodes_come_first_however_dear(fair: Fair, acme: Organization) -> None:
    hold(acme, fair.big, nodes=2)
    assert found(plan="on_demand") == [fair.small, fair.green, fair.big]


def test_a_search_counts_what_it_must_and_a_page_up_to_ten(fair: Fair) -> None:
    for _ in range(12):
        factories.a_node(fair.big.pool)
    hits = find(criteria=Criteria(nodes=2, plan=fair.big.plan.slug), now=NOON)
    assert [(hit.free, hit.more_free) for hit in hits if hit.offer_id == fair.big.pk] == [(2, True)]
    shown = counted_on(hits=hits, criteria=Criteria(nodes=2, plan=fair.big.plan.slug), now=NOON)
    assert [(hit.free, hit.more_free) for hit in shown if hit.offer_id == fair.big.pk] == [(10, True)]


def test_terms_that_are_remembered_are_never_used_once_they_are_others(fair: Fair) -> None:
    def found() -> bool:
        return fair.big_reserved.pk in [hit.offer_id for hit in find(criteria=week, now=NOON)]

    week = Criteria(plan="reserved", starts_at=NOON + DAY, ends_at=NOON + 8 * DAY)
    assert found()
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - 2 * DAY, max_seconds=2 * 86400)
    assert not found()
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, max_seconds=9 * 86400)
    assert found()


def test_terms_that_were_remembered_and_undone_are_not_taken_for_those_that_another_writes(fair: Fair) -> None:
    week = Criteria(plan="reserved", starts_at=NOON + DAY, ends_at=NOON + 8 * DAY)
    with transaction.atomic():
        factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, max_seconds=2 * 86400)
        assert find(criteria=week, now=NOON) == []
        transaction.set_rollback(True)
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, max_seconds=9 * 86400)
    assert [hit.offer_id for hit in find(criteria=week, now=NOON)] == [fair.big_reserved.pk]


@pytest.mark.django_db
def test_who_searched_before_there_was_a_plan_finds_it_afterwards(db: None) -> None:
    assert not Plan.objects.exists() and find(criteria=Criteria(), now=NOON) == []
    sold = factories.an_offer(factories.a_pool(nodes=1))
    assert [hit.offer_id for hit in find(criteria=Criteria(), now=NOON)] == [sold.pk]


def test_a_plan_that_is_renamed_is_found_by_its_new_name_only(fair: Fair) -> None:
    reserved = fair.big_reserved.plan
    assert find(criteria=Criteria(plan="reserved"), now=NOON)
    type(reserved).objects.filter(pk=reserved.pk).update(slug="booked")
    assert not find(criteria=Criteria(plan="reserved"), now=NOON)
    assert find(criteria=Criteria(plan="booked"), now=NOON)


def test_an_offer_off_the_list_is_not_found(fair: Fair) -> None:
    Offer.objects.filter(pk=fair.small.pk).update(listed=False)
    assert fair.small not in found()


def test_an_offer_without_a_price_is_not_found(fair: Fair) -> None:
    bare = factories.an_offer(factories.a_pool(node_type=factories.a_node_type("h100x2", gpus=2)))
    later = Offer.objects.create(pool=Pool.objects.get(pk=bare.pool_id), plan=fair.big_reserved.plan)
    Rate.objects.create(offer=later, starts_at=NOON + HOUR, micros_per_node_hour=1)
    assert later not in found()
    with pytest.raises(Rate.DoesNotExist):
        offer_row(offer=later, criteria=Criteria(), now=NOON)


def test_a_node_out_of_stock_is_not_counted(fair: Fair) -> None:
    Node.objects.filter(pool=fair.green.pool_id)[0].move_to(NodeState.MAINTENANCE, at=NOON)
    row = offer_row(offer=fair.green, criteria=Criteria(), now=NOON)
    assert (row.free, row.nodes_total) == (2, 2)


def test_a_booking_makes_one_node_fewer_free_for_any_window_that_it_touches(fair: Fair, acme: Organization) -> None:
    order(acme, fair.big_reserved, starts_at=NOON + 4 * HOUR, ends_at=NOON + 6 * HOUR)
    for start, end, free in [(1, 3, 2), (1, 4, 1), (4, 6, 1), (6, 7, 1), (7, 8, 2)]:
        criteria = Criteria(starts_at=NOON + start * HOUR, ends_at=NOON + end * HOUR)
        row = offer_row(offer=fair.big_reserved, criteria=criteria, now=NOON)
        assert row.free == free, f"from {start} to {end}"


def test_free_for_the_whole_window_counts_the_cleaning_behind_it(fair: Fair, acme: Organization) -> None:
    for nodes in (1, 2):
        order(
            acme,
            fair.big_reserved,
            nodes=nodes,
            starts_at=NOON + 4 * nodes * HOUR,
            ends_at=NOON + (4 * nodes + 1) * HOUR,
        )
    free = []
    for end in (7, 8):
        criteria = Criteria(starts_at=NOON + 6 * HOUR, ends_at=NOON + end * HOUR)
        free.append(offer_row(offer=fair.big_reserved, criteria=criteria, now=NOON).free)
    assert free == [2, 0]


def test_when_none_is_free_now_the_offer_says_from_when(fair: Fair, acme: Organization) -> None:
    order(acme, fair.big_reserved, nodes=2, starts_at=NOON + HOUR, ends_at=NOON + 5 * HOUR)
    wanted = Criteria(plan="reserved", nodes=2, starts_at=NOON + HOUR, ends_at=NOON + 3 * HOUR)
    (row,) = search(criteria=wanted, now=NOON)
    assert (row.free, row.enough) == (0, False)
    assert row.free_from == NOON + 6 * HOUR  # cleaning ends at a quarter past, and reservations begin on the hour


def test_with_enough_nodes_free_it_is_free_from_the_wished_start(fair: Fair) -> None:
    on_demand = offer_row(offer=fair.big, criteria=Criteria(), now=NOON)
    reserved = offer_row(offer=fair.big_reserved, criteria=Criteria(), now=NOON + timedelta(minutes=1))
    assert (on_demand.free_from, reserved.free_from) == (NOON, NOON + HOUR)


def test_an_open_ended_lease_leaves_its_node_free_after_the_guarantee(
    fair: Fair, acme: Organization, world: object
) -> None:
    lease = active(acme, fair.green, nodes=3)
    row = offer_row(offer=fair.green, criteria=Criteria(), now=NOON + HOUR)
    assert lease.guaranteed_until is not None
    assert (row.free, row.free_from) == (0, lease.guaranteed_until + CLEANING)


def test_more_nodes_than_there_are_have_no_free_from(fair: Fair) -> None:
    row = offer_row(offer=fair.big, criteria=Criteria(nodes=3), now=NOON)
    assert (row.free, row.free_from, row.nodes_total) == (2, None, 2)


def test_a_rate_is_superseded_at_its_very_moment(fair: Fair) -> None:
    Rate.objects.create(offer=fair.big, starts_at=NOON, micros_per_node_hour=7_200_000)
    before = NOON - timedelta(microseconds=1)
    assert current_rate(offer=fair.big, at=before).micros_per_node_hour == 3_600_000
    assert current_rate(offer=fair.big, at=NOON).micros_per_node_hour == 7_200_000
    shown = {now: offer_row(offer=fair.big, criteria=Criteria(), now=now) for now in (before, NOON)}
    assert [row.rate.micros_per_node_hour for row in shown.values()] == [3_600_000, 7_200_000]
    assert [row.micros_per_gpu_hour for row in shown.values()] == [450_000, 900_000]


def test_an_offer_had_no_rate_before_its_first(fair: Fair) -> None:
    with pytest.raises(Rate.DoesNotExist):
        current_rate(offer=fair.big, at=NOON - 31 * DAY)


def test_the_number_of_queries_does_not_grow_with_the_catalogue(fair: Fair, acme: Organization) -> None:
    hold(acme, fair.big, nodes=2)
    counts = []
    for _ in range(2):
        remember()
        with CaptureQueriesContext(connection) as queries:
            search(criteria=Criteria(), now=NOON)
        counts.append(len(queries))
        more = factories.a_pool(nodes=2, site=factories.a_site("jinja"))
        hold(acme, factories.an_offer(more), nodes=2)
    assert counts == [7, 7]  # offers; free nodes, rows, rates, two looks for later starts, stock
