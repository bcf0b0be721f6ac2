"""Ways to run sites: what the industry does, rules, and our plans. Asked step by step, none knows a later price."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from bench.energy_prices import Prices
from bench.energy_sites import ADDER_USD, World
from energy.planning import Floats, Forecast, Integers, Outlook, Rolling, State, Targets, by_rule, execute

LEFT_USD_PER_MWH = 30.0  # what charge in a battery counts at the end, more or less than at the beginning
Policy = Callable[[int, State], Targets]


@dataclass(frozen=True)
class Result:
    """What a policy earned in $, and the MWh of promises it broke: firm load cut, surplus cut before its notice."""

    usd: float
    short_mwh: float


def at_first(world: World) -> State:
    """Half-full batteries, every miner on."""
    fleet = world.fleet
    return State(fleet.battery_mwh / 2, fleet.mining_mw, np.zeros(fleet.sites))


def run(world: World, policy: Policy) -> Result:
    """Every step of the world under a policy."""
    state, usd, short = at_first(world), 0.0, 0.0
    for step in range(world.actual.steps):
        state, done = execute(world.fleet, world.actual, step, policy(step, state), state)
        usd += float(done.usd.sum())
        short += float((done.short_mw + done.early_mw).sum() * world.actual.hours[step])
    left = float((state.stored_mwh - at_first(world).stored_mwh).sum()) * LEFT_USD_PER_MWH
    return Result(usd + left, short)


def always_on(world: World) -> Policy:
    """Nobody looks at prices."""
    return lambda step, _: _mining(world, step, world.fleet.mining_mw)


def strike(world: World, *, lag: int) -> Policy:
    """Each class runs while the price seen last is not above what it earns."""

    def decide(step: int, _: State) -> Targets:
        seen = world.actual.price[:, max(step - lag, 0)]
        return _mining(world, step, world.fleet.mining_mw * (world.actual.mining_usd_per_mwh >= seen[:, None]))

    return decide


@dataclass
class Industry:
    """Fleet software as it is sold: a class goes off after two prices above what it earns, at once above $150/MWh, and
    on again after four below."""

    world: World
    lag: int
    above: Floats = field(init=False)
    below: Floats = field(init=False)
    on: Floats = field(init=False)

    OFF_AFTER, ON_AFTER, AT_ONCE_USD = 2, 4, 150.0

    def __post_init__(self) -> None:
        self.above, self.below = np.zeros_like(self.world.fleet.mining_mw), np.zeros_like(self.world.fleet.mining_mw)
        self.on = np.ones_like(self.above)

    def __call__(self, step: int, state: State) -> Targets:
        """The next step."""
        seen = self.world.actual.price[:, max(step - self.lag, 0)][:, None]
        dear = seen > self.world.actual.mining_usd_per_mwh
        self.above, self.below = (self.above + 1) * dear, (self.below + 1) * ~dear
        off = (self.above >= self.OFF_AFTER) | (seen > self.AT_ONCE_USD)
        self.on = np.where(self.on > 0, ~off, self.below >= self.ON_AFTER).astype(np.float64)
        return _mining(self.world, step, self.world.fleet.mining_mw * self.on)


def rule(world: World, prices: Prices, *, lag: int) -> Policy:
    """What a site does by itself without a plan."""
    day = prices.steps_a_day

    def decide(step: int, state: State) -> Targets:
        outlook = replace(world.actual.window(step, day), price=_published(prices, step, day))
        return by_rule(world.fleet, outlook, state, seen=world.actual.price[:, max(step - lag, 0)])

    return decide


def plan(world: World, prices: Prices, *, lag: int) -> Policy:
    """Our plan: expected prices, the day ahead, once more in every step."""
    rolling = Rolling(world.fleet, lengths=near(prices.step_hours), step_hours=prices.step_hours)
    forecast = Forecast(sites=1, steps=rolling.horizon, step_hours=prices.step_hours, lag=lag)

    def decide(step: int, state: State) -> Targets:
        learned = step - max(lag, 1)
        if learned >= 0:
            forecast.observe(real_time=world.actual.price[:, learned], day_ahead=world.day_ahead[:, learned])
        seen = world.actual.price[:, step - lag] if step >= lag else np.array([np.nan])
        outlook = world.actual.window(step, rolling.horizon)
        expected = forecast.ahead(seen=seen, day_ahead=_published(prices, step, rolling.horizon))
        decision = rolling.decide(replace(outlook, price=expected), state, seen=seen)
        assert decision.plan, decision.reason
        return decision.targets

    return decide


@dataclass
class FleetPlan:
    """
    Two levels on the made-up fleet: budgets of the import peak once a day, for the rest of the week; a plan for 36
    hours every hour. Spot prices ahead are forecast; sun, wind and load are known with an error that grows; a grid that
    sheds load is expected to go on for three hours.
    """

    world: World
    seed: int
    rolling: Rolling = field(init=False)
    forecast: Forecast = field(init=False)

    AHEAD = 36

    def __post_init__(self) -> None:
        lengths: Integers = np.ones(self.AHEAD, np.int64)
        demand = self.world.actual.demand_mw
        regions = 0 if demand is None else len(demand)
        self.rolling = Rolling(self.world.fleet, lengths=lengths, step_hours=1.0, regions=regions)
        self.forecast = Forecast(sites=self.world.fleet.sites, steps=self.world.actual.steps, step_hours=1.0, lag=0)
        self.random = np.random.default_rng(self.seed)

    def __call__(self, step: int, state: State) -> Targets:
        """The next step."""
        if step:
            self.forecast.observe(
                real_time=self.world.actual.price[:, step - 1], day_ahead=self.world.day_ahead[:, step - 1]
            )
        rest = self.world.actual.steps - step
        if step % 24 == 0:
            self.rolling.set_budget(self._expected(step, rest), state, lengths=np.ones(rest, np.int64))
        seen = self.world.actual.price[:, step]
        decision = self.rolling.decide(self._expected(step, self.AHEAD), state, seen=seen)
        assert decision.plan, decision.reason
        return decision.targets

    def _expected(self, step: int, steps: int) -> Outlook:
        world, actual = self.world, self.world.actual.window(step, steps)
        seen, lead = actual.price[:, 0], np.arange(steps)
        day_ahead = world.day_ahead[:, np.minimum(step + lead, world.actual.steps - 1)]
        price = self._prices(seen, day_ahead)
        sky = 1 + self.random.standard_normal((world.fleet.sites, 1)) * np.minimum(0.25, 0.05 * np.sqrt(lead))
        load = 1 + 0.04 * self.random.standard_normal(actual.firm_mw.shape) * (lead > 0)
        return replace(
            actual, price=price, renewable_mw=np.maximum(actual.renewable_mw * sky, 0.0),
            resale=np.where(world.fleet.export_mw[:, None] > 0, np.maximum(price - 3, 0.0), 0.0),
            firm_mw=actual.firm_mw * load, grid=np.where(lead < 3, actual.grid[:, :1], 1.0),
        )  # fmt: skip

    def _prices(self, seen: Floats, day_ahead: Floats) -> Floats:
        steps = day_ahead.shape[1]
        share = self.forecast.share[:, :steps]
        return share * seen[:, None] + (1 - share) * day_ahead


def near(step_hours: float) -> Integers:
    """A day ahead: three hours in the prices' own steps, the rest in hours."""
    each = max(1, round(1 / step_hours))
    fine = round(3 / step_hours) if step_hours < 1 else round(24 / step_hours)
    return np.array([1] * fine + [each] * (21 if step_hours < 1 else 0), np.int64)


def _published(prices: Prices, step: int, ahead: int) -> Floats:
    return prices.published(step, ahead)[None] + ADDER_USD


def _mining(world: World, step: int, mining: Floats) -> Targets:
    none = np.zeros(world.fleet.sites)
    return Targets(mining_mw=mining, surplus_mw=_leased(world, step), charge_mw=none, discharge_mw=none)


def _leased(world: World, step: int) -> Floats:
    """Surplus (S,) that customers want: a region's dearest leases first."""
    leased: Floats = world.actual.surplus_mw[:, step].copy()
    for region, wanted in enumerate(world.actual.demand_mw if world.actual.demand_mw is not None else ()):
        there = np.flatnonzero(world.fleet.region == region)
        dearest = there[np.argsort(-world.actual.surplus_usd_per_mwh[there])]
        before = np.cumsum(leased[dearest]) - leased[dearest]
        leased[dearest] = np.clip(wanted[step] - before, 0.0, leased[dearest])
    return leased
