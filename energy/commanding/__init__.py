"""
Targets in watts into miners that sleep or hash, and what came of it.

`obey` is what a plan calls; it and `look` run on a worker inside the site. `choose` and `share` are pure.
"""

from energy.commanding.choosing import Order, Unit, choose, load, made_up, share, staggered
from energy.commanding.judging import MinerRead, Report, judge
from energy.commanding.keeping import miners_of, unit_of
from energy.commanding.obeying import Meter, look, obey
from energy.commanding.sending import Limits

__all__ = [
    "Limits", "Meter", "MinerRead", "Order", "Report", "Unit", "choose", "judge", "load", "look", "made_up",
    "miners_of", "obey", "share", "staggered", "unit_of",
]  # fmt: skip
