"""When nodes are free, computed from the very rows that guard the booking."""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q, QuerySet

from marketplace.models import NodeCalendar, Offer, Terms
from marketplace.queries.terms import terms_of
from marketplace.states import IN_STOCK, NodeState

HORIZON = timedelta(days=60)
LATE = timedelta(minutes=1)  # how far ahead a node that is late is hoped for
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Window:
    """A half-open period, UTC."""

    starts_at: datetime
    ends_at: datetime

    @property
    def length(self) -> timedelta:
        """From start to end."""
        return self.ends_at - self.starts_at


def occupied(terms: Terms, starts_at: datetime, ends_at: datetime | None) -> Window:
    """
    What a lease takes from a calendar: its period, the shortest one where it is open-ended, and cleaning behind it.
    """
    used_until = ends_at or starts_at + timedelta(seconds=terms.min_seconds)
    return Window(starts_at, used_until + cleaning(terms))


def cleaning(terms: Terms) -> timedelta:
    """Kept free behind each lease on these terms."""
    return timedelta(seconds=terms.cleaning_seconds)


def aligned(terms: Terms, moment: datetime) -> datetime:
    """The first moment from `moment` on at which the terms let a lease start or end."""
    step, first = timedelta(seconds=terms.granularity_seconds), EPOCH + timedelta(seconds=terms.offset_seconds)
    return moment if step <= timedelta(seconds=1) else moment + (first - moment) % step


def is_free(*, window: Window, now: datetime, quote: str = "") -> Q:
    """
    Of calendars: no claim and no hold for another quote touches `window`, and no cordon is on the node; one that begins
    now needs a ready node.
    """
    wanted = DateTimeTZRange(window.starts_at, window.ends_at)
    states = IN_STOCK if window.starts_at > now else frozenset({NodeState.AVAILABLE})
    on_offer = Q(node__state__in=states, node__cordoned_at=None)
    return on_offer & ~Q(busy__overlaps=wanted) & ~(is_held(now=now, quote=quote) & Q(held__overlap=wanted))


def is_held(*, now: datetime, quote: str = "") -> Q:
    """Of calendars: held for a quote other than `quote`, whenever that is for."""
    return Q(held_until__gt=now) & ~Q(held_for=quote)


def free_nodes(*, window: Window, now: datetime, quote: str = "") -> QuerySet[NodeCalendar]:
    """Calendars of the nodes that are free for the whole window; those held for `quote` are free for it."""
    return NodeCalendar.objects.filter(is_free(window=window, now=now, quote=quote))


def free_windows(*, offer: Offer, nodes: int, starts_at: datetime, until: datetime, now: datetime) -> list[Window]:
    """
    The longest periods between `starts_at` and `until` in which some `nodes` nodes are free from end to end.

    Cleaning is already taken off the ends, and periods shorter than the shortest lease are left out.
    """
    terms = terms_of(plan=offer.plan, at=now)
    reach = Window(starts_at, until + cleaning(terms))
    return _windows(terms, nodes, _gaps(_stock([offer.pool_id], now)[offer.pool_id], reach, now))


def free_gaps(*, offer: Offer, reach: Window, now: datetime) -> Iterator[Window]:
    """Every free period of every single node of an offer within `reach`. One query."""
    return _gaps(_stock([offer.pool_id], now)[offer.pool_id], reach, now)


def windows_of(
    *, offers: Mapping[int, tuple[int, Terms]], nodes: int, starts_at: datetime, until: datetime, now: datetime
) -> dict[int, list[Window]]:
    """
    The free windows of many offers, given as pool and terms by the offer's key; they may end after `until`, by the
    difference in cleaning. One query, however many offers.
    """
    stock = _stock({pool for pool, _ in offers.values()}, now)
    longest = max((cleaning(terms) for _, terms in offers.values()), default=timedelta())
    reach = Window(starts_at, until + longest)
    gaps = {pool: sorted(_gaps(stock[pool], reach, now)) for pool, _ in offers.values()}
    return {offer: _windows(terms, nodes, gaps[pool]) for offer, (pool, terms) in offers.items()}


Busy = tuple[str, Iterable[DateTimeTZRange]]  # a node's state, and when it is claimed or held, by time


def _stock(pools: Collection[int], now: datetime) -> Mapping[int, Sequence[Busy]]:
    calendars = NodeCalendar.objects.filter(pool__in=pools, node__state__in=IN_STOCK, node__cordoned_at=None)
    stock: dict[int, list[Busy]] = defaultdict(list)
    columns = ("pool_id", "node__state", "busy", "held", "held_until")
    for pool, state, busy, held, held_until in calendars.values_list(*columns):
        is_live = held_until is not None and held_until > now
        stock[pool].append((state, sorted([*busy, held], key=lambda taken: taken.lower) if is_live else busy))
    return stock


def _windows(terms: Terms, nodes: int, gaps: Iterable[Window]) -> list[Window]:
    """The longest windows in which `nodes` of the gaps run side by side, in order of their starts."""
    least, after = timedelta(seconds=terms.min_seconds), cleaning(terms)
    found: list[Window] = []
    ends: list[datetime] = []  # of the gaps that are open, ascending
    for gap in sorted(gaps):
        del ends[: bisect_right(ends, gap.starts_at)]
        insort(ends, gap.ends_at)
        if len(ends) < nodes:
            continue
        window = Window(gap.starts_at, ends[-nodes] - after)
        if found and found[-1].starts_at == window.starts_at and found[-1].ends_at < window.ends_at:
            found.pop()
        if window.length >= least and not (found and found[-1].ends_at >= window.ends_at):
            found.append(window)
    return found


def _gaps(stock: Iterable[Busy], reach: Window, now: datetime) -> Iterator[Window]:
    """Every free period of every node within `reach`."""
    for state, busy in stock:
        # A node that is not ready yet has its claim in `busy`; once that is past it is late, free only when it says so.
        cursor = reach.starts_at if state == NodeState.AVAILABLE else max(reach.starts_at, now + LATE)
        for taken in busy:
            if cursor < (start := min(taken.lower or cursor, reach.ends_at)):
                yield Window(cursor, start)
            cursor = max(cursor, taken.upper or reach.ends_at)
        if cursor < reach.ends_at:
            yield Window(cursor, reach.ends_at)
