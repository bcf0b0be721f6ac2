"""
Whom a site turns down when it has to use less, and when: for a grid event, a lost feed, a peak.

The order is fixed: charging and miners (least worth first), the battery, nodes that nobody leases, and surplus leases
after their notice, cheapest credit first and each within its budget of interruption. On-demand and reserved leases are
not in the list at all: what cannot be met without them stays `missing_mw`, and the grid operator is told so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

TINY = 1e-9  # MW: less is met


class Use(StrEnum):
    """What can be turned down, in this order."""

    CHARGING = "charging"
    MINING = "mining"
    BATTERY = "battery"
    IDLE = "idle"
    SURPLUS = "surplus"


@dataclass(frozen=True)
class Running:
    """A use that could be turned down: MW at the meter, and what a MWh of it is worth in $."""

    name: str
    mw: float
    usd_per_mwh: float = 0.0


@dataclass(frozen=True)
class SurplusLease:
    """A running lease that may be paused `notice_hours` after it is told, for `budget_hours` more at most; each hour of
    pause credits `credit_usd_per_hour`."""

    name: str
    mw: float
    notice_hours: float
    credit_usd_per_hour: float
    budget_hours: float


@dataclass(frozen=True)
class Load:
    """What runs at a site apart from firm leases and the house. The battery's `spare_mw` is what it could discharge on
    top of what it does, `spare_mwh` how much of that it holds beyond its reserve, and `wear_usd_per_mwh` what giving a
    MWh costs it. Nodes on which nobody is (`idle`) are switched off whole."""

    charging_mw: float = 0.0
    mining: tuple[Running, ...] = ()
    spare_mw: float = 0.0
    spare_mwh: float = 0.0
    wear_usd_per_mwh: float = 0.0
    idle: tuple[Running, ...] = ()
    surplus: tuple[SurplusLease, ...] = ()


@dataclass(frozen=True)
class Cut:
    """So many MW less of one use from `after_hours` on until the end; `usd` is what that forgoes or credits, energy
    not counted."""

    use: Use
    name: str
    mw: float
    after_hours: float
    usd: float


@dataclass(frozen=True)
class Shed:
    """The cuts in their order; `missing_at_once_mw` is not met before surplus leases' notice is out, and `missing_mw`
    not after it either."""

    cuts: tuple[Cut, ...]
    missing_at_once_mw: float
    missing_mw: float

    @property
    def usd(self) -> float:
        """What it costs."""
        return sum(cut.usd for cut in self.cuts)


def shed(load: Load, *, mw: float, hours: float) -> Shed:
    """The cuts that take `mw` off the site's import for so many hours."""
    cuts: list[Cut] = []
    left = mw
    for cut in _at_once(load, hours):
        taken = min(cut.mw, left)
        if taken > 0:
            cuts.append(Cut(cut.use, cut.name, taken, 0.0, cut.usd * taken / cut.mw))
            left -= taken
    for part in load.idle:
        if left > TINY:
            cuts.append(Cut(Use.IDLE, part.name, part.mw, 0.0, 0.0))
            left -= part.mw
    pauses = list(_pauses(load.surplus, mw=left, hours=hours))
    after = left - sum(pause.mw for pause in pauses)
    return Shed((*cuts, *pauses), missing_at_once_mw=max(left, 0.0), missing_mw=max(after, 0.0))


def _at_once(load: Load, hours: float) -> Iterator[Cut]:
    """What needs no notice, and can be turned down in part."""
    yield Cut(Use.CHARGING, "battery", load.charging_mw, 0.0, 0.0)
    for part in sorted(load.mining, key=lambda part: part.usd_per_mwh):
        yield Cut(Use.MINING, part.name, part.mw, 0.0, part.mw * part.usd_per_mwh * hours)
    given = min(load.spare_mw, load.spare_mwh / hours)
    yield Cut(Use.BATTERY, "battery", given, 0.0, given * hours * load.wear_usd_per_mwh)


def _pauses(leases: Sequence[SurplusLease], *, mw: float, hours: float) -> Iterator[Cut]:
    """Whole leases, until enough is paused: those with the cheapest credit for a MW first."""
    for lease in sorted(leases, key=lambda lease: (lease.credit_usd_per_hour / lease.mw, lease.name)):
        paused = hours - lease.notice_hours
        if mw > TINY and 0 < paused <= lease.budget_hours:
            yield Cut(Use.SURPLUS, lease.name, lease.mw, lease.notice_hours, lease.credit_usd_per_hour * paused)
            mw -= lease.mw
