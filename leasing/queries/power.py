"""Firm power of a site over time: what it may sell, what is sold, and from when on enough is free."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.contrib.postgres.fields import DateTimeRangeField
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import BigIntegerField

from accounts.models import Given, Statement
from leasing.models import Claim
from marketplace.models import Offer, PowerWindow, Site
from marketplace.queries import Window

AHEAD = timedelta(days=60)
NOT_SOON = f"No more is free within {AHEAD.days} days."
SURPLUS = "surplus"  # the kind of plan that is promised no firm power


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

    def __str__(self) -> str:
        assert self.span.firm_watts is not None
        watts = (self.span.firm_watts, self.span.sold_watts, self.wanted_watts)
        firm, sold, wanted = (f"{one / 1000:,.1f} kW" for one in watts)
        when = f"{self.span.starts_at:%Y-%m-%d %H:%M} UTC"
        later = f"More is free from {self.free_from:%Y-%m-%d %H:%M} UTC on." if self.free_from else NOT_SOON
        limit = f"{self.site.name} may sell {firm} of firm power, and {sold} are sold at {when}; this needs {wanted}."
        return f"{limit} {later} Choose then, fewer nodes, or another site."


def shortage(*, offer: Offer, nodes: int, window: Window) -> Shortage | None:
    """Why the offer's site has not enough firm power for the whole window; None if it has."""
    if offer.plan.kind == SURPLUS:
        return None
    site, watts = offer.pool.site, nodes * offer.pool.node_type.power_w
    length = window.ends_at - window.starts_at
    spans = spans_of(site=site, window=Window(window.starts_at, window.ends_at + AHEAD))
    short = next((span for span in spans if span.starts_at < window.ends_at and not span.has(watts)), None)
    return Shortage(site, watts, short, _first(spans, watts, length)) if short else None


def spans_of(*, site: Site, window: Window) -> list[Span]:
    """The whole window, cut wherever the site's limit or what is sold changes. Two queries."""
    limits = LIMITS.rows(site=site.pk, wanted=_range(window))
    if not limits:
        return [Span(window.starts_at, window.ends_at, None, 0)]
    sold = _sold(site, window)
    edges = {window.starts_at, window.ends_at}
    edges.update(edge for period, _ in sold for edge in (period.lower, period.upper))
    edges.update(edge for limit in limits for edge in (limit.period.lower, limit.period.upper) if edge)
    inside = sorted(edge.astimezone(UTC) for edge in edges if window.starts_at <= edge <= window.ends_at)
    steps: dict[datetime, int] = {}
    for period, watts in sold:
        start = max(period.lower, window.starts_at)
        steps[start] = steps.get(start, 0) + watts
        steps[period.upper] = steps.get(period.upper, 0) - watts
    spans, load = [], 0
    for start, end in pairwise(inside):
        load += steps.get(start, 0)
        limit = next((row.firm_watts for row in limits if start in row.period), None)
        spans.append(Span(start, end, limit, load))
    return spans


LIMITS = Statement(
    lambda: PowerWindow.objects.filter(
        site=Given("site", BigIntegerField()), period__overlap=Given("wanted", DateTimeRangeField())
    )
)


def _sold(site: Site, window: Window) -> list[tuple[DateTimeTZRange, int]]:
    live = Claim.objects.filter(
        node__pool__site=site, released_at=None, lease__isnull=False, period__overlap=_range(window)
    ).exclude(lease__offer__plan__kind=SURPLUS)
    return list(live.values_list("period", "node__pool__node_type__power_w"))


def _first(spans: Sequence[Span], watts: int, length: timedelta) -> datetime | None:
    """When the first time begins in which so much is free for so long."""
    start = spans[0].starts_at
    for span in spans:
        if not span.has(watts):
            start = span.ends_at
        elif span.ends_at - start >= length:
            return start
    return None


def _range(window: Window) -> DateTimeTZRange:
    return DateTimeTZRange(window.starts_at, window.ends_at)
