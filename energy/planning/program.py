"""
The linear program of a fleet, as arrays: which columns and rows there are depends on the fleet and the lengths of the
steps alone, so prices, forecasts and states change numbers only and a solver can go on from its last answer.

Columns exist only where a site has what they stand for; `ABSENT` marks the others and their answer is 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from energy.planning.problem import UNLIMITED, Fleet, Floats, Integers, Outlook, State

ABSENT = -1
SHORT_USD_PER_MWH = 20_000.0  # what a promise that is not kept costs in a plan: above any price a market allows

Term = tuple[Integers, Floats | float]


@dataclass(frozen=True)
class Numbers:
    """Everything that changes from plan to plan; `constant` is the value of what is not decided."""

    cost: Floats
    column_lower: Floats
    column_upper: Floats
    row_lower: Floats
    row_upper: Floats
    constant: float


@dataclass(frozen=True)
class Matrix:
    """Coefficients row by row, as solvers take them."""

    starts: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: Floats


class Program:
    """Columns, rows and coefficients for `fleet` over steps of `hours`, its surplus bounded in `regions` regions."""

    def __init__(self, fleet: Fleet, hours: Floats, *, regions: int = 0) -> None:
        self.fleet, self.hours, self.regions = fleet, hours, regions
        self.column_count = self.row_count = 0
        self.columns = self._columns()
        self._terms: list[tuple[Integers, Term]] = []
        self.rows = self._rows()

    def _columns(self) -> Mapping[str, Integers]:
        fleet, everywhere = self.fleet, np.ones(self.fleet.sites, np.bool_)
        stores = fleet.battery_mw > 0
        there = {
            "block": fleet.block_mw > 0, "spot": everywhere, "export": fleet.export_mw > 0, "renewable": everywhere,
            "charge": stores, "discharge": stores, "stored": stores, "reserve": stores,
            "surplus": everywhere, "short": everywhere, "mine": fleet.mining_mw > 0, "restart": fleet.mining_mw > 0,
        }  # fmt: skip
        columns = {name: self._numbered(where, steps=len(self.hours)) for name, where in there.items()}
        return {**columns, "peak": self._numbered(fleet.demand_usd_per_mw > 0, steps=1)[:, 0]}

    def _numbered(self, where: NDArray[np.bool_], *, steps: int) -> Integers:
        """Numbers of new columns, the shape of `where` and then steps; ABSENT where there is none."""
        numbers = np.full((*where.shape, steps), ABSENT, np.int64)
        count = int(where.sum()) * steps
        numbers[where] = self.column_count + np.arange(count).reshape(-1, steps)
        self.column_count += count
        return numbers

    def _row(self, *terms: Term) -> Integers:
        """Numbers of new rows, one for each place of the terms' columns."""
        shape = terms[0][0].shape
        numbers: Integers = self.row_count + np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
        self.row_count += numbers.size
        self._terms += [(numbers, term) for term in terms]
        return numbers

    def _rows(self) -> Mapping[str, Integers]:
        x, fleet = self.columns, self.fleet
        paying, blocks, stores = (np.flatnonzero(part) for part in (
            fleet.demand_usd_per_mw > 0, fleet.block_mw > 0, fleet.battery_mw > 0))  # fmt: skip
        mines = [(x["mine"][:, kind], -1.0) for kind in range(fleet.classes)]
        supply: list[Term] = [(x[name], 1.0) for name in ("block", "spot", "renewable", "discharge", "short")]
        use: list[Term] = [(x[name], -1.0) for name in ("charge", "export", "surplus")]
        rows = {
            "balance": self._row(*supply, *use, *mines),
            "interconnect": self._row((x["block"][blocks], 1.0), (x["spot"][blocks], 1.0)),
            "peak": self._row(
                (np.broadcast_to(x["peak"][paying, None], x["spot"][paying].shape), 1.0),
                (x["block"][paying], -1.0), (x["spot"][paying], -1.0),
            ),
            "notice": self._row((x["surplus"][stores], 1.0), (x["reserve"][stores], -1.0)),
            **self._battery_rows(stores),
            **self._mining_rows(),
        }  # fmt: skip
        for region in range(self.regions):
            members = x["surplus"][fleet.region == region]
            if len(members):
                rows[f"demand {region}"] = self._row(*((member, 1.0) for member in members))
        return rows

    def _battery_rows(self, stores: Integers) -> Mapping[str, Integers]:
        x, hours = {name: column[stores] for name, column in self.columns.items()}, self.hours
        kept = self.fleet.efficiency[stores, None]
        gain, loss = -kept * hours, hours / kept
        return {
            "stored": self._row(
                (x["stored"], 1.0), (_before(x["stored"]), -1.0), (x["charge"], gain), (x["discharge"], loss)
            ),
            "reserve power": self._row((x["reserve"], 1.0), (x["discharge"], 1.0)),
            "reserve energy": self._row(
                (x["reserve"], np.broadcast_to(self.fleet.notice_hours[stores, None], x["reserve"].shape)),
                (x["stored"], np.broadcast_to(-kept, x["stored"].shape)),
            ),
        }

    def _mining_rows(self) -> Mapping[str, Integers]:
        mine, restart = (self.columns[name][self.fleet.mining_mw > 0] for name in ("mine", "restart"))
        return {"restart": self._row((restart, 1.0), (mine, -1.0), (_before(mine), 1.0))}

    @cached_property
    def matrix(self) -> Matrix:
        """The coefficients of all rows."""
        rows = np.concatenate([numbers.ravel() for numbers, _ in self._terms])
        columns = np.concatenate([column.ravel() for _, (column, _) in self._terms])
        values = np.concatenate([np.broadcast_to(value, column.shape).ravel() for _, (column, value) in self._terms])
        order = np.flatnonzero(columns != ABSENT)
        order = order[np.argsort(rows[order], kind="stable")]
        starts = np.searchsorted(rows[order], np.arange(self.row_count + 1))
        return Matrix(starts.astype(np.int32), columns[order].astype(np.int32), values[order].astype(np.float64))

    def numbers(self, outlook: Outlook, state: State, *, budget_mw: Floats, stored_at_end: Floats) -> Numbers:
        """Costs and bounds: import above `budget_mw` (S,) raises the peak that is paid for, and at the end the
        batteries hold at least `stored_at_end` (S,), or what they can reach of it."""
        cost, lower, upper = self._column_numbers(outlook, state, budget_mw, stored_at_end)
        row_lower, row_upper = self._row_numbers(outlook, state)
        resold = float((outlook.resale * self._block(outlook) * self.hours).sum())
        return Numbers(cost, lower, upper, row_lower, row_upper, resold)

    def _block(self, outlook: Outlook) -> Floats:
        fleet = self.fleet
        reachable = fleet.interconnect_mw[:, None] * outlook.grid
        return np.minimum(fleet.block_mw[:, None], reachable)

    def _column_numbers(
        self, outlook: Outlook, state: State, budget_mw: Floats, stored_at_end: Floats
    ) -> tuple[Floats, Floats, Floats]:
        fleet, hours = self.fleet, self.hours
        numbers = np.zeros(self.column_count), np.zeros(self.column_count), np.full(self.column_count, UNLIMITED)
        end = np.zeros_like(outlook.price)
        end[:, -1] = reachable_mwh(fleet, state, hours=float(hours.sum()), wanted=stored_at_end)
        unnoticed = np.minimum(outlook.promised_mw, outlook.surplus_mw)
        kept_up = np.maximum((fleet.secure_mw - fleet.firm_mw)[:, None], unnoticed)
        surplus = np.where(fleet.battery_mw[:, None] > 0, outlook.surplus_mw, np.minimum(outlook.surplus_mw, kept_up))
        exported = fleet.export_mw[:, None] * (outlook.resale > 0)
        power, energy = fleet.battery_mw[:, None], fleet.battery_mwh[:, None]
        mined, ramp = fleet.mining_mw[..., None], fleet.ramp_mw_per_hour[..., None] * hours
        worth = outlook.mining_usd_per_mwh[..., None] * hours
        every: Sequence[tuple[str, Floats | float, Floats | float, Floats | float]] = (
            ("block", outlook.resale * hours, 0.0, self._block(outlook)),
            ("spot", outlook.price * hours, 0.0, fleet.interconnect_mw[:, None] * outlook.grid),
            ("export", -outlook.resale * hours, 0.0, exported),
            ("renewable", 0.0, 0.0, outlook.renewable_mw),
            ("charge", 0.0, 0.0, power),
            ("discharge", fleet.wear_usd_per_mwh[:, None] * hours, 0.0, power),
            ("stored", 0.0, end, energy),
            ("reserve", 0.0, 0.0, power),
            ("surplus", -outlook.surplus_usd_per_mwh[:, None] * hours, unnoticed, surplus),
            ("short", SHORT_USD_PER_MWH * hours, 0.0, outlook.firm_mw + unnoticed),
            ("mine", -worth, 0.0, mined),
            ("restart", fleet.restart_usd_per_mw[..., None], 0.0, ramp),
            ("peak", fleet.demand_usd_per_mw, np.maximum(state.peak_mw, budget_mw), UNLIMITED),
        )
        for name, *values in every:
            places = self.columns[name]
            there = places != ABSENT
            for into, value in zip(numbers, values, strict=True):
                into[places[there]] = np.broadcast_to(value, places.shape)[there]
        return numbers

    def _row_numbers(self, outlook: Outlook, state: State) -> tuple[Floats, Floats]:
        fleet = self.fleet
        lower, upper = np.zeros(self.row_count), np.zeros(self.row_count)
        blocks, stores = fleet.block_mw > 0, fleet.battery_mw > 0
        noticed = np.maximum((fleet.secure_mw - fleet.firm_mw)[:, None], outlook.promised_mw)
        limits: dict[str, Floats] = {
            "interconnect": (fleet.interconnect_mw[:, None] * outlook.grid)[blocks],
            "notice": noticed[stores],
            "reserve power": fleet.battery_mw[stores, None],
            "reserve energy": np.zeros(1),
        }
        for name, limit in limits.items():
            lower[self.rows[name]], upper[self.rows[name]] = -UNLIMITED, limit
        for name in ("peak", "restart"):
            upper[self.rows[name]] = UNLIMITED
        lower[self.rows["balance"]] = upper[self.rows["balance"]] = outlook.firm_mw
        running, stored = self.rows["restart"], self.rows["stored"]
        lower[running[:, 0]] = -np.minimum(state.mining_mw, fleet.mining_mw)[fleet.mining_mw > 0]
        lower[stored[:, 0]] = upper[stored[:, 0]] = np.clip(state.stored_mwh, 0.0, fleet.battery_mwh)[stores]
        for region, demand in enumerate(outlook.demand_mw if outlook.demand_mw is not None else ()):
            if f"demand {region}" in self.rows:
                unnoticed = np.minimum(outlook.promised_mw, outlook.surplus_mw)[fleet.region == region].sum(axis=0)
                row = self.rows[f"demand {region}"]
                lower[row], upper[row] = -UNLIMITED, np.maximum(demand, unnoticed)
        return lower, upper


def reachable_mwh(fleet: Fleet, state: State, *, hours: float, wanted: Floats) -> Floats:
    """What of `wanted` the batteries can certainly hold in so many hours: charging may be slow, or the grid weak."""
    charged = state.stored_mwh + 0.9 * fleet.efficiency * fleet.battery_mw * hours
    return np.clip(np.minimum(wanted, charged), 0.0, fleet.battery_mwh)


def _before(columns: Integers) -> Integers:
    """The columns of the step before, with none before the first."""
    return np.concatenate([np.full_like(columns[..., :1], ABSENT), columns[..., :-1]], axis=-1)
