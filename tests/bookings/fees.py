"""What is kept of time that is handed back, and what comes back of it later, reckoned by hand from the price list."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.bookings.notes import HOUR, MICROS_PER_NODE_SECOND, SECOND, Booking, Months, by_month, full_hour

# The published schedule. Per cent that are kept of the price, by the time that is left before the start.
KEPT_BEFORE = ((12 * HOUR, 0), (3 * HOUR, 30), (timedelta(0), 55))
KEPT_IN_USE = 45
RESALE = 40  # per cent of the price of what others use, at most what was kept
COUNTED_AFTER = timedelta(minutes=1)  # an hour that others used is counted once it is over for so long


@dataclass
class Freed:
    """Time of a lease that was handed back, what was kept for it, and what came back when."""

    lease: int
    who: int
    project: str
    nodes: frozenset[int]
    since: datetime
    until: datetime
    at: datetime
    kind: str
    kept_percent: int
    credits: list[tuple[datetime, int]] = field(default_factory=list)

    @property
    def fee_micros(self) -> int:
        """Kept of its price."""
        return self.kept_percent * self.price_micros(self.until) // 100

    @property
    def costs_micros(self) -> int:
        """The fee, less what came back of it."""
        return self.fee_micros - sum(micros for _, micros in self.credits)

    def price_micros(self, until: datetime) -> int:
        """Of the time up to then."""
        return len(self.nodes) * ((until - self.since) // SECOND) * MICROS_PER_NODE_SECOND

    def spends(self) -> Months:
        """The fee in the months of the time that it is for; what came back, in the months in which it did."""
        price = by_month(len(self.nodes), self.since, self.until)
        found = Months({month: self.kept_percent * micros // 100 for month, micros in price.items()})
        for at, micros in self.credits:
            found[at.year, at.month] -= micros
        return found

    def credit(self, bookings: Mapping[int, Booking], now: datetime) -> None:
        """Give back what others' use brings by now, hour by hour and up to the end: all of it, less what came before"""
        upto = self.until if self.until <= now - COUNTED_AFTER else full_hour(now - COUNTED_AFTER)
        others = [row for key, row in bookings.items() if key != self.lease]
        worth = self.used_seconds(others, upto) * MICROS_PER_NODE_SECOND * RESALE // 100
        if (more := min(worth, self.fee_micros) - self.fee_micros + self.costs_micros) > 0:
            self.credits.append((now, more))

    def used_seconds(self, others: Iterable[Booking], upto: datetime) -> int:
        """Node-seconds of it in which other leases ran on its nodes. Cleaning and work are nobody's use."""
        found = 0
        for row in others:
            end = min(self.until, upto, row.stopped or upto)
            if row.begun and (begin := max(self.since, row.begun)) < end:
                found += len(row.nodes & self.nodes) * ((end - begin) // SECOND)
        return found


def kept_percent(row: Booking, now: datetime) -> int:
    """Of the price, if time of it is handed back now."""
    if row.begun:
        return KEPT_IN_USE
    return next(percent for ahead, percent in KEPT_BEFORE if row.starts_at - now >= ahead)
