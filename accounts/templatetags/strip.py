"""The availability strip: free windows of an offer on a time axis, as SVG made on the server."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django import template

register = template.Library()

STEPS = [timedelta(hours=h) for h in (1, 2, 3, 6, 12, 24, 48, 168)]
MOST_TICKS = 8


class Window(Protocol):
    """A half-open free interval; no end means free for as long as is known."""

    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class Bar:
    """A piece of the axis: offset and width in percent of it."""

    x: float
    width: float
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Tick:
    """A mark on the axis, with its word."""

    x: float
    word: str


@register.inclusion_tag("components/availability.html")
def availability(
    windows: Iterable[Window],
    starts_at: datetime,
    until: datetime,
    wanted_from: datetime | None = None,
    wanted_until: datetime | None = None,
) -> dict[str, object]:
    """The strip from `starts_at` to `until`, with the wanted period outlined when it is given."""
    free = [bar for w in windows if (bar := _bar(w.starts_at, w.ends_at or until, starts_at, until))]
    wanted = _bar(wanted_from, wanted_until or until, starts_at, until) if wanted_from else None
    ticks = _ticks(starts_at, until)
    return {"free": free, "wanted": wanted, "ticks": ticks, "starts_at": starts_at, "until": until}


def _bar(start: datetime, end: datetime, axis_start: datetime, axis_end: datetime) -> Bar | None:
    start, end = max(start, axis_start), min(end, axis_end)
    if start >= end:
        return None
    length = axis_end - axis_start
    return Bar(round(100 * (start - axis_start) / length, 3), round(100 * (end - start) / length, 3), start, end)


def _ticks(start: datetime, until: datetime) -> list[Tick]:
    length = until - start
    step = next((s for s in STEPS if length / s <= MOST_TICKS), timedelta(days=max(1, length.days // MOST_TICKS)))
    first = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    pattern = "%-d %b" if step >= timedelta(days=1) else "%H:%M"
    moments = (first + step * n for n in range(1, 24 * MOST_TICKS))
    inside = [m for m in moments if start < m < until]
    return [
        Tick(round(100 * (m - start) / length, 3), m.strftime("%-d %b" if m.hour == 0 else pattern)) for m in inside
    ]
