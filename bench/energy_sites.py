"""The sites that are measured on: one of 50 MW with real prices, and a made-up fleet of 45 for a week."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.energy_prices import Prices
from energy.economics import mining_worth
from energy.planning import Battery, Fleet, Floats, MiningClass, Outlook, Site

HASH_PRICE = 40.0  # $/PH/s/day
EFFICIENCIES = {"S21": 17.5, "S19 XP": 21.5, "S19j Pro": 29.5}  # J/TH
ADDER_USD = 8.0  # retail and transmission charges on each MWh
WORTH = np.array([mining_worth(hash_price=HASH_PRICE, joules_per_terahash=e) for e in EFFICIENCIES.values()])
REGIONS = 4

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """A fleet, what really happens to it, and its prices as day-ahead saw them (S, T)."""

    fleet: Fleet
    actual: Outlook
    day_ahead: Floats


def on_real_prices(prices: Prices, *, battery: bool = True) -> World:
    """20, 12 and 8 MW of miners, 6 MW of firm and 4 MW of surplus GPUs behind 50 MW, with 10 MW and 20 MWh of battery;
    nothing is exported."""
    mining = _classes([20.0, 12.0, 8.0])
    store = Battery(10.0, 20.0) if battery else None
    site = Site("50 MW", 50.0, secure_mw=25.0, firm_mw=6.0, mining=mining, battery=store)
    none = np.zeros((1, prices.steps))
    firm = 6.0 * (0.72 + 0.12 * np.sin((prices.hour - 9) / 24 * 2 * np.pi))[None]
    actual = Outlook(
        hours=np.full(prices.steps, prices.step_hours), price=prices.real_time[None] + ADDER_USD, resale=none,
        grid=none + 1, renewable_mw=none, firm_mw=firm, surplus_mw=none + 4.0, promised_mw=none,
        surplus_usd_per_mwh=np.array([700.0]), mining_usd_per_mwh=WORTH[None],
    )  # fmt: skip
    return World(Fleet.of([site]), actual, prices.day_ahead[None] + ADDER_USD)


def a_fleet(*, seed: int, sites: int = 45, steps: int = 168, demand_charge: bool = True) -> World:
    """A hub of 50 MW and edge sites of 2 to 20 MW in four regions, hour by hour: spot prices with scarcity, tariffs by
    time of use, blocks, sun, wind, batteries, and a region whose grid sheds load to 40 % on many evenings."""
    random = np.random.default_rng(seed)
    hour: Floats = np.arange(steps, dtype=np.float64) % 24
    size = np.append(50.0, np.clip(random.lognormal(1.7, 0.6, sites - 1), 2, 20).round(1))[:sites]
    region = np.append(0, random.choice(REGIONS, sites - 1, p=[0.5, 0.18, 0.18, 0.14]))[:sites]
    spot = region == 0
    price, day_ahead = _prices(random, spot, hour)
    sun, wind, stores, blocks = (np.append(first, random.random(sites - 1) < share)[:sites] for first, share in (
        (True, 0.35), (False, 0.2), (True, 0.3), (True, 0.4)))  # fmt: skip
    firm, surplus = size * random.uniform(0.05, 0.15, sites), size * random.uniform(0.02, 0.1, sites)
    mix = random.dirichlet([4, 3, 2], sites)
    fleet = Fleet.of([
        Site(
            f"site {row}", size[row], secure_mw=0.4 * size[row], firm_mw=firm[row],
            mining=_classes(mix[row] * (size[row] - firm[row] - surplus[row])),
            battery=Battery(0.2 * size[row], 0.4 * size[row]) if stores[row] else None,
            block_mw=0.6 * size[row] if blocks[row] else 0.0, export_mw=0.5 * size[row] if spot[row] else 0.0,
            demand_usd_per_mw=0.0 if spot[row] or not demand_charge else 2400.0, region=int(region[row]),
        ) for row in range(sites)
    ])  # fmt: skip
    used = np.clip(0.72 + 0.12 * np.sin((hour - 9) / 24 * 2 * np.pi) + _noise(random, sites, steps, 0.05), 0.3, 0.98)
    wanted = [
        0.7 * surplus[region == r].sum() * (1 + 0.25 * np.sin((hour - 9) / 24 * 2 * np.pi)) for r in range(REGIONS)
    ]
    actual = Outlook(
        hours=np.ones(steps), price=price, resale=np.where(spot[:, None], np.maximum(price - 3, 0), 0.0),
        grid=_grid(random, region == 3, hour), renewable_mw=size[:, None] * 0.25 * _sky(random, sun, wind, hour),
        firm_mw=firm[:, None] * used, surplus_mw=np.repeat(surplus[:, None], steps, axis=1),
        promised_mw=np.zeros((sites, steps)), surplus_usd_per_mwh=random.uniform(350, 900, sites),
        mining_usd_per_mwh=np.tile(WORTH, (sites, 1)), demand_mw=np.array(wanted),
    )  # fmt: skip
    return World(fleet, actual, day_ahead)


def _classes(power_mw: Floats | list[float]) -> tuple[MiningClass, ...]:
    named = zip(EFFICIENCIES.items(), power_mw, strict=True)
    return tuple(MiningClass(name, float(power), efficiency) for (name, efficiency), power in named)


def _noise(random: np.random.Generator, sites: int, steps: int, size: float) -> Floats:
    return size * random.standard_normal((sites, steps))


def _prices(random: np.random.Generator, spot: Flags, hour: Floats) -> tuple[Floats, Floats]:
    """Real time and day-ahead: tariffs by time of use are known, spot prices wander and spike."""
    sites, steps = len(spot), len(hour)
    base = np.where(spot, random.uniform(36, 48, sites), random.uniform(33, 50, sites))[:, None]
    tariff = base * np.where((hour >= 14) & (hour < 21), 1.9, np.where((hour < 6) | (hour >= 22), 0.75, 1.0))
    evening, noon = np.exp(-0.5 * ((hour - 19) / 1.6) ** 2), np.exp(-0.5 * ((hour - 12.5) / 2.5) ** 2)
    shape = 1 + 0.3 * np.sin((hour - 11) / 24 * 2 * np.pi) + 0.45 * evening - 0.3 * noon
    wander = np.zeros((sites, steps))
    for step in range(1, steps):
        wander[:, step] = 0.92 * wander[:, step - 1] + 0.07 * random.standard_normal(sites)
    usual = base * shape * np.exp(wander)
    windy_night = (random.random((sites, steps)) < 0.06) & (hour < 6) & (random.random(sites) < 0.5)[:, None]
    usual = np.where(windy_night, random.uniform(-15, 2, (sites, steps)), usual)
    scarcity = np.zeros((sites, steps))
    for row in np.flatnonzero(spot):
        for _ in range(random.poisson(1.6 * steps / 168)):
            begin = int(random.integers(0, max(1, steps // 24)) * 24 + np.clip(random.normal(18.5, 1.5), 0, 23))
            scarcity[row, begin : begin + int(random.integers(1, 5))] += random.exponential(320)
    foreseen = scarcity * (random.random((sites, 1)) < 0.65) * random.uniform(0.4, 1.2, (sites, 1))
    seen_before = usual * np.exp(_noise(random, sites, steps, 0.08)) + foreseen
    known = ~spot[:, None]
    return np.where(known, tariff, usual + scarcity), np.where(known, tariff, seen_before)


def _grid(random: np.random.Generator, weak: Flags, hour: Floats) -> Floats:
    """The share of each interconnect that is there."""
    grid = np.ones((len(weak), len(hour)))
    for row in np.flatnonzero(weak):
        for day in range(len(hour) // 24):
            if random.random() < 0.35:
                begin = day * 24 + int(random.uniform(16, 20))
                grid[row, begin : begin + 3] = 0.4
    return grid


def _sky(random: np.random.Generator, sun: Flags, wind: Flags, hour: Floats) -> Floats:
    """Output of sun and wind, each 0 to 1 of what is installed."""
    sites, steps = len(sun), len(hour)
    clear = np.maximum(0, np.sin((hour - 6) / 12 * np.pi)) ** 1.2
    clouds = np.repeat(random.beta(4, 1.6, (sites, -(-steps // 3))), 3, axis=1)[:, :steps]
    blowing = np.full((sites, steps), 0.4)
    for step in range(1, steps):
        pulled = blowing[:, step - 1] + 0.09 * random.standard_normal(sites) + 0.02 * (0.42 - blowing[:, step - 1])
        blowing[:, step] = np.clip(pulled, 0, 1)
    sky: Floats = sun[:, None] * clear * clouds + wind[:, None] * blowing
    return sky
