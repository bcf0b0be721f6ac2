"""Nothing is lost and nothing made up: energy and carbon in are energy and carbon out, hour after hour."""

from dataclasses import astuple

from hypothesis import given, settings
from hypothesis import strategies as st

from energy.allocation import Energy, allocate, share

WH = st.integers(0, 50_000_000)
GRID = Energy(1000, 200, 400_000, 0)
SUN = Energy(1000, 1000)


@st.composite
def mixes(draw: st.DrawFn) -> Energy:
    wh = draw(WH)
    return Energy(wh, draw(st.integers(0, wh)), wh * draw(st.integers(0, 900_000)), wh * draw(st.integers(0, 900_000)))


HOURS = st.tuples(mixes(), mixes(), st.lists(WH, min_size=1, max_size=4), WH, WH)


@given(st.lists(HOURS, min_size=1, max_size=6), mixes())
@settings(max_examples=30, deadline=None)
def test_over_any_hours_what_came_in_is_what_users_got_and_the_battery_keeps(
    hours: list[tuple[Energy, Energy, list[int], int, int]], held: Energy
) -> None:
    came, got, battery = held, Energy(), held
    for grid, sun, uses, charged, drawn in hours:
        used = {str(number): wh for number, wh in enumerate(uses)}
        divided = allocate(supplied=[grid, sun], used=used, charged_wh=charged, drawn_wh=drawn, battery=battery)
        came += grid + sun
        got = sum(divided.parts.values(), got)
        battery = divided.battery
        assert all(min(astuple(part)) >= 0 for part in [*divided.parts.values(), battery])
        assert all(part.renewable_wh <= part.wh + 1 for part in divided.parts.values()), "no more green than there is"
    assert came == got + battery


@given(st.integers(0, 10**18), st.lists(st.integers(0, 10**9), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_a_share_is_within_one_of_the_exact_part_and_all_sum_to_the_whole(total: int, weights: list[int]) -> None:
    parts, whole = share(total, weights), sum(weights)
    assert sum(parts) == (total if whole else 0)
    assert all(abs(part * whole - total * weight) <= whole for part, weight in zip(parts, weights, strict=True))


def test_half_sun_and_half_grid_are_half_for_everybody() -> None:
    hour = allocate(
        supplied=[GRID, SUN], used={"lease": 500, "mining": 1500}, charged_wh=0, drawn_wh=0, battery=Energy()
    )
    assert hour.parts == {"lease": Energy(500, 300, 100_000), "mining": Energy(1500, 900, 300_000)}


def test_what_is_lost_is_carried_by_whoever_draws() -> None:
    hour = allocate(supplied=[GRID], used={"lease": 400, "house": 400}, charged_wh=0, drawn_wh=0, battery=Energy())
    assert hour.parts["lease"] == Energy(500, 100, 200_000)


def test_a_battery_gives_back_the_mix_that_it_was_charged_with() -> None:
    noon = allocate(supplied=[SUN], used={"lease": 500}, charged_wh=500, drawn_wh=0, battery=Energy())
    assert noon.battery == Energy(500, 500)
    night = allocate(supplied=[], used={"lease": 230}, charged_wh=0, drawn_wh=250, battery=noon.battery)
    assert (night.parts["lease"], night.battery) == (Energy(250, 250), Energy(250, 250))
