"""
Who used which energy: the published rule, in whole numbers.

In each hour everything that a site is supplied with is one pool: the grid, its own sun and wind, and what its battery
gives. Whoever draws from the pool, the battery included, gets a part of its energy, of its renewable energy and of its
carbon in proportion to what they draw. What is lost on the way is carried in the same proportion. The battery keeps a
mix of its own. Nothing is rounded away: the parts of an hour sum to the whole, to the last watt-hour and microgram.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Energy:
    """
    Energy and what it is made of: watt-hours, those of them that are renewable, and micrograms of CO2-equivalent, by
    the grid's mix where it stands and, apart from that, by the contracts for it.
    """

    wh: int = 0
    renewable_wh: int = 0
    location_ug: int = 0
    market_ug: int = 0

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Energy") -> "Energy":
        return Energy(*(one - two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def part(self, wh: int) -> "Energy":
        """So many of its watt-hours with their share of the rest, rounded down: what stays is `self - part`."""
        if wh >= self.wh:
            return self
        return Energy(wh, *(amount * wh // self.wh for amount in astuple(self)[1:]))


@dataclass(frozen=True)
class Hour:
    """What became of an hour: each user's part, and what the battery holds at its end."""

    parts: Mapping[str, Energy]
    battery: Energy


def share(total: int, weights: Sequence[int]) -> list[int]:
    """
    A whole number in whole parts by weight, which sum to it: each is rounded down, and what is left goes by ones to the
    largest remainders, the first of equal ones first. All zero weights get nothing.
    """
    whole = sum(weights)
    if whole == 0:
        return [0 for _ in weights]
    parts, rests = zip(*(divmod(total * weight, whole) for weight in weights), strict=True)
    left = total - sum(parts)
    lucky = set(sorted(range(len(weights)), key=lambda place: -rests[place])[:left])
    return [part + (place in lucky) for place, part in enumerate(parts)]


def allocate(
    *, supplied: Sequence[Energy], used: Mapping[str, int], charged_wh: int, drawn_wh: int, battery: Energy
) -> Hour:
    """
    Divide an hour. `supplied` is what came in from outside the battery; `used` the watt-hours that each user drew, at
    the meter; `charged_wh` what went into the battery; `drawn_wh` how much less the battery holds for what it gave.
    Where nobody draws what is supplied, the battery keeps it.
    """
    out = battery.part(drawn_wh)
    pool = sum(supplied, out)
    names, weights = [*used], [*used.values(), charged_wh]
    if not any(weights):
        return Hour({name: Energy() for name in names}, battery - out + pool)
    columns = [share(amount, weights) for amount in astuple(pool)]
    parts = [Energy(*row) for row in zip(*columns, strict=True)]
    return Hour(dict(zip(names, parts, strict=False)), battery - out + parts[-1])
