"""Firm power of a site over time: what it may sell, what is sold, and from when on enough is free."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.models import Offer, PlanKind, Site
from marketplace.queries import Window, firm_power

AHEAD = timedelta(days=60)
NOT_SOON = f"No more is free within {AHEAD.days} days."


@dataclass(frozen=True)
class Span:
    """A time in which neither changes: watts of the nodes' own draw. Without `firm_watts` the site is not limited."""

    starts_at: datetime
    ends_at: datetime
    firm_watts: int | None
    sold_watts: int

    def has(self, watts: int) -> bool:
        """Whether so much more may be sold."""
        return self.firm_watts is None or self.sold_watts + watts <= self.firm_watts


@dataclass(frozen=True)
class Shortage:
    """What an order runs into: the first time without enough, and from when on it would have enough for as long."""

    site: Site
    wanted_watts: int
    span: Span
    free_from: datetime | None

    @property
    def limit(self) -> str:
        """What the site may sell, what is sold of it then, and what is wanted."""
        assert self.span.firm_watts is not None
        watts = (self.span.firm_watts, self.span.sold_watts, self.wanted_watts)
        firm, sold, wanted = (f"{one / 1000:,.1f} kW" for one in watts)
        when = f"{self.span.starts_at:%Y-%m-%d %H:%M} UTC"
        return f"{self.site.name} may sell {firm} of firm power, and {sold} are sold at {when}; this needs {wanted}."

    def __str__(self) -> str:
        later = f"More is free from {self.free_from:%Y-%m-%d %H:%M} UTC on." if self.free_from else NOT_SOON
        return f"{self.limit} {later} Choose then, fewer nodes, or another site."


def shortage(*, offer: Offer, nodes: int, window: Window, now: datetime, quote: str = "") -> Shortage | None:
    """
    Why the offer's site has not enough firm power for the whole window; None if it has. What is held for the quote
    counts as free. One query.
    """
    if offer.plan.kind == PlanKind.SURPLUS:
        return None
    site, watts = offer.pool.site, nodes * offer.pool.node_type.power_w
    length = window.ends_at - window.starts_at
    spans = spans_of(site=site, window=Window(window.starts_at, window.ends_at + AHEAD), now=now, quote=quote)
    short = next((span for span in spans if span.starts_at < window.ends_at and not span.has(watts)), None)
    return Shortage(site, watts, short, _first(spans, watts, length)) if short else None


def spans_of(*, site: Site, window: Window, now: datetime, quote: str = "") -> list[Span]:
    """The whole window, cut wherever the site's limit or what is sold to others changes. One query."""
    found, behind = [], window.starts_at
    for limited in firm_power(site=site, starts_at=window.starts_at, until=window.ends_at, now=now, quote=quote):
        if behind < limited.starts_at:
            found.append(Span(behind, limited.starts_at, None, 0))
        found.append(Span(limited.starts_at, limited.ends_at, limited.firm_watts, limited.sold_watts))
        behind = limited.ends_at
    return [*found, Span(behind, window.ends_at, None, 0)] if behind < window.ends_at else found


def _first(spans: Sequence[Span], watts: int, length: timedelta) -> datetime | None:
    """When the first time begins in which so much is free for so long."""
    start = spans[0].starts_at
    for span in spans:
        if not span.has(watts):
            start = span.ends_at
        elif span.ends_at - start >= length:
            return start
    return None
