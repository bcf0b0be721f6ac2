"""The earliest start: for each offer, the first time at which it has the wanted nodes for as long as wanted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import TextChoices

from marketplace.models import Offer, PlanKind, Terms
from marketplace.money import price
from marketplace.queries.booking import duration, first_end, first_start, lengths, soonest, why_not, why_not_until
from marketplace.queries.criteria import BadPeriod, Criteria
from marketplace.queries.finding import Hit
from marketplace.queries.search import find, listed_offers
from marketplace.queries.terms import open_terms
from marketplace.queries.windows import HORIZON, Window, aligned, windows_of


class OpeningSort(TextChoices):
    """In which order openings are listed."""

    PRICE = "price", "Price"
    START = "start", "Start"


@dataclass(frozen=True)
class Opening:
    """An offer, the first period that can be booked of it, and what a quote for that says."""

    hit: Hit
    starts_at: datetime
    ends_at: datetime
    at_once: bool  # the start is the order, not a moment ahead
    micros_per_node_hour: int  # the discount taken off
    discount_percent: int
    total_micros: int  # of all nodes, for the whole period


@dataclass(frozen=True)
class OpeningRow:
    """An opening with what is shown of its offer."""

    opening: Opening
    offer: Offer
    nodes: int


ORDERS: dict[str, Callable[[Opening], tuple[object, ...]]] = {
    OpeningSort.PRICE: lambda opening: (opening.total_micros, opening.starts_at, opening.hit.offer_id),
    OpeningSort.START: lambda opening: (opening.starts_at, opening.total_micros, opening.hit.offer_id),
}


def reach_of(*, starts_at: datetime | None, until: datetime | None, length: timedelta, now: datetime) -> datetime:
    """
    By when openings are over: `until`, or where nothing is said, as late as may be.

    :raises BadPeriod: if it leaves no room for the length, or lies further ahead than 60 days and the length
    """
    first = max(starts_at or now, now)
    last = first + HORIZON + length
    until = until or last
    if not first + length <= until <= last:
        limits = f"{first + length:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC"
        raise BadPeriod("until", f"Choose a moment between {limits}: {duration(length)} after the start, or later.")
    return until


def check_length(*, criteria: Criteria, length: timedelta, now: datetime) -> None:
    """
    Whether a plan that is asked for and open to the organization can be reserved for so long, rounded up to its steps.
    Two queries: ask it where nothing was found.

    :raises BadPeriod: if none can, naming `hours` and how long each lasts
    """
    mine = open_terms(criteria.organization, at=now, plan=criteria.plan)
    plans = [terms for terms in mine if terms.plan.kind == PlanKind.RESERVED]
    if plans and not any(_lasts(terms, length, now) for terms in plans):
        limits = ", or ".join(lengths(terms) for terms in plans)
        raise BadPeriod("hours", f"No such plan lasts {duration(length)}: {limits}. Choose a length of these.")


def _lasts(terms: Terms, length: timedelta, now: datetime) -> bool:
    starts_at = aligned(terms, now)
    booked = Window(starts_at, first_end(terms, starts_at, starts_at + length))
    return why_not_until(terms, window=booked) is None


def openings(
    *, criteria: Criteria, length: timedelta, until: datetime, now: datetime, sort: str = OpeningSort.PRICE
) -> list[Opening]:
    """
    The first opening of every offer that matches, `length` long (longer where the terms ask for a multiple), from
    `criteria.starts_at` on and over by `until`. Offers that have none are left out, and plans without periods.

    Four queries, however many offers: one for the calendars, one for their sites' power.
    """
    candidates = find(
        criteria=replace(criteria, max_micros_per_node_hour=None), now=now
    )  # their period is not known yet
    hits = [hit for hit in candidates if hit.terms.plan.kind == PlanKind.RESERVED]
    wanted = max(criteria.starts_at or now, now)
    offers = {hit.offer_id: (hit.pool_id, hit.terms) for hit in hits}
    free = windows_of(
        offers=offers,
        nodes=criteria.nodes,
        same_fabric=criteria.together,
        starts_at=wanted,
        until=until,
        now=now,
    )
    found = []
    for hit in hits:
        terms = hit.terms
        bookings = fitting(terms, free[hit.offer_id], wanted, length, now)
        bookable = (booked for booked in bookings if booked.ends_at <= until)
        first = next(bookable, None)
        if first and why_not(terms, window=first, nodes=criteria.nodes, now=now) is None:
            found.append(_opening(hit, terms, first, criteria.nodes, now))
    return sorted((one for one in found if criteria.affords(one.micros_per_node_hour)), key=ORDERS[sort])


def opening_rows(*, openings: Sequence[Opening], criteria: Criteria) -> list[OpeningRow]:
    """What is shown of openings, in their order. One query, however many they are."""
    offers = listed_offers(criteria.organization).in_bulk([opening.hit.offer_id for opening in openings])
    return [OpeningRow(opening, offers[opening.hit.offer_id], criteria.nodes) for opening in openings]


def fitting(
    terms: Terms, windows: Iterable[Window], wanted: datetime, length: timedelta, now: datetime
) -> Iterable[Window]:
    """The first booking of the length in each window that has room for it."""
    for window in windows:
        starts_at = first_start(terms, max(window.starts_at, wanted), now)
        booked = Window(starts_at, first_end(terms, starts_at, starts_at + length))
        if booked.ends_at <= window.ends_at:
            yield booked


def _opening(hit: Hit, terms: Terms, booked: Window, nodes: int, now: datetime) -> Opening:
    seconds = booked.length // timedelta(seconds=1)
    rate = terms.agreed_rate(hit.list_micros, seconds)
    total = price(micros_per_node_hour=rate, seconds=seconds, nodes=nodes)
    return Opening(
        hit=hit,
        starts_at=booked.starts_at,
        ends_at=booked.ends_at,
        at_once=booked.starts_at == soonest(terms, now),
        micros_per_node_hour=rate,
        discount_percent=terms.discount_percent(seconds),
        total_micros=total,
    )
