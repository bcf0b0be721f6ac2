"""
What sites should do with their power: problems, plans, the rule without a plan, and the limits that hold in any case.

Pure: numbers in, numbers out; no database, no clock, no network. `problem` says what is given, `rolling` decides,
`executing` keeps the promises, `shedding` finds whom a grid event touches.
"""

from energy.planning.executing import Done, bearable, execute, startable
from energy.planning.forecasting import Forecast, filled
from energy.planning.plans import Plan, Targets
from energy.planning.problem import Battery, Fleet, Floats, Integers, MiningClass, Outlook, Site, State
from energy.planning.rolling import Decision, Rolling, perfect
from energy.planning.rules import by_rule
from energy.planning.solver import Unsolved

__all__ = [
    "Battery", "Decision", "Done", "Fleet", "Floats", "Forecast", "Integers", "MiningClass", "Outlook", "Plan",
    "Rolling", "Site", "State", "Targets", "Unsolved", "bearable", "by_rule", "execute", "filled", "perfect",
    "startable",
]  # fmt: skip
