"""May this be booked, and why not: what search proposes, the offer's page lists and a quote takes is one answer."""

import re
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marketplace.models import Plan, PlanKind, Terms
from marketplace.money import discounted
from marketplace.queries import Criteria, Window, bookable, bookable_windows, why_not
from tests.factories import HOUR, NOON

QUARTER = timedelta(minutes=15)
hours = st.integers(1, 6).map(lambda count: count * 3600)


def terms(**rules: Any) -> Terms:
    """Of a plan by the hour, for no database."""
    usual = {"min_seconds": 3600, "max_seconds": 86_400, "granularity_seconds": 3600, "max_ahead_seconds": 86_400}
    return Terms(plan=Plan(name="Reserved", kind=PlanKind.RESERVED), **{**usual, **rules})


@settings(deadline=None)  # a busy machine may take a second for one
@given(
    min_seconds=hours,
    granularity_seconds=st.sampled_from([900, 3600, 7200]),
    offset_seconds=st.sampled_from([0, 900, 1800]),
    may_start_now=st.booleans(),
    lead_seconds=st.sampled_from([0, 1800, 5400]),
    length_steps=st.lists(
        st.tuples(st.integers(0, 4), hours).map(lambda step: [step[0] * step[1], step[1]]), max_size=1
    ),
    free_hours=st.integers(1, 12),
)
def test_the_longest_booking_in_a_free_period_is_the_one_that_trying_all_finds(free_hours: int, **rules: Any) -> None:
    steps, granularity = rules["length_steps"], rules["granularity_seconds"]
    assume(all(step % granularity == 0 for _, step in steps))  # `Terms.clean` refuses others
    on, free = terms(max_seconds=8 * 3600, **rules), Window(NOON, NOON + free_hours * HOUR)
    moments = [NOON + QUARTER * count for count in range(4 * free_hours + 1)]
    tried = [Window(start, end) for start, end in product(moments, moments) if start < end]
    allowed = [window for window in tried if why_not(on, window=window, now=NOON) is None]
    found = bookable(on, free, NOON)
    assert (found is None) == (allowed == [])
    if found:
        assert found in allowed
        assert found.ends_at == max(window.ends_at for window in allowed if window.starts_at == found.starts_at)
        assert found.starts_at == min(window.starts_at for window in allowed)


def minutes(*pairs: tuple[int, int]) -> list[Window]:
    """Periods from so many minutes after noon until so many."""
    return [Window(NOON + timedelta(minutes=start), NOON + timedelta(minutes=end)) for start, end in pairs]


def test_free_windows_are_given_out_from_start_to_end_of_the_plan_without_those_that_lie_in_others() -> None:
    free = minutes((65, 290), (75, 310), (130, 310), (375, 430), (435, 600))
    assert list(bookable_windows(terms(), free, NOON)) == minutes((120, 300), (480, 600))
    assert list(bookable_windows(terms(lead_seconds=9000), free, NOON)) == minutes((180, 300), (480, 600))
    assert list(bookable_windows(terms(max_ahead_seconds=3600), free, NOON)) == []


def test_a_start_at_once_is_a_windows_start_and_a_plan_without_periods_has_its_free_time_as_it_is() -> None:
    late = NOON + timedelta(minutes=20)
    assert list(bookable_windows(terms(may_start_now=True), minutes((20, 290)), late)) == minutes((20, 240))
    on_demand = terms(granularity_seconds=1, max_ahead_seconds=0)
    on_demand.plan.kind = PlanKind.ON_DEMAND
    assert list(bookable_windows(on_demand, minutes((20, 290), (375, 430)), late)) == minutes((20, 290), (375, 430))


@given(
    granularity_seconds=st.sampled_from([900, 3600, 10_800]),
    offset_seconds=st.sampled_from([0, 900, 1800]),
    may_start_now=st.booleans(),
    lead_seconds=st.sampled_from([0, 1800]),
    wanted=st.integers(0, 20).map(lambda count: NOON + QUARTER * count),
)
def test_what_a_search_proposes_where_nothing_is_said_can_be_booked(wanted: Any, **rules: Any) -> None:
    on = terms(max_seconds=10 * 86_400, max_ahead_seconds=10 * 86_400, length_steps=[[7200, 10_800]], **rules)
    wish = Criteria(starts_at=wanted).wish(on, NOON)
    assert wish.starts_at >= NOON + timedelta(seconds=rules["lead_seconds"])
    assert why_not(on, window=wish, now=NOON) is None


def test_an_offer_is_left_out_of_the_search_for_more_nodes_than_its_plan_leases_at_once() -> None:
    assert Criteria(nodes=4).fits(terms(most_nodes=4), NOON)
    assert not Criteria(nodes=5).fits(terms(most_nodes=4), NOON)


@pytest.mark.parametrize(
    ("seconds", "percent"), [(None, 0), (86_400, 0), (7 * 86_400 - 1, 0), (7 * 86_400, 5), (40 * 86_400, 10)]
)
def test_the_discount_is_that_of_the_last_length_that_is_reached(seconds: int | None, percent: int) -> None:
    on = terms(discounts=[[7 * 86_400, 5], [30 * 86_400, 10]])
    assert on.discount_percent(seconds) == percent
    assert on.agreed_rate(3_000_000, seconds) == 30_000 * (100 - percent)


@pytest.mark.parametrize(("micros", "percent", "less"), [(50, 1, 50), (49, 1, 49), (10, 5, 10), (9, 5, 9), (7, 100, 0)])
def test_a_discounted_rate_is_rounded_half_up_once(micros: int, percent: int, less: int) -> None:
    assert discounted(micros_per_node_hour=micros, percent=percent) == less


@given(
    granularity_seconds=st.sampled_from([900, 3600, 10_800]),
    offset_seconds=st.sampled_from([0, 900, 1800]),
    may_start_now=st.booleans(),
    lead_seconds=st.sampled_from([0, 1800, 5400]),
    minutes=st.integers(-600, 600),
)
def test_a_start_that_a_refusal_names_can_be_chosen(minutes: int, **rules: Any) -> None:
    on, wanted = terms(max_seconds=30 * 86_400, **rules), NOON + timedelta(minutes=minutes)
    refused = why_not(on, window=Window(wanted, wanted + 12 * HOUR), now=NOON)
    named = (
        re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", refused.message) if refused and "multiples" in refused.message else []
    )
    for moment in named:
        start = datetime.strptime(f"{moment}+00:00", "%Y-%m-%d %H:%M%z")
        assert why_not(on, window=Window(start, start + 12 * HOUR), now=NOON) is None
