"""
Planning again and again: every quarter of an hour for the day ahead, and once a day for the rest of the billing period.

The two levels are one idea: a demand charge is paid on a whole period's highest import, so a plan that sees a day only
would pay all of it for that day's gain and do worse than no plan. The long plan decides how high import may go (the
budget); the short one runs under it and pays only for what it goes beyond.
"""

from dataclasses import dataclass

import numpy as np

from energy.planning.plans import Plan, Targets, plan_of
from energy.planning.problem import Fleet, Floats, Integers, Outlook, State
from energy.planning.program import Program
from energy.planning.rules import by_rule
from energy.planning.solver import Solver, Unsolved

KEPT_SHARE = 0.3  # of a battery, at the end of a plan: the hours behind it want something too


@dataclass(frozen=True)
class Decision:
    """What to do now; the plan it is the first step of, or why it is the rule's."""

    targets: Targets
    plan: Plan | None = None
    reason: str = ""


class Rolling:
    """Plans for a fleet, over steps that take `lengths` (their number is T) of the outlook's own together: short ones
    first, longer ones for what is far. `step_hours` is the outlook's own step."""

    def __init__(self, fleet: Fleet, *, lengths: Integers, step_hours: float, regions: int = 0) -> None:
        self.fleet, self.lengths, self.regions = fleet, lengths, regions
        self.budget_mw: Floats = np.zeros(fleet.sites)
        self._solver = Solver(Program(fleet, np.asarray(lengths * step_hours, np.float64), regions=regions))

    @property
    def horizon(self) -> int:
        """How many of the outlook's own steps a plan looks ahead."""
        return int(self.lengths.sum())

    def set_budget(self, outlook: Outlook, state: State, *, lengths: Integers) -> Plan:
        """Plan to the end of the billing period, which is where `outlook` ends, and run under its peak from now on;
        raises Unsolved and keeps the budget."""
        coarse = outlook.over(lengths)
        program = Program(self.fleet, coarse.hours, regions=self.regions)
        numbers = program.numbers(
            coarse, state, budget_mw=np.zeros(self.fleet.sites), stored_at_end=KEPT_SHARE * self.fleet.battery_mwh
        )
        plan = plan_of(program, Solver(program).solve(numbers))
        self.budget_mw = plan.peak_mw
        return plan

    def plan(self, outlook: Outlook, state: State, *, stored_at_end: Floats | None = None) -> Plan:
        """The best plan for the next `horizon` steps of `outlook`; raises Unsolved."""
        program = self._solver.program
        numbers = program.numbers(
            outlook.window(0, self.horizon).over(self.lengths), state, budget_mw=self.budget_mw,
            stored_at_end=KEPT_SHARE * self.fleet.battery_mwh if stored_at_end is None else stored_at_end,
        )  # fmt: skip
        return plan_of(program, self._solver.solve(numbers))

    def decide(self, outlook: Outlook, state: State, *, seen: Floats) -> Decision:
        """What to do now, by plan or else by rule."""
        try:
            plan = self.plan(outlook, state)
        except Unsolved as failed:
            return Decision(by_rule(self.fleet, outlook, state, seen=seen), reason=f"no plan: {failed}")
        return Decision(plan.first(), plan)


def perfect(fleet: Fleet, actual: Outlook, state: State, *, stored_at_end: Floats) -> Plan:
    """What could have been done at best, everything being known: the bound that policies are measured against."""
    program = Program(fleet, actual.hours, regions=0 if actual.demand_mw is None else len(actual.demand_mw))
    numbers = program.numbers(actual, state, budget_mw=np.zeros(fleet.sites), stored_at_end=stored_at_end)
    return plan_of(program, Solver(program, seconds=1800).solve(numbers))
