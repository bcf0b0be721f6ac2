"""What comes out: what each site should do in each step, and what that is worth."""

from dataclasses import dataclass

from energy.planning.problem import Floats
from energy.planning.program import Program
from energy.planning.solver import Answer


@dataclass(frozen=True)
class Targets:
    """What sites are told to do in one step, MW: shape (S, K) for mining and (S,) for the rest."""

    mining_mw: Floats
    surplus_mw: Floats
    charge_mw: Floats
    discharge_mw: Floats


@dataclass(frozen=True)
class Plan:
    """
    MW of each use and source, shape (S, T), mining (S, K, T); `stored_mwh` is at the end of each step.

    `peak_mw` (S,) is the import the plan stays under. `internal_usd_per_mwh` is what one more MWh at the site would
    cost in that step, all limits considered: the floor under any price of energy there. `value_usd` is what the plan
    brings over its hours, demand charge taken off.
    """

    mining_mw: Floats
    surplus_mw: Floats
    charge_mw: Floats
    discharge_mw: Floats
    stored_mwh: Floats
    import_mw: Floats
    export_mw: Floats
    renewable_mw: Floats
    short_mw: Floats
    peak_mw: Floats
    internal_usd_per_mwh: Floats
    value_usd: float

    def first(self) -> Targets:
        """What to do now."""
        return self.at(0)

    def at(self, step: int) -> Targets:
        """What to do in one of the plan's steps."""
        return Targets(
            mining_mw=self.mining_mw[:, :, step], surplus_mw=self.surplus_mw[:, step],
            charge_mw=self.charge_mw[:, step], discharge_mw=self.discharge_mw[:, step],
        )  # fmt: skip


def plan_of(program: Program, answer: Answer) -> Plan:
    """The solver's columns under their names."""

    def of(name: str) -> Floats:
        return answer.columns[program.columns[name]]

    return Plan(
        mining_mw=of("mine"), surplus_mw=of("surplus"), charge_mw=of("charge"), discharge_mw=of("discharge"),
        stored_mwh=of("stored"), import_mw=of("block") + of("spot"), export_mw=of("export"),
        renewable_mw=of("renewable"), short_mw=of("short"), peak_mw=of("peak"),
        internal_usd_per_mwh=answer.duals[program.rows["balance"]] / program.hours, value_usd=answer.value,
    )  # fmt: skip
