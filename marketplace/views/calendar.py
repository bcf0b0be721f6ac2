"""The calendar of an offer as a grid: hours of the day downwards, days to the right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from marketplace.models import Offer, PlanKind, Terms
from marketplace.queries import Criteria, Hour, calendar, first_end, first_start
from marketplace.views.addresses import order_address

DAYS = 14
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Cell:
    """One hour of one day: how many nodes are free, whether they are enough, and where it is ordered ("": nowhere)."""

    starts_at: datetime  # on the clocks of the zone
    free: int
    look: str  # "enough", "few" (or no lease may start then), "none" or "past"
    address: str

    @property
    def offset(self) -> str:
        """From UTC, such as "-04:00"."""
        return self.starts_at.isoformat()[-6:]


@dataclass(frozen=True)
class Grid:
    """Some days of a calendar. A cell holds no hour where clocks pass over it, two where they show it twice."""

    zone: str
    days: list[date]
    rows: list[tuple[str, list[list[Cell]]]]
    any_free: bool
    previous: str  # addresses, "" where there is nothing more
    next: str


def calendar_of(
    offer: Offer, terms: Terms, criteria: Criteria, zone: ZoneInfo, asked: Mapping[str, str], now: datetime
) -> Grid | None:
    """From the day that the address names on, within what may be booked; None for plans without periods. One query."""
    if offer.plan.kind != PlanKind.RESERVED:
        return None
    first = now.astimezone(zone).date()
    last = (now + timedelta(seconds=terms.max_ahead_seconds)).astimezone(zone).date()
    starts_on = min(max(_day(asked.get("day", ""), first), first), last)
    days = min(DAYS, (last - starts_on).days + 1)
    found = calendar(offer=offer, starts_on=starts_on, days=days, zone=zone, same_fabric=criteria.together, now=now)
    cell = _drawn(offer, terms, criteria, zone, now)
    columns = [[cell(hour) for hour in day.hours] for day in found]
    rows = [
        (f"{n:02}:00", [[each for each in column if each.starts_at.hour == n] for column in columns]) for n in range(24)
    ]
    return Grid(
        zone=zone.key,
        days=[day.date for day in found],
        rows=rows,
        any_free=any(each.address for column in columns for each in column),
        previous=_page(asked, max(first, starts_on - timedelta(days=DAYS))) if starts_on > first else "",
        next=_page(asked, starts_on + timedelta(days=DAYS)) if starts_on + timedelta(days=DAYS) <= last else "",
    )


def _drawn(offer: Offer, terms: Terms, criteria: Criteria, zone: ZoneInfo, now: datetime) -> Callable[[Hour], Cell]:
    """How an hour is shown: a link where enough nodes are free and the terms let a lease start in it."""
    ahead = now + timedelta(seconds=terms.max_ahead_seconds)
    length = _length(terms, criteria)

    def cell(hour: Hour) -> Cell:
        starts_at = first_start(terms, hour.starts_at, now)
        look = "past" if hour.starts_at <= now else _look(hour.free, criteria.nodes)
        address = ""
        if look == "enough" and starts_at < hour.ends_at and starts_at <= ahead:
            ends_at = first_end(terms, starts_at, starts_at + length)
            address = order_address(offer, replace(criteria, starts_at=starts_at, ends_at=ends_at), zone.key)
        look = "few" if look == "enough" and not address else look
        return Cell(hour.starts_at.astimezone(zone), hour.free, look, address)

    return cell


def _length(terms: Terms, criteria: Criteria) -> timedelta:
    """Of the lease that a click proposes: as the wished period, else a day, within what the terms allow."""
    if criteria.starts_at and criteria.ends_at:
        return criteria.ends_at - criteria.starts_at
    return timedelta(seconds=min(max(terms.min_seconds, DAY_SECONDS), terms.max_seconds))


def _look(free: int, nodes: int) -> str:
    if free >= nodes:
        return "enough"
    return "few" if free else "none"


def _day(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return otherwise


def _page(asked: Mapping[str, str], day: date) -> str:
    said = {name: asked[name] for name in asked if name != "day"}
    return f"?{urlencode(said | {'day': day.isoformat()})}#calendar"
