"""
What a plan is made of: sites, what is expected of the hours ahead, and where things stand.

Power is MW at the grid meter, so cooling and other house load are inside every figure (`economics.at_the_meter`);
energy is MWh, money is US dollars. Arrays name their shape: S sites, T steps, K mining classes, R regions. These are
estimates of the world, not accounts: floats, and never posted to a ledger.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

UNLIMITED = float("inf")


@dataclass(frozen=True)
class Battery:
    """A store of energy. `efficiency` is one way; `wear_usd_per_mwh` is paid for each MWh discharged."""

    power_mw: float
    energy_mwh: float
    efficiency: float = 0.94
    wear_usd_per_mwh: float = 8.0


@dataclass(frozen=True)
class MiningClass:
    """Machines of one efficiency. `restart_usd_per_mw` is power that is paid for while a restarted machine earns
    nothing yet; `ramp_mw_per_hour` bounds how fast they come back (off is always immediate)."""

    name: str
    power_mw: float
    joules_per_terahash: float
    restart_usd_per_mw: float = 20.0
    ramp_mw_per_hour: float = UNLIMITED


@dataclass(frozen=True)
class Site:
    """
    What stands at a site, and its contracts.

    `secure_mw` is the import that stays when the worst happens that the site is run for: its largest element is lost
    (N-1), or the grid sheds load. `block_mw` is bought whether it is used or not (take-or-pay, or a customer baseline)
    and what is not used of it is resold. `firm_mw` is what was sold as firm, house load included. `notice_hours` is
    the longest notice of its surplus leases. `demand_usd_per_mw` is paid on a billing period's highest import.
    """

    name: str
    interconnect_mw: float
    secure_mw: float
    firm_mw: float
    mining: tuple[MiningClass, ...] = ()
    battery: Battery | None = None
    block_mw: float = 0.0
    export_mw: float = 0.0
    notice_hours: float = 0.5
    demand_usd_per_mw: float = 0.0
    region: int = 0


@dataclass(frozen=True)
class Fleet:
    """Sites as rows of arrays, shape (S,) or (S, K); a site with fewer mining classes has classes of 0 MW."""

    interconnect_mw: Floats
    secure_mw: Floats
    firm_mw: Floats
    block_mw: Floats
    export_mw: Floats
    notice_hours: Floats
    demand_usd_per_mw: Floats
    region: Integers
    battery_mw: Floats
    battery_mwh: Floats
    efficiency: Floats
    wear_usd_per_mwh: Floats
    mining_mw: Floats
    restart_usd_per_mw: Floats
    ramp_mw_per_hour: Floats

    @classmethod
    def of(cls, sites: Sequence[Site]) -> "Fleet":
        """The sites in their order."""
        batteries = [site.battery or Battery(0.0, 0.0) for site in sites]
        plain = (
            "interconnect_mw",
            "secure_mw",
            "firm_mw",
            "block_mw",
            "export_mw",
            "notice_hours",
            "demand_usd_per_mw",
        )
        return cls(
            **{name: _column(sites, name) for name in plain},
            region=np.array([site.region for site in sites], np.int64),
            battery_mw=_column(batteries, "power_mw"), battery_mwh=_column(batteries, "energy_mwh"),
            efficiency=_column(batteries, "efficiency"), wear_usd_per_mwh=_column(batteries, "wear_usd_per_mwh"),
            mining_mw=_by_class(sites, "power_mw", absent=0.0),
            restart_usd_per_mw=_by_class(sites, "restart_usd_per_mw", absent=0.0),
            ramp_mw_per_hour=_by_class(sites, "ramp_mw_per_hour", absent=UNLIMITED),
        )  # fmt: skip

    @property
    def sites(self) -> int:
        """S."""
        return len(self.interconnect_mw)

    @property
    def classes(self) -> int:
        """K."""
        return int(self.mining_mw.shape[1])


@dataclass(frozen=True)
class Outlook:
    """
    What is known or expected of T steps of `hours` each; everything else has shape (S, T) unless it says otherwise.

    `price` buys above the block and `resale` pays for what is not used of it and for export, $/MWh. `grid` is the share
    of the interconnect that is there. `firm_mw` draws firm leases and the house. `surplus_mw` could be leased;
    `promised_mw` of it may not be paused yet, its notice being out. `surplus_usd_per_mwh` (S,) is what a surplus lease
    brings, and `mining_usd_per_mwh` (S, K) a machine. `demand_mw` (R, T) bounds the surplus of each region's sites.
    """

    hours: Floats
    price: Floats
    resale: Floats
    grid: Floats
    renewable_mw: Floats
    firm_mw: Floats
    surplus_mw: Floats
    promised_mw: Floats
    surplus_usd_per_mwh: Floats
    mining_usd_per_mwh: Floats
    demand_mw: Floats | None = None

    @property
    def steps(self) -> int:
        """T."""
        return len(self.hours)

    def over(self, lengths: Integers) -> "Outlook":
        """The same with neighbouring steps taken together, `lengths` of them at a time, at their average."""
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        hours = np.add.reduceat(self.hours, starts)
        joined = {name: np.add.reduceat(value * self.hours, starts, axis=1) / hours for name, value in self._timed()}
        return replace(self, hours=hours, **joined)

    def window(self, first: int, steps: int) -> "Outlook":
        """So many steps from `first` on; behind the end the last step goes on."""
        places = np.minimum(np.arange(first, first + steps), self.steps - 1)
        return replace(self, hours=self.hours[places], **{name: value[:, places] for name, value in self._timed()})

    def _timed(self) -> Iterator[tuple[str, Floats]]:
        for name in TIMED:
            if (value := getattr(self, name)) is not None:
                yield name, value


TIMED = (
    "price", "resale", "grid", "renewable_mw", "firm_mw", "surplus_mw", "promised_mw", "demand_mw",
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """Where things stand: stored energy (S,), miners that run (S, K), and the import peak of the period so far (S,)."""

    stored_mwh: Floats
    mining_mw: Floats
    peak_mw: Floats


def _column(parts: Sequence[object], name: str) -> Floats:
    return np.array([getattr(part, name) for part in parts], np.float64)


def _by_class(sites: Sequence[Site], name: str, *, absent: float) -> Floats:
    most = max((len(site.mining) for site in sites), default=0)
    table = np.full((len(sites), most), absent)
    for row, site in enumerate(sites):
        table[row, : len(site.mining)] = [getattr(kind, name) for kind in site.mining]
    return table
