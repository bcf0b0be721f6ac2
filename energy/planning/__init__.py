"""
What sites should do with their power: problems, plans, the rule without a plan, and the limits that hold in any case.

Pure: numbers in, numbers out; no database, no clock, no network. `problem` says what is given, `rolling` decides,
`executing` keeps the promises, `shedding` finds whom a grid event touches.
"""

from energy.planning.executing import Done, bearable, execute, startable
from energy.planning.forecasting import Forecast, filled
from energy.planning.noticing import Notices
from energy.planning.plans import Plan, Targets
from energy.planning.problem import Battery, Fleet, Floats, Integers, MiningClass, Outlook, Site, State
from energy.planning.rolling import Decision, Rolling, perfect
from energy.planning.rules import by_rule
from energy.planning.shedding import Cut, Load, Running, Shed, SurplusLease, Use, shed
from energy.planning.solver import Unsolved

__all__ = [
    "Battery", "Cut", "Decision", "Done", "Fleet", "Floats", "Forecast", "Integers", "Load", "MiningClass",
    "Notices", "Outlook", "Plan", "Rolling", "Running", "Shed", "Site", "State", "SurplusLease", "Targets",
    "Unsolved", "Use", "bearable", "by_rule", "execute", "filled", "perfect", "shed", "startable",
]  # fmt: skip
