"""Targets into orders: whole miners, within the target, the longest unchanged first, and nothing by chance."""

from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from energy.commanding import Order, Unit, choose, load, made_up, share, staggered
from tests.factories import HOUR, NOON

MINUTE = timedelta(minutes=1)


def unit(number: int, **given: Any) -> Unit:
    asleep = given.get("asleep", False)
    defaults: dict[str, Any] = {
        "class_id": 1, "joules_per_terahash": 17.5, "watts": 3500, "standby_watts": 50, "asleep": False,
        "since": NOON - number * MINUTE, "load_watts": 50 if asleep else 3500,
    }  # fmt: skip
    return Unit(id=number, **{**defaults, **given})


def chosen(units: list[Unit], watts: int, **given: Any) -> list[tuple[int, str]]:
    orders = choose(units, watts_by_class={1: watts}, now=NOON, **given)
    return [(order.unit.id, "sleeps" if order.asleep else "wakes") for order in orders]


def test_just_enough_sleep_and_the_longest_unchanged_first() -> None:
    fleet = [unit(number) for number in range(4)]
    assert chosen(fleet, 14_000) == []
    assert chosen(fleet, 13_999) == [(3, "sleeps")]
    assert chosen(fleet, 7_100) == [(3, "sleeps"), (2, "sleeps")]
    assert chosen(fleet, 0) == [(3, "sleeps"), (2, "sleeps"), (1, "sleeps"), (0, "sleeps")]


def test_as_many_wake_as_fit_whole() -> None:
    fleet = [unit(number, asleep=True) for number in range(4)]
    assert chosen(fleet, 3_649) == []
    assert chosen(fleet, 3_650) == [(3, "wakes")]
    assert chosen(fleet, 50_000) == [(3, "wakes"), (2, "wakes"), (1, "wakes"), (0, "wakes")]


def test_who_was_just_woken_sleeps_only_in_an_emergency() -> None:
    fleet = [unit(0, since=NOON - MINUTE, minimum_on=HOUR), unit(1, since=NOON - HOUR, minimum_on=HOUR)]
    assert chosen(fleet, 0) == [(1, "sleeps")]
    assert chosen(fleet, 0, urgent=True) == [(1, "sleeps"), (0, "sleeps")]


def test_who_does_not_obey_or_may_not_be_told_is_load_and_others_sleep_instead() -> None:
    stuck = unit(9, asleep=True, load_watts=3500, stubborn=True)
    hosted = unit(8, controlled=False)
    fleet = [stuck, hosted, unit(0), unit(1)]
    assert chosen(fleet, 10_600) == [(1, "sleeps")]
    assert chosen(fleet, 0) == [(1, "sleeps"), (0, "sleeps")]
    deaf = unit(7, stubborn=True)
    assert chosen([deaf, unit(0)], 4_000) == [(0, "sleeps")], "one that did not answer lately is asked last"


def test_the_least_efficient_sleep_first_and_the_most_efficient_wake_first() -> None:
    fleet = [unit(1), unit(2, class_id=2, joules_per_terahash=29.5)]
    asked = {1: 0, 2: 0}
    assert [order.unit.id for order in choose(fleet, watts_by_class=asked, now=NOON)] == [2, 1]
    asleep = [unit(1, asleep=True), unit(2, class_id=2, joules_per_terahash=29.5, asleep=True)]
    asked = {1: 9_000, 2: 9_000}
    assert [order.unit.id for order in choose(asleep, watts_by_class=asked, now=NOON)] == [1, 2]


def test_a_class_that_is_not_named_is_left_alone() -> None:
    assert choose([unit(1, class_id=2)], watts_by_class={1: 0}, now=NOON) == []


def test_a_sites_watts_go_to_the_efficient_first_and_nobody_below_what_it_cannot_avoid() -> None:
    fleet = [unit(1), unit(2), unit(3, class_id=2, joules_per_terahash=29.5)]
    assert share(fleet, watts=20_000) == {1: 7_000, 2: 3_500}
    assert share(fleet, watts=8_000) == {1: 7_000, 2: 1_000}
    assert share(fleet, watts=0) == {1: 100, 2: 50}
    hosted = unit(4, class_id=2, joules_per_terahash=29.5, controlled=False)
    assert share([*fleet, hosted], watts=0) == {1: 100, 2: 3_550}


def test_power_changes_no_faster_than_asked() -> None:
    orders = [Order(unit(number), asleep=True) for number in range(3)]
    assert [starts for starts, _ in staggered(orders, watts_per_second=1_725)] == [0, 2, 4]
    assert [starts for starts, _ in staggered(orders, watts_per_second=None)] == [0, 0, 0]


units = st.lists(
    st.builds(
        lambda asleep, stubborn, controlled, minutes: (asleep, stubborn, controlled, minutes),
        st.booleans(), st.booleans(), st.booleans(), st.integers(0, 5),
    ),
    max_size=12,
)  # fmt: skip


@given(units, st.integers(0, 45_000), st.sampled_from(["urgent", ""]), st.randoms())
def test_any_fleet_meets_any_target_or_cannot(
    drawn: list[tuple[bool, bool, bool, int]], watts: int, need: str, random: Random
) -> None:
    urgent = bool(need)
    fleet = [
        unit(number, asleep=a, stubborn=s, controlled=c, since=NOON - m * MINUTE, minimum_on=2 * MINUTE)
        for number, (a, s, c, m) in enumerate(drawn)
    ]
    orders = choose(fleet, watts_by_class={1: watts}, now=NOON, urgent=urgent)
    wanted = {order.unit.id: order.asleep for order in orders}
    after = load(fleet) + sum(-3450 if asleep else 3450 for asleep in wanted.values())
    awake = [one for one in fleet if one.controlled and not wanted.get(one.id, one.asleep)]
    free = [one for one in awake if urgent or one.since + one.minimum_on <= NOON]
    assert after <= watts or not free, "as far as miners can, the target is met"
    assert len(set(wanted.values())) < 2, "nobody wakes while another goes to sleep"
    if load(fleet) > watts and orders:
        assert after + 3450 > watts, "not one sleeps more than has to"
    shuffled = random.sample(fleet, len(fleet))
    assert choose(shuffled, watts_by_class={1: watts}, now=NOON, urgent=urgent) == orders


def test_what_one_class_cannot_give_others_give_the_least_efficient_first() -> None:
    stuck = unit(9, asleep=True, load_watts=3500, stubborn=True)
    worse = [unit(number, class_id=2, joules_per_terahash=29.5) for number in (10, 11)]
    better = [unit(number, class_id=3, joules_per_terahash=15.0) for number in (20, 21)]
    fleet, wanted = [stuck, unit(0), *worse, *better], {1: 100, 2: 7000, 3: 7000}
    assert made_up(fleet, watts_by_class={1: 3550, 2: 7000, 3: 7000}) == {1: 3550, 2: 7000, 3: 7000}
    assert made_up(fleet, watts_by_class=wanted) == {1: 100, 2: 3550, 3: 7000}
    assert made_up(fleet, watts_by_class={**wanted, 2: 3550}) == {1: 100, 2: 100, 3: 7000}
    assert made_up(fleet, watts_by_class={**wanted, 2: 100}) == {1: 100, 2: 100, 3: 3550}
    assert made_up([stuck], watts_by_class={1: 100}) == {1: 100}, "there is nobody else"
