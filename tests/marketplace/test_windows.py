"""Free windows: the longest, for as many nodes as asked, cleaning taken off."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.multirange import TimestamptzMultirange
from psycopg.types.range import Range

from accounts.models import Organization
from marketplace.models import Node, NodeCalendar, Offer, Plan, PlanKind, Terms
from marketplace.queries import HORIZON, Search, Window, aligned, earliest, free_windows, terms_of
from marketplace.queries.windows import _windows
from marketplace.states import NodeState
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import acme, order
from tests.marketplace.conftest import Fair

__all__ = ["acme"]
CLEANING = timedelta(minutes=15)


def windows(offer: Offer, nodes: int = 1, hours: int = 24) -> list[tuple[float, float]]:
    """Free windows from noon on, as hours after noon."""
    until, terms = NOON + hours * HOUR, terms_of(plan=offer.plan, at=NOON)
    free = free_windows(offer=offer, terms=terms, nodes=nodes, starts_at=NOON, until=until, now=NOON)
    return [((w.starts_at - NOON) / HOUR, (w.ends_at - NOON) / HOUR) for w in free]


def test_an_idle_node_is_free_from_end_to_end(fair: Fair) -> None:
    assert windows(fair.small) == [(0, 24)]


def test_a_booking_splits_the_window_of_as_many_nodes_as_it_leaves_too_few(fair: Fair, acme: Organization) -> None:
    order(acme, fair.big_reserved, starts_at=NOON + 4 * HOUR, ends_at=NOON + 6 * HOUR)
    assert windows(fair.big_reserved, nodes=1) == [(0, 24)]
    assert windows(fair.big_reserved, nodes=2) == [(0, 3.75), (6.25, 24)]
    assert windows(fair.big_reserved, nodes=3) == []


def test_the_same_nodes_stay_free_from_the_first_to_the_last_minute(fair: Fair) -> None:
    first, second = NodeCalendar.objects.filter(pool=fair.big.pool).order_by("pk")
    for calendar, start in ((first, 4), (second, 10)):  # one is taken after the other, never both at once
        calendar.busy = TimestamptzMultirange([Range(NOON + start * HOUR, NOON + (start + 2) * HOUR)])
        calendar.save()
    assert windows(fair.big_reserved, nodes=1) == [(0, 9.75), (6, 24)]
    assert windows(fair.big_reserved, nodes=2) == [(0, 3.75), (6, 9.75), (12, 24)]


def test_a_claim_just_behind_the_asked_end_shortens_the_window_by_cleaning(fair: Fair, acme: Organization) -> None:
    order(acme, fair.big_reserved, nodes=2, starts_at=NOON + 24 * HOUR, ends_at=NOON + 26 * HOUR)
    assert windows(fair.big_reserved, hours=24) == [(0, 23.75)]


def test_a_gap_shorter_than_the_plans_minimum_is_no_window(fair: Fair, acme: Organization) -> None:
    for start in (1, 3):
        order(acme, fair.big_reserved, nodes=2, starts_at=NOON + start * HOUR, ends_at=NOON + (start + 1) * HOUR)
    assert windows(fair.big_reserved, nodes=2) == [(4.25, 24)]


def test_nodes_out_of_stock_have_no_windows(fair: Fair) -> None:
    Node.objects.get(pool=fair.small.pool_id).move_to(NodeState.QUARANTINED, at=NOON)
    assert windows(fair.small) == []


def test_starts_and_ends_fall_on_the_plans_steps() -> None:
    hourly, by_second = Terms(granularity_seconds=3600), Terms(granularity_seconds=1)
    late = NOON + timedelta(minutes=1, microseconds=5)
    assert aligned(hourly, NOON) == NOON
    assert aligned(hourly, late) == NOON + HOUR
    assert aligned(by_second, late) == late


gap = st.tuples(st.integers(0, 40), st.integers(1, 30)).map(
    lambda pair: Window(NOON + pair[0] * HOUR, NOON + (pair[0] + pair[1]) * HOUR)
)


@given(gaps=st.lists(gap, max_size=12), nodes=st.integers(1, 4))
def test_every_window_is_carried_by_as_many_nodes_and_none_is_missed(gaps: list[Window], nodes: int) -> None:
    terms = Terms(plan=Plan(kind=PlanKind.RESERVED), min_seconds=3600, cleaning_seconds=900)
    shown = _windows(terms, nodes, sorted(gaps))
    for window in shown:
        carrying = [g for g in gaps if g.starts_at <= window.starts_at and window.ends_at + CLEANING <= g.ends_at]
        assert len(carrying) >= nodes
    for start in {g.starts_at for g in gaps}:
        ends = sorted((g.ends_at for g in gaps if g.starts_at <= start < g.ends_at), reverse=True)
        if len(ends) >= nodes and ends[nodes - 1] - CLEANING - start >= HOUR:
            best = ends[nodes - 1] - CLEANING
            assert any(w.starts_at <= start and best <= w.ends_at for w in shown)
    assert sorted(shown) == shown


def test_a_pool_of_many_nodes_is_answered_in_three_queries(fair: Fair, django_assert_num_queries: object) -> None:
    factories.a_pool(nodes=20)
    with django_assert_num_queries(3):  # type: ignore[operator]
        assert windows(fair.big, nodes=20, hours=int(14 * DAY / HOUR)) == [(0, 336)]


@pytest.mark.parametrize("seed", range(20))
def test_the_earliest_start_is_the_first_of_the_windows_that_are_long_enough(fair: Fair, seed: int) -> None:
    chance, offer = Random(seed), fair.big_reserved
    step = chance.choice([1, 3600, 86_400])
    terms = factories.the_terms(offer.plan, starts_at=NOON - DAY, granularity_seconds=step)
    for calendar in NodeCalendar.objects.filter(pool=offer.pool):
        hours = chance.sample(range(1, 60), chance.randint(0, 6))
        taken = [Range(NOON + hour * HOUR, NOON + (hour + chance.randint(1, 9)) * HOUR) for hour in hours]
        calendar.busy = TimestamptzMultirange(taken)
        calendar.save()
    for _ in range(10):
        nodes, wished = chance.randint(1, 2), NOON + chance.randint(0, 3000) * timedelta(minutes=1)
        length = chance.randint(1, 12) * HOUR
        search = Search(7, offer.pool_id, terms, Window(wished, wished + length))
        reach: dict[str, Any] = {"starts_at": wished, "until": wished + HORIZON}
        walked = free_windows(offer=offer, terms=terms, nodes=nodes, **reach, now=NOON)
        starts = ((aligned(terms, window.starts_at), window.ends_at) for window in walked)
        first = next((start for start, ends_at in starts if start + length <= ends_at), None)
        assert earliest(searches=[search], nodes=nodes, now=NOON).get(7) == first
