"""A calendar of an offer: for each hour of some days, as the clocks of a place count them, how many nodes are free."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from marketplace.models import Offer
from marketplace.queries.firm import Level, levels
from marketplace.queries.windows import Window, free_gaps

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Hour:
    """One hour of a place's clocks, UTC, and how many nodes are free for all of it."""

    starts_at: datetime
    ends_at: datetime
    free: int


@dataclass(frozen=True)
class Day:
    """One day of a place: 24 hours, 23 when its clocks are set forward in it, 25 when they are set back."""

    date: date
    hours: list[Hour]


def calendar(
    *, offer: Offer, starts_on: date, days: int, zone: ZoneInfo, now: datetime, same_fabric: bool = False
) -> list[Day]:
    """
    The days from `starts_on` on, in `zone`. Two queries.

    A node counts for an hour if it is free from the hour's first second to its last, and no more of them count than the
    site has firm power for; what a lease needs behind that (cleaning, its shortest length) is left to the search. Hours
    that have begun count nothing. With `same_fabric` those of the fabric group count that has most free in the hour.
    """
    dates = [starts_on + timedelta(days=n) for n in range(days)]
    spans = {day: hours_of(day, zone) for day in dates}
    hours = [span for day in dates for span in spans[day]]
    reach = Window(max(now, hours[0].starts_at), hours[-1].ends_at)
    groups = free_gaps(offer=offer, reach=reach, now=now, same_fabric=same_fabric)
    left = levels(offers=[offer.pk], starts_at=reach.starts_at, until=reach.ends_at, now=now)
    most = [max(counts) for counts in zip(*(_counts(hours, gaps) for gaps in groups or [[]]), strict=True)]
    counts = iter(_powered(hours, most, left.get(offer.pk, ())))
    return [Day(day, [Hour(span.starts_at, span.ends_at, next(counts)) for span in spans[day]]) for day in dates]


def hours_of(day: date, zone: ZoneInfo) -> list[Window]:
    """The hours between two midnights of a zone; where clocks are set by half an hour, the last one is as short."""
    start, end = _first_moment(day, zone), _first_moment(day + timedelta(days=1), zone)
    starts = [start + n * HOUR for n in range(-((start - end) // HOUR))]
    return [Window(at, min(at + HOUR, end)) for at in starts]


def _first_moment(day: date, zone: ZoneInfo) -> datetime:
    """Of a day, UTC: its first midnight, or where clocks pass over it, the moment at which they do (fold=0 is both)."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _counts(hours: Sequence[Window], gaps: Iterable[Window]) -> list[int]:
    """For each hour, how many of the gaps cover it whole."""
    starts, ends = [hour.starts_at for hour in hours], [hour.ends_at for hour in hours]
    steps = [0] * (len(hours) + 1)
    for gap in gaps:
        first, behind = bisect_left(starts, gap.starts_at), bisect_right(ends, gap.ends_at)
        if first < behind:
            steps[first] += 1
            steps[behind] -= 1
    return list(accumulate(steps))[:-1]


def _powered(hours: Sequence[Window], counts: Sequence[int], left: Iterable[Level]) -> list[int]:
    """The counts, each no more than there is power for in the worst minute of its hour."""
    starts, ends, found = [hour.starts_at for hour in hours], [hour.ends_at for hour in hours], list(counts)
    for level in left:
        for place in range(bisect_right(ends, level.starts_at), bisect_left(starts, level.ends_at)):
            found[place] = min(found[place], level.nodes)
    return found
