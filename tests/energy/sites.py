"""Small sites to plan for: an hour a step, prices that a reader can follow."""

from dataclasses import replace

import numpy as np

from energy.planning import Battery, Fleet, Floats, MiningClass, Outlook, Site, State

WORTH = np.array([[90.0, 50.0]])  # $/MWh of the two classes of miners
A_SITE = Site(
    "Georgia", interconnect_mw=50, secure_mw=20, firm_mw=8,
    mining=(MiningClass("new", 20, 17.5, restart_usd_per_mw=0), MiningClass("old", 10, 29.5, restart_usd_per_mw=0)),
)  # fmt: skip
A_BATTERY = Battery(10, 20, efficiency=1.0, wear_usd_per_mwh=0)


def outlook(*prices: float, **given: Floats | float) -> Outlook:
    """Hours at these prices, 6 MW of firm load, no surplus, no resale; `given` replaces what it names."""
    shape = (1, len(prices))
    row = {"resale": 0.0, "grid": 1.0, "renewable_mw": 0.0, "firm_mw": 6.0, "surplus_mw": 0.0, "promised_mw": 0.0}
    return Outlook(
        hours=np.ones(len(prices)), price=np.array([prices], np.float64), surplus_usd_per_mwh=np.array([700.0]),
        mining_usd_per_mwh=WORTH, **{name: np.full(shape, given.get(name, value)) for name, value in row.items()},
    )  # fmt: skip


def state(fleet: Fleet, *, stored: float = 0.0, peak: float = 0.0) -> State:
    """All miners on."""
    return State(np.full(fleet.sites, stored), fleet.mining_mw, np.full(fleet.sites, peak))


def fleet(**given: object) -> Fleet:
    """The site, with changes."""
    return Fleet.of([replace(A_SITE, **given)])  # type: ignore[arg-type]
