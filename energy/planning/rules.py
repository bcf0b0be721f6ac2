"""
The rule that a site follows by itself when there is no plan: no answer from the solver, no solver, or no network.

Merit order: a class of miners runs where it earns more than its energy costs, energy of the block at what it would be
resold for; surplus leases run; the battery is filled in the cheapest fifth of the day-ahead hours and used in the
dearest seventh. It needs the price seen last and day-ahead prices, nothing else, and loses one to two per cent against
perfect foresight: good enough for hours, never "everything on".
"""

import numpy as np

from energy.planning.plans import Targets
from energy.planning.problem import Fleet, Floats, Outlook, State

CHEAP, DEAR = 0.2, 0.85  # quantiles of the day ahead


def by_rule(fleet: Fleet, outlook: Outlook, state: State, *, seen: Floats) -> Targets:
    """What to do in the first step of `outlook`, the price (S,) seen last being `seen`; where it is NaN, miners stay
    as they are and the battery rests."""
    blind = np.isnan(seen)
    mining = _in_merit_order(fleet, outlook, np.nan_to_num(seen))
    charge, discharge = _battery(fleet, outlook, np.nan_to_num(seen))
    return Targets(
        mining_mw=np.where(blind[:, None], state.mining_mw, mining),
        surplus_mw=outlook.surplus_mw[:, 0],
        charge_mw=np.where(blind, 0.0, charge),
        discharge_mw=np.where(blind, 0.0, discharge),
    )


def _in_merit_order(fleet: Fleet, outlook: Outlook, price: Floats) -> Floats:
    """Miners (S, K): those within the block against resale, those beyond it against the price."""
    worth = outlook.mining_usd_per_mwh
    served = outlook.firm_mw[:, 0] + outlook.surplus_mw[:, 0] - outlook.renewable_mw[:, 0]
    block = np.nan_to_num(np.maximum(fleet.block_mw - served, 0.0))  # unknown: all at the price
    order = np.argsort(-worth, axis=1)
    power = np.take_along_axis(fleet.mining_mw, order, axis=1)
    inside = np.clip(block[:, None] - (np.cumsum(power, axis=1) - power), 0.0, power)
    value = np.take_along_axis(worth, order, axis=1)
    run = inside * (value >= outlook.resale[:, :1]) + (power - inside) * (value >= price[:, None])
    mining = np.empty_like(run)
    np.put_along_axis(mining, order, run, axis=1)
    return mining


def _battery(fleet: Fleet, outlook: Outlook, price: Floats) -> tuple[Floats, Floats]:
    """Charge and discharge (S,), where the day's spread pays for losses and wear."""
    cheap, dear = np.quantile(outlook.price, CHEAP, axis=1), np.quantile(outlook.price, DEAR, axis=1)
    pays = dear * fleet.efficiency**2 - cheap > fleet.wear_usd_per_mwh
    charge = np.where(pays & (price <= cheap), fleet.battery_mw, 0.0)
    discharge = np.where(pays & (price >= dear) & (charge == 0), fleet.battery_mw, 0.0)
    return charge, discharge
