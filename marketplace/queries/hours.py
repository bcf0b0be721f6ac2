"""Which of the next hours a site has power for a node in: firm, likely, surplus, or perhaps none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Protocol

from psycopg.types.range import Range

AHEAD = 48
HOUR = timedelta(hours=1)


class Supply(Protocol):
    """The power of a site for nodes in a half-open time, in watts, each beyond those before it."""

    period: Range[datetime]
    firm_watts: int
    likely_watts: int
    surplus_watts: int


class Power(StrEnum):
    """What a node more would run on; the last ones are worse."""

    FIRM = "firm"  # there even without the largest supply
    LIKELY = "likely"  # there while no supply fails
    SURPLUS = "surplus"  # there with the usual sun and wind
    SHORT = "short"  # not expected: a surplus lease may be paused then
    UNKNOWN = "unknown"  # nobody has said


ORDER = list(Power)


@dataclass(frozen=True)
class Stretch:
    """Whole hours in a row that are alike."""

    power: Power
    since: datetime
    hours: int

    @property
    def until(self) -> datetime:
        """Where the next stretch begins."""
        return self.since + self.hours * HOUR


def stretches(supplies: Sequence[Supply], *, watts: int, now: datetime) -> list[Stretch]:
    """
    The next 48 hours from the present one on, each as good as its worst minute that is not over. `watts` is what all
    nodes together draw then, with those that are asked about.
    """
    first = now.replace(minute=0, second=0, microsecond=0)
    hours = [first + number * HOUR for number in range(AHEAD)]
    each = [(hour, _worst(supplies, watts, max(hour, now), hour + HOUR)) for hour in hours]
    alike = [list(same) for _, same in groupby(each, key=lambda hour: hour[1])]
    return [Stretch(same[0][1], same[0][0], len(same)) for same in alike]


def _worst(supplies: Sequence[Supply], watts: int, since: datetime, until: datetime) -> Power:
    mine = [supply for supply in supplies if _touches(supply.period, since, until)]
    known = sum((_shared(supply.period, since, until) for supply in mine), timedelta())
    found = [_power(supply, watts) for supply in mine]
    return max(found, key=ORDER.index) if known == until - since else Power.UNKNOWN


def _power(supply: Supply, watts: int) -> Power:
    left = watts - supply.firm_watts
    if left <= 0:
        return Power.FIRM
    if left <= supply.likely_watts:
        return Power.LIKELY
    return Power.SURPLUS if left <= supply.likely_watts + supply.surplus_watts else Power.SHORT


def _touches(period: Range[datetime], since: datetime, until: datetime) -> bool:
    return _shared(period, since, until) > timedelta()


def _shared(period: Range[datetime], since: datetime, until: datetime) -> timedelta:
    begin, end = max(period.lower or since, since), min(period.upper or until, until)
    return max(timedelta(), end - begin)
