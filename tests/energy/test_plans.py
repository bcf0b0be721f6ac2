"""What plans do: every use runs where it earns more than its energy costs, and no promise is broken for a price."""

import time
from dataclasses import replace

import numpy as np
import pytest

from energy.planning import Fleet, Integers, Outlook, Plan, Rolling, State, Unsolved, by_rule, execute, perfect
from energy.planning.program import Program
from energy.planning.solver import Solver
from tests.energy.sites import A_BATTERY, A_SITE, fleet, outlook, state

NOTHING = np.zeros(1)


def planned(own: Fleet, ahead: Outlook, *, stored: float = 0.0) -> Plan:
    return perfect(own, ahead, state(own, stored=stored), stored_at_end=NOTHING)


def test_a_class_of_miners_runs_while_it_earns_more_than_its_energy_costs() -> None:
    plan = planned(fleet(), outlook(40, 60, 200, -20))
    assert plan.mining_mw[0].tolist() == [[20, 20, 0, 20], [10, 0, 0, 10]]
    assert plan.import_mw[0].tolist() == [36, 26, 6, 36]  # 6 MW are firm, whatever they cost


def test_a_plan_is_worth_what_it_earns_less_what_it_pays() -> None:
    plan = planned(fleet(), outlook(40, 200))
    assert plan.value_usd == pytest.approx(20 * 90 + 10 * 50 - 36 * 40 - 6 * 200)


def test_the_internal_price_is_that_of_the_next_megawatt() -> None:
    plan = planned(fleet(interconnect_mw=30.0), outlook(40, 200))
    assert plan.internal_usd_per_mwh[0].tolist() == [50, 200]  # at 40 the interconnect is full: an old miner would stop


def test_energy_of_the_block_that_is_worth_more_than_mining_is_resold() -> None:
    plan = planned(fleet(block_mw=30.0), outlook(70, 100, resale=np.array([[60.0, 95.0]])))
    assert plan.mining_mw[0].tolist() == [[20, 0], [0, 0]]
    assert plan.value_usd == pytest.approx(20 * 90 + 4 * 60 + 24 * 95)


def test_a_battery_moves_cheap_energy_to_dear_hours() -> None:
    plan = planned(fleet(battery=A_BATTERY), outlook(10, 10, 300, 300, firm_mw=12.0))
    assert plan.charge_mw[0].sum() == pytest.approx(20)
    assert plan.discharge_mw[0].tolist() == [0, 0, 10, 10]


def test_surplus_runs_as_far_as_it_could_be_carried_through_its_notice() -> None:
    """20 MW are secure, 8 MW sold as firm; half an hour of 2 MWh carries 4 MW more."""
    bare, stores, ahead = fleet(), fleet(battery=replace(A_BATTERY, energy_mwh=2)), outlook(40, surplus_mw=30.0)
    assert planned(bare, ahead).surplus_mw[0, 0] == pytest.approx(12)
    assert planned(stores, ahead, stored=2.0).surplus_mw[0, 0] == pytest.approx(16)


def test_what_was_promised_runs_on_although_energy_costs_more_than_it_brings() -> None:
    plan = planned(fleet(), outlook(1000, 1000, surplus_mw=5.0, promised_mw=np.array([[5.0, 0.0]])))
    assert plan.surplus_mw[0].tolist() == [5, 0]


def test_a_region_has_no_more_surplus_than_its_customers_want() -> None:
    two = Fleet.of([A_SITE, replace(A_SITE, name="edge")])
    one = outlook(40, 40, surplus_mw=5.0)
    ahead = Outlook(**{
        name: value if name == "hours" or value is None else np.repeat(value, 2, axis=0)
        for name, value in vars(one).items()
    })  # fmt: skip
    plan = planned(two, replace(ahead, demand_mw=np.array([[7.0, 2.0]])))
    assert plan.surplus_mw.sum(axis=0).tolist() == [7, 2]


def test_firm_load_that_nothing_can_serve_is_said_and_not_hidden() -> None:
    plan = planned(fleet(), outlook(40, 40, grid=np.array([[0.05, 1.0]])))
    assert plan.short_mw[0].tolist() == [3.5, 0]
    assert plan.mining_mw[0, :, 0].tolist() == [0, 0]


def test_a_demand_charge_is_weighed_against_the_whole_period_once_a_day_and_obeyed_in_between() -> None:
    """Mining 36 MW earns less than the charge in a day, and more in a month: only the long plan sees that."""
    own = fleet(demand_usd_per_mw=2400.0)
    lengths: Integers = np.ones(24, np.int64)
    rolling, month = Rolling(own, lengths=lengths, step_hours=1.0), outlook(*[40] * 720)
    alone = rolling.plan(month, state(own))
    rolling.set_budget(month, state(own), lengths=np.full(180, 4, np.int64))
    under = rolling.plan(month, state(own))
    assert alone.mining_mw[0, :, 0].tolist() == [0, 0]
    assert under.mining_mw[0, :, 0].tolist() == [20, 10]
    assert rolling.budget_mw[0] == pytest.approx(36)


def test_replanning_from_the_last_answer_finds_what_planning_afresh_finds() -> None:
    own, random = fleet(battery=A_BATTERY, block_mw=15.0), np.random.default_rng(1)
    lengths: Integers = np.ones(24, np.int64)
    rolling = Rolling(own, lengths=lengths, step_hours=1.0)
    for _ in range(20):
        ahead = outlook(*random.uniform(-50, 300, 24), renewable_mw=random.uniform(0, 20, (1, 24)))
        now = State(random.uniform(0, 20, 1), own.mining_mw * random.random(), random.uniform(0, 50, 1))
        warm = rolling.plan(ahead, now)
        cold = Rolling(own, lengths=lengths, step_hours=1.0).plan(ahead, now)
        assert warm.value_usd == pytest.approx(cold.value_usd, rel=1e-7)


def test_what_a_plan_says_is_what_happens_and_what_it_is_worth() -> None:
    """Plan and physics are written apart: on the same numbers they come to the same cent."""
    own, random = fleet(battery=A_BATTERY, block_mw=15.0, demand_usd_per_mw=100.0), np.random.default_rng(2)
    ahead = outlook(*random.uniform(5, 300, 48), resale=3.0, surplus_mw=4.0)
    plan, now, usd = planned(own, ahead, stored=10.0), state(own, stored=10.0), 0.0
    for step in range(48):
        now, done = execute(own, ahead, step, plan.at(step), now)
        usd += float(done.usd.sum())
    assert usd == pytest.approx(plan.value_usd, abs=0.01)


def test_without_battery_restarts_and_peak_the_plan_is_the_merit_order() -> None:
    own, random = fleet(block_mw=22.0), np.random.default_rng(3)
    ahead = outlook(*random.uniform(5, 150, 48), resale=random.uniform(0, 120, (1, 48)))
    ahead = replace(ahead, resale=np.minimum(ahead.resale, np.maximum(ahead.price - 3, 0)))
    plan, now, usd = planned(own, ahead), state(own), 0.0
    for step in range(48):
        targets = by_rule(own, ahead.window(step, 24), now, seen=ahead.price[:, step])
        now, done = execute(own, ahead, step, targets, now)
        usd += float(done.usd.sum())
    assert usd == pytest.approx(plan.value_usd, abs=0.01)


@pytest.mark.parametrize("missing", ["price", "renewable_mw", "firm_mw"])
def test_a_missing_forecast_makes_no_plan_and_the_rule_decides(missing: str) -> None:
    own = fleet()
    rolling = Rolling(own, lengths=np.ones(3, np.int64), step_hours=1.0)
    ahead = replace(outlook(40, 40, 40), **{missing: np.array([[6.0, np.nan, 6.0]])})
    decision = rolling.decide(ahead, state(own), seen=np.array([60.0]))
    assert decision.plan is None
    assert decision.reason == "no plan: a price or a forecast is missing"
    assert decision.targets.mining_mw.tolist() == [[20, 0]]


def test_without_any_price_the_rule_leaves_miners_as_they_are() -> None:
    own = fleet(battery=A_BATTERY)
    half = State(np.array([10.0]), own.mining_mw / 2, NOTHING)
    targets = by_rule(own, outlook(np.nan, np.nan), half, seen=np.array([np.nan]))
    assert (targets.mining_mw.tolist(), targets.charge_mw[0], targets.discharge_mw[0]) == ([[10, 5]], 0, 0)


def test_the_time_limit_is_for_each_answer_and_not_for_all_of_them() -> None:
    own, random, limit = fleet(battery=A_BATTERY), np.random.default_rng(5), 0.4
    program = Program(own, np.ones(300))
    solver, began = Solver(program, seconds=limit), time.process_time()
    while time.process_time() - began < 3 * limit:
        ahead = outlook(*random.uniform(0, 300, 300))
        solver.solve(program.numbers(ahead, state(own), budget_mw=NOTHING, stored_at_end=NOTHING))


def test_an_answer_that_is_not_proven_best_is_no_answer() -> None:
    own = fleet(battery=A_BATTERY)
    ahead = outlook(*np.random.default_rng(4).uniform(0, 300, 500))
    program = Program(own, ahead.hours)
    numbers = program.numbers(ahead, state(own), budget_mw=NOTHING, stored_at_end=NOTHING)
    with pytest.raises(Unsolved, match="Time limit"):
        Solver(program, seconds=0.0).solve(numbers)
