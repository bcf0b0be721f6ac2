"""The measurements of `./run bench energy`, each beside its bar."""

import time
from dataclasses import replace
from statistics import mean, median

import numpy as np

from bench.energy_policies import FleetPlan, Industry, Policy, always_on, at_first, plan, rule, run, strike
from bench.energy_prices import Prices
from bench.energy_sites import REGIONS, World, a_fleet, on_real_prices
from bench.energy_weeks import ERROR_MW, Broken, live
from bench.table import Table, seconds
from energy.planning import Floats, Integers, Outlook, Rolling, execute, perfect

MOST_GAP, MOST_FLEET_GAP = 0.90, 0.10  # per cent of perfect foresight
BAR_LAG_HOURS = 0.25  # what the bar is for: steps of an hour are seen too late for anybody
LEAST_SAVED = 40.0  # per cent of the industry rule's gap
MOST_COLD_S, MOST_WARM_S = 2.0, 0.2
SPEED_SEED = 7
AT_ONCE = 500  # random weeks side by side


def real_prices(table: Table, prices: Prices) -> None:
    """Gaps to perfect foresight, as a share of all that the site earns, its surplus leases included."""
    world = on_real_prices(prices)
    best = bound(world)
    lag = max(1, round(BAR_LAG_HOURS / prices.step_hours))
    late = f"{60 * lag * prices.step_hours:g} min late"
    policies: dict[str, Policy] = {
        "always on": always_on(world),
        f"a strike price for each class, prices {late}": strike(world, lag=lag),
        "the local rule without a plan": rule(world, prices, lag=lag),
    }
    for name, policy in policies.items():
        table.add(f"gap, {name}", gap(world, policy, best), "%")
    industry = gap(world, Industry(world, lag), best)
    table.add(f"gap, the industry's rule, prices {late}", industry, "%")
    ours = gap(world, plan(world, prices, lag=lag), best)
    bar = MOST_GAP if lag * prices.step_hours <= BAR_LAG_HOURS else None
    table.add(f"gap, our plan, prices {late}", ours, "%", bar=bar, most=True)
    saved = 100 * (1 - ours / industry) if industry > 0 else 0.0
    table.add("less than the industry's", saved, "%", bar=LEAST_SAVED)
    a_year = (industry - ours) / 100 * best / (world.actual.hours.sum() / 8766)
    table.add("what that is worth", a_year, "$ a year", note="on 50 MW")
    table.add("gap, our plan, the running price known", gap(world, plan(world, prices, lag=0), best), "%")


def made_up_fleets(table: Table, *, seeds: int, sites: int, hours: int) -> None:
    """Gaps on made-up fleets, the worst and the mean of so many."""
    rules, plans = [], []
    short = 0.0
    for seed in range(1, seeds + 1):
        world = a_fleet(seed=seed, sites=sites, steps=hours)
        best = bound(world)
        rules.append(gap(world, strike(world, lag=0), best))
        result = run(world, FleetPlan(world, seed))
        plans.append(100 * (best - result.usd) / best)
        short += result.short_mwh
    table.add("gap, a strike price for each class", mean(rules), "%", note=f"mean of {seeds}")
    table.add("gap, our plan in two levels", mean(plans), "%", bar=MOST_FLEET_GAP, most=True,
              note=f"mean of {seeds}, at worst {max(plans):.3f}")  # fmt: skip
    table.add("promises broken by it", short, "MWh", bar=ERROR_MW, most=True)


def speed(table: Table, *, sites: int, hours: int, rounds: int = 7) -> None:
    """A first plan, and the next ones a quarter of an hour later: prices moved, sun and wind too, and what was planned
    was done meanwhile."""
    world = a_fleet(seed=SPEED_SEED, sites=sites, steps=hours)
    cold = [_first_plan_seconds(world) for _ in range(rounds)]
    table.add("the first plan", min(cold), "s", bar=MOST_COLD_S, most=True, middle=median(cold))
    warm = _next_plans_seconds(world, rounds)
    table.add("the plan after it", min(warm), "s", bar=MOST_WARM_S, most=True, middle=median(warm))


def promises(table: Table, *, weeks: int) -> None:
    """Every promise in every week; and that the weeks would break them at a site that keeps nothing for them."""
    each = min(weeks, AT_ONCE)
    lived = [live(each, seed=seed) for seed in range(-(-weeks // each))]
    table.add("weeks that lost the grid", sum(part.weeks_with_loss for part in lived), "")
    table.add("firm load cut", sum(part.short_mwh for part in lived), "MWh", bar=ERROR_MW, most=True)
    table.add("surplus paused before its notice", sum(part.early_mwh for part in lived), "MWh", bar=ERROR_MW, most=True)
    table.add("surplus that ran", sum(part.surplus_mwh for part in lived), "MWh")
    table.add(
        "a limit of the grid or a battery passed by", max(part.beyond for part in lived), "MW", bar=ERROR_MW, most=True
    )
    careless: Broken = live(each, seed=0, reserve=0.5)
    table.add("paused early where half the reserve is kept", careless.early_mwh, "MWh", note="the weeks are bad enough")


def bound(world: World) -> float:
    """$ of perfect foresight."""
    begin = at_first(world)
    return perfect(world.fleet, world.actual, begin, stored_at_end=begin.stored_mwh).value_usd


def gap(world: World, policy: Policy, best: float) -> float:
    """Per cent of what could have been earned."""
    return 100 * (best - run(world, policy).usd) / abs(best)


def _rolling(world: World) -> Rolling:
    lengths: Integers = np.ones(world.actual.steps, np.int64)
    return Rolling(world.fleet, lengths=lengths, step_hours=1.0, regions=REGIONS)


def _first_plan_seconds(world: World) -> float:
    return seconds(lambda: _rolling(world).plan(world.actual, at_first(world)))


def _next_plans_seconds(world: World, rounds: int) -> list[float]:
    random, rolling, state = np.random.default_rng(SPEED_SEED), _rolling(world), at_first(world)
    plan_now, taken = rolling.plan(world.actual, state), []
    quarter = replace(world.actual, hours=np.full(world.actual.steps, 0.25))
    for _ in range(rounds):
        state, _ = execute(world.fleet, quarter, 0, plan_now.first(), state)
        rolling.budget_mw = plan_now.peak_mw
        moved = _moved(random, world)
        began = time.perf_counter()
        plan_now = rolling.plan(moved, state)
        taken.append(time.perf_counter() - began)
    return taken


def _moved(random: np.random.Generator, world: World) -> Outlook:
    """What is expected a quarter of an hour later."""
    sites, steps = world.actual.price.shape
    fading = np.exp(-np.arange(steps) / 2)
    spot = (world.fleet.export_mw > 0)[:, None]
    price: Floats = world.actual.price * (1 + spot * 0.1 * random.standard_normal((sites, 1)) * fading)
    sky = 1 + 0.05 * random.standard_normal((sites, 1))
    return replace(world.actual, price=price, renewable_mw=world.actual.renewable_mw * sky)
