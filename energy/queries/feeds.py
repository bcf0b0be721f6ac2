"""What feeds told, and how old that is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from django.db.models import QuerySet

from energy.models import Feed, Reading


@dataclass(frozen=True)
class Told:
    """A feed's value at a moment: the reading of that time or, `stale` or not, the last one before; None: never any."""

    feed: Feed
    reading: Reading | None
    stale: bool
    age: timedelta | None  # since its time was over; zero while it lasts

    @property
    def value(self) -> int | None:
        """In the unit of the feed's kind."""
        return self.reading.value if self.reading else None


def told_at(feeds: Iterable[Feed], *, now: datetime) -> list[Told]:
    """What each of the feeds says of this moment, in one statement."""
    known = list(feeds)
    begun = Reading.objects.filter(feed__in=known, starts_at__lte=now)
    last = {row.feed_id: row for row in begun.order_by("feed_id", "-starts_at").distinct("feed_id")}
    return [_told(feed, last.get(feed.pk), now) for feed in known]


def value_at(feed: Feed, *, now: datetime) -> Told:
    """As `told_at`, of one feed."""
    return told_at([feed], now=now)[0]


def all_feeds() -> QuerySet[Feed]:
    """Every feed with what it is of."""
    return Feed.objects.select_related("site", "grid_zone")


def within(feed: Feed, *, since: datetime, until: datetime) -> QuerySet[Reading]:
    """What it told of any part of a half-open time."""
    return Reading.objects.filter(feed=feed, starts_at__lt=until, ends_at__gt=since)


def mean(feed: Feed, *, since: datetime, until: datetime) -> Fraction | None:
    """The value over a half-open time, weighted by how long each held; None where a part of it was not told."""
    total, reached = Fraction(0), since
    for row in within(feed, since=since, until=until).order_by("starts_at"):
        if row.starts_at > reached:
            return None
        end = min(row.ends_at, until)
        if end > reached:
            total += row.value * Fraction((end - reached) // MICROSECOND)
            reached = end
    return total / ((until - since) // MICROSECOND) if reached >= until else None


MICROSECOND = timedelta(microseconds=1)


def _told(feed: Feed, reading: Reading | None, now: datetime) -> Told:
    if reading is None:
        return Told(feed, None, stale=True, age=None)
    return Told(feed, reading, feed.is_stale(reading, now), max(now - reading.ends_at, timedelta(0)))
