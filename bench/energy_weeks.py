"""
Weeks in which everything goes wrong at once: grids that lose 60 % without warning, for minutes or days, and flicker;
prices that spike and go negative; clouds; and somebody who commands miners, batteries and leases at random.
"""

from dataclasses import dataclass, replace

import numpy as np

from bench.energy_sites import WORTH
from energy.planning import Fleet, Floats, Integers, Outlook, State, Targets, execute
from energy.planning.noticing import Notices

STEP_HOURS, STEPS = 0.25, 672
LOST = 0.4  # of the interconnect is left
ERROR_MW = 1e-6


@dataclass(frozen=True)
class Broken:
    """The MWh of broken promises over all weeks, and the most by which a limit of physics was passed, MW or MWh; how
    many weeks lost the grid, and how many MWh of surplus ran."""

    short_mwh: float
    early_mwh: float
    beyond: float
    weeks_with_loss: int
    surplus_mwh: float


def live(weeks: int, *, seed: int, steps: int = STEPS, reserve: float = 1.0) -> Broken:
    """So many weeks side by side; with less than 1, `reserve` is the share of its notice that a site is prepared to
    carry: then promises break, which shows that the weeks are bad enough."""
    random = np.random.default_rng(seed)
    notice = random.choice([2, 4, 8], weeks)  # 30, 60 and 120 minutes
    fleet = _fleet(random, weeks, notice)
    world, wanted = _world(random, fleet, steps), _walk(random, weeks, steps)
    prepared = replace(fleet, notice_hours=fleet.notice_hours * reserve)
    notices = Notices(prepared, notice)
    state = State(fleet.battery_mwh * random.random(weeks), fleet.mining_mw, np.zeros(weeks))
    short = early = beyond = used = 0.0
    for step in range(steps):
        grid = world.grid[:, max(step - 1, 0)]
        notices.tell(wanted_mw=wanted[:, step] * world.surplus_mw[:, step], state=state, grid=grid)
        world.promised_mw[:, step] = notices.promised_mw
        before, (state, done) = state, execute(prepared, world, step, _any(random, fleet, notices), state)
        early += float((np.maximum(notices.promised_mw - done.surplus_mw, 0)).sum()) * STEP_HOURS
        short += float(done.short_mw.sum()) * STEP_HOURS
        used += float(done.surplus_mw.sum()) * STEP_HOURS
        beyond = max(beyond, _beyond(fleet, world, step, done.import_mw, state, before))
        notices.pass_step()
    return Broken(short, early, beyond, int((world.grid < 1).any(axis=1).sum()), used)


def _fleet(random: np.random.Generator, weeks: int, notice: Integers) -> Fleet:
    """As much firm as may be sold: what is left of the grid when 60 % is lost."""
    size = random.uniform(2, 60, weeks)
    power = np.where(random.random(weeks) < 0.7, size * random.uniform(0.05, 0.5, weeks), 0.0)
    return Fleet(
        interconnect_mw=size, secure_mw=LOST * size, firm_mw=LOST * size * random.uniform(0.2, 1.0, weeks),
        block_mw=size * random.choice([0.0, 0.5], weeks), export_mw=size * random.choice([0.0, 0.5], weeks),
        notice_hours=np.asarray((notice + 1) * STEP_HOURS, np.float64),
        demand_usd_per_mw=np.zeros(weeks), region=np.zeros(weeks, np.int64),
        battery_mw=power, battery_mwh=power * random.uniform(0.3, 4, weeks),
        efficiency=random.uniform(0.88, 0.99, weeks), wear_usd_per_mwh=np.full(weeks, 8.0),
        mining_mw=size[:, None] * random.dirichlet([2, 2, 2], weeks),
        restart_usd_per_mw=np.full((weeks, 3), 20.0), ramp_mw_per_hour=size[:, None] * random.uniform(1, 9, (weeks, 3)),
    )  # fmt: skip


def _world(random: np.random.Generator, fleet: Fleet, steps: int) -> Outlook:
    weeks = fleet.sites
    none = np.zeros((weeks, steps))
    price = random.lognormal(3.3, 0.6, (weeks, steps)) * np.where(random.random((weeks, steps)) < 0.02, 30, 1) - 15
    return Outlook(
        hours=np.full(steps, STEP_HOURS), price=price, resale=np.maximum(price - 3, 0),
        grid=_grid(random, weeks, steps),
        renewable_mw=fleet.interconnect_mw[:, None] * 0.5 * _walk(random, weeks, steps),
        firm_mw=fleet.firm_mw[:, None] * _walk(random, weeks, steps),
        surplus_mw=np.repeat(fleet.interconnect_mw[:, None] * 0.4, steps, axis=1), promised_mw=none,
        surplus_usd_per_mwh=np.full(weeks, 700.0), mining_usd_per_mwh=np.tile(WORTH, (weeks, 1)),
    )  # fmt: skip


def _grid(random: np.random.Generator, weeks: int, steps: int) -> Floats:
    """Three kinds of week: hardly ever a loss, losses of hours, and a grid that comes and goes with every step."""
    kind = random.integers(0, 3, weeks)
    falls, returns = np.array([0.002, 0.02, 0.3])[kind], np.array([0.02, 0.15, 0.5])[kind]
    there, grid = np.ones(weeks, np.bool_), np.ones((weeks, steps))
    for step in range(steps):
        chance = random.random(weeks)
        there = np.where(there, chance >= falls, chance < returns)
        grid[:, step] = np.where(there, 1.0, LOST)
    return grid


def _walk(random: np.random.Generator, weeks: int, steps: int) -> Floats:
    """Something between 0 and 1 that wanders, and jumps to an end now and then."""
    level, walked = random.random(weeks), np.empty((weeks, steps))
    for step in range(steps):
        jump = random.random(weeks) < 0.03
        level = np.where(jump, random.integers(0, 2, weeks), np.clip(level + random.normal(0, 0.1, weeks), 0, 1))
        walked[:, step] = level
    return walked


def _any(random: np.random.Generator, fleet: Fleet, notices: Notices) -> Targets:
    """Commands that nobody in his right mind would give, half of them everything or nothing."""
    weeks = fleet.sites
    share = np.clip(random.uniform(-1, 2, (6, weeks)), 0, 1)
    return Targets(
        mining_mw=fleet.mining_mw * share[:3].T, surplus_mw=notices.running_mw * share[3],
        charge_mw=fleet.battery_mw * share[4], discharge_mw=fleet.battery_mw * share[5],
    )  # fmt: skip


def _beyond(fleet: Fleet, world: Outlook, step: int, imported: Floats, after: State, before: State) -> float:
    """By how much import passed the grid, or the battery its size."""
    over = imported - fleet.interconnect_mw * world.grid[:, step]
    moved = np.abs(after.stored_mwh - before.stored_mwh) - fleet.battery_mw * STEP_HOURS / fleet.efficiency
    outside = np.maximum(after.stored_mwh - fleet.battery_mwh, -after.stored_mwh)
    return float(max(over.max(), moved.max(), outside.max()))
