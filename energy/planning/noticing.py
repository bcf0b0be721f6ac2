"""
When surplus leases are told to pause, and what they were promised until then: for fleets, a site's leases as one.

The site keeps what carries its surplus through notice (`executing`), so a loss that is seen a step late can still be
noticed in time, if the notice goes out at once and whole: everything beyond what the secured import carries is told
to pause as soon as the grid is weak or the battery holds less than it must. What was told to pause does pause, and
starts again only when it could be carried again; otherwise flickering supply would use one reserve twice.
"""

import numpy as np

from energy.planning.executing import bearable
from energy.planning.problem import Fleet, Floats, Integers, State


class Notices:
    """Surplus that runs at each site and what it was told; `steps` (S,) is how long the notice is. The fleet's
    `notice_hours` must be one step more: until a loss is seen."""

    def __init__(self, fleet: Fleet, steps: Integers) -> None:
        self._fleet, self._steps = fleet, steps
        self._wait = np.zeros(fleet.sites, np.int64)  # steps until what was told comes into force
        self._told = np.zeros(fleet.sites)
        self.running_mw: Floats = np.zeros(fleet.sites)

    @property
    def promised_mw(self) -> Floats:
        """What may not be paused in this step (S,)."""
        promised: Floats = np.where(self._wait > 0, self.running_mw, self._told)
        return promised

    def tell(self, *, wanted_mw: Floats, state: State, grid: Floats) -> None:
        """Begin a step: give notices, start leases. `grid` (S,) is the share that was there in the step before."""
        secured = np.maximum(self._fleet.secure_mw - self._fleet.firm_mw, 0.0)
        self.running_mw = np.where(self._wait == 0, self._told, self.running_mw)
        bears = bearable(self._fleet, state)
        calm = (grid >= 1) & (bears >= self.running_mw - 1e-9)
        goal = np.where(calm, np.minimum(wanted_mw, bears), np.minimum(self._told, secured))
        free = calm & (self._wait == 0)
        starts, pauses = free & (goal > self.running_mw), (free | ~calm) & (goal < self._told)
        self._told = np.where(starts | pauses, goal, self._told)
        self.running_mw = np.where(starts, goal, self.running_mw)
        self._wait = np.where(pauses, self._steps, self._wait)

    def pass_step(self) -> None:
        """End a step."""
        self._wait = np.maximum(self._wait - 1, 0)
