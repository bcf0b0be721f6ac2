"""
What a site does with what it is told: the limits that hold whatever a plan says.

Firm load and surplus leases whose notice is not out are served first. What the supply does not reach is cut in this
order: charging, miners from the least worth up, more from the battery, surplus that may be paused; a promise is broken
only where all of that is not enough, and the figures say so. Surplus starts only where the site could carry it through
its notice should the worst happen at once, and the battery keeps what that takes.
"""

from dataclasses import dataclass

import numpy as np

from energy.planning.plans import Targets
from energy.planning.problem import Fleet, Floats, Outlook, State


@dataclass(frozen=True)
class Done:
    """
    MW in one step, (S,) or (S, K), and what it brought in $: mining, surplus and resale less spot energy, wear,
    restarts and what the import peak rose by. `short_mw` of firm load was not served, and `early_mw` of surplus was
    cut before its notice was out: both are broken promises.
    """

    mining_mw: Floats
    surplus_mw: Floats
    charge_mw: Floats
    discharge_mw: Floats
    import_mw: Floats
    export_mw: Floats
    short_mw: Floats
    early_mw: Floats
    usd: Floats


def execute(fleet: Fleet, actual: Outlook, step: int, targets: Targets, state: State) -> tuple[State, Done]:
    """Step `step` of what really happened, under these targets; and where that leaves things."""
    hours = float(actual.hours[step])
    firm, worth = actual.firm_mw[:, step], actual.mining_usd_per_mwh
    offered, promised = actual.surplus_mw[:, step], np.minimum(actual.promised_mw[:, step], actual.surplus_mw[:, step])
    surplus = np.clip(targets.surplus_mw, promised, np.maximum(np.minimum(offered, bearable(fleet, state)), promised))
    mining = np.clip(targets.mining_mw, 0.0, startable(fleet, state, hours))
    charge, discharge, more = _battery(fleet, targets, state, surplus, hours)

    supply = fleet.interconnect_mw * actual.grid[:, step] + actual.renewable_mw[:, step]
    over = firm + surplus + mining.sum(axis=1) + charge - discharge - supply
    charge, over = _cut(charge, over)
    mining, over = _cut_miners(mining, worth, over)
    unused, over = _cut(more, over)
    pausable, over = _cut(surplus - promised, over)
    kept, over = _cut(promised, over)
    short = np.clip(over, 0.0, firm)
    discharge = discharge + more - unused
    surplus = pausable + kept

    need = firm - short + surplus + mining.sum(axis=1) + charge - discharge - actual.renewable_mw[:, step]
    exported = np.clip(-need, 0.0, fleet.export_mw * (actual.resale[:, step] > 0))
    discharge = discharge - np.clip(-need - exported, 0.0, discharge)  # never into nothing
    done = Done(
        mining_mw=mining, surplus_mw=surplus, charge_mw=charge, discharge_mw=discharge,
        import_mw=np.maximum(need, 0.0), export_mw=exported, short_mw=short, early_mw=promised - kept,
        usd=np.zeros_like(firm),
    )  # fmt: skip
    stored = state.stored_mwh + hours * (fleet.efficiency * charge - discharge / fleet.efficiency)
    after = State(np.clip(stored, 0.0, fleet.battery_mwh), mining, np.maximum(state.peak_mw, done.import_mw))
    done.usd[:] = _usd(fleet, actual, step, done, state)
    return after, done


def bearable(fleet: Fleet, state: State) -> Floats:
    """Surplus (S,) that could be carried through its notice if the worst happened now, the firm promise in full use:
    by what import stays, and by the battery."""
    lasting = np.minimum(fleet.battery_mw, state.stored_mwh * fleet.efficiency / fleet.notice_hours)
    return np.maximum(fleet.secure_mw + lasting - fleet.firm_mw, 0.0)


def startable(fleet: Fleet, state: State, hours: float) -> Floats:
    """Miners (S, K) that can run by the end of so many hours."""
    ramp = np.where(np.isinf(fleet.ramp_mw_per_hour), fleet.mining_mw, fleet.ramp_mw_per_hour * hours)
    return np.minimum(fleet.mining_mw, state.mining_mw + ramp)


def _battery(
    fleet: Fleet, targets: Targets, state: State, surplus: Floats, hours: float
) -> tuple[Floats, Floats, Floats]:
    """Charge and discharge as far as they go, never both, with what the surplus leases' notice needs kept back; and
    what the battery could discharge on top in an emergency."""
    most = np.minimum(fleet.battery_mw, state.stored_mwh * fleet.efficiency / hours)
    held = np.maximum(fleet.firm_mw + surplus - fleet.secure_mw, 0.0) * fleet.notice_hours
    free = np.maximum(state.stored_mwh * fleet.efficiency - held, 0.0) / hours
    discharge = np.clip(targets.discharge_mw, 0.0, np.minimum(most, free))
    room = np.minimum(fleet.battery_mw, (fleet.battery_mwh - state.stored_mwh) / (fleet.efficiency * hours))
    charge = np.where(discharge > 0, 0.0, np.clip(targets.charge_mw, 0.0, np.maximum(room, 0.0)))
    return charge, discharge, most - discharge


def _cut(amount: Floats, over: Floats) -> tuple[Floats, Floats]:
    """What is left of an amount, and of what there is too much."""
    cut = np.clip(over, 0.0, amount)
    return amount - cut, over - cut


def _cut_miners(mining: Floats, worth: Floats, over: Floats) -> tuple[Floats, Floats]:
    """Class by class, each site beginning with its least worth."""
    order = np.argsort(worth, axis=1)
    by_worth = np.take_along_axis(mining, order, axis=1)
    below = np.cumsum(by_worth, axis=1) - by_worth
    cut = np.clip(over[:, None] - below, 0.0, by_worth)
    left = np.empty_like(mining)
    np.put_along_axis(left, order, by_worth - cut, axis=1)
    return left, over - cut.sum(axis=1)


def _usd(fleet: Fleet, actual: Outlook, step: int, done: Done, before: State) -> Floats:
    block = np.minimum(fleet.block_mw, fleet.interconnect_mw * actual.grid[:, step])
    used = np.minimum(done.import_mw, block)
    per_hour = (
        (done.mining_mw * actual.mining_usd_per_mwh).sum(axis=1)
        + done.surplus_mw * actual.surplus_usd_per_mwh
        + actual.resale[:, step] * (done.export_mw + block - used)
        - actual.price[:, step] * (done.import_mw - used)
        - fleet.wear_usd_per_mwh * done.discharge_mw
    )
    restarts = (fleet.restart_usd_per_mw * np.maximum(done.mining_mw - before.mining_mw, 0.0)).sum(axis=1)
    peak = fleet.demand_usd_per_mw * np.maximum(done.import_mw - before.peak_mw, 0.0)
    usd: Floats = per_hour * actual.hours[step] - restarts - peak
    return usd
