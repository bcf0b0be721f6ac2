"""Weeks in which everything goes wrong: no firm load is cut, nor surplus before its notice, whatever is commanded."""

from dataclasses import replace

import numpy as np
import pytest

from bench.energy_weeks import ERROR_MW, live
from energy.planning import State, Targets, execute
from tests.energy.sites import A_BATTERY, fleet, outlook, state

NOTHING = np.zeros(1)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_week_breaks_a_promise(seed: int) -> None:
    lived = live(150, seed=seed)
    assert max(lived.short_mwh, lived.early_mwh, lived.beyond) < ERROR_MW
    assert lived.weeks_with_loss > 100 and lived.surplus_mwh > 10_000


def test_the_same_weeks_break_promises_where_half_the_reserve_is_kept() -> None:
    assert live(150, seed=1, reserve=0.5).early_mwh > 0.1


def test_what_the_supply_does_not_reach_is_cut_in_order() -> None:
    """18 MW are there for 6 firm, 4 promised, 5 more surplus, 30 of miners and 5 of charging."""
    own = fleet(battery=A_BATTERY)
    now, told = state(own, stored=10.0), Targets(own.mining_mw, np.array([9.0]), np.array([5.0]), NOTHING)
    for share, mined, discharged, surplus in [
        (0.80, [20, 5], 0, 9), (0.36, [3, 0], 0, 9), (0.26, [0, 0], 2, 9), (0.08, [0, 0], 10, 8), (0.0, [0, 0], 10, 4),
    ]:  # fmt: skip
        actual = outlook(40, grid=share, surplus_mw=9.0, promised_mw=4.0)
        _, done = execute(own, actual, 0, told, now)
        assert (done.mining_mw[0].tolist(), done.discharge_mw[0], done.surplus_mw[0], done.charge_mw[0]) == (
            pytest.approx(mined), pytest.approx(discharged), pytest.approx(surplus), 0,
        )  # fmt: skip
    bare = fleet()
    _, done = execute(bare, outlook(40, grid=0.1, surplus_mw=9.0, promised_mw=4.0), 0, told, state(bare))
    assert (done.short_mw[0], done.early_mw[0]) == (pytest.approx(1), pytest.approx(4))  # firm goes last, and is said


def test_miners_stop_at_once_and_come_back_at_their_pace() -> None:
    own = replace(fleet(), ramp_mw_per_hour=np.array([[4.0, 4.0]]))
    stopped = State(NOTHING, own.mining_mw * 0, NOTHING)
    _, done = execute(own, outlook(40), 0, Targets(own.mining_mw, NOTHING, NOTHING, NOTHING), stopped)
    assert done.mining_mw.tolist() == [[4, 4]]
