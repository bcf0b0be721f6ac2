"""When nodes are free, computed from the very rows that guard the booking."""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q, QuerySet

from accounts.prepared import ask
from marketplace.models import NodeCalendar, Offer, Terms
from marketplace.queries.firm import Level, levels
from marketplace.queries.free import node_is_free

HORIZON = timedelta(days=60)
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
    return Q(node_is_free(starts_at=window.starts_at, ends_at=window.ends_at, now=now, quote=quote))


def is_held(*, now: datetime, quote: str = "") -> Q:
    """Of calendars: held for a quote other than `quote`, whenever that is for."""
    return Q(held_until__gt=now) & ~Q(held_for=quote)


def free_nodes(*, window: Window, now: datetime, quote: str = "") -> QuerySet[NodeCalendar]:
    """Calendars of the nodes that are free for the whole window; those held for `quote` are free for it."""
    return NodeCalendar.objects.filter(is_free(window=window, now=now, quote=quote))


def free_windows(
    *,
    offer: Offer,
    terms: Terms,
    nodes: int,
    starts_at: datetime,
    until: datetime,
    now: datetime,
    same_fabric: bool = False,
) -> list[Window]:
    """
    The longest periods between `starts_at` and `until` in which some `nodes` nodes are free from end to end, and their
    site has firm power for them. With `same_fabric` they are of one fabric group, the same one all along. Two queries.

    Cleaning is already taken off the ends, and periods shorter than the shortest lease are left out.
    """
    reach = Window(starts_at, until + cleaning(terms))
    gaps = free_gaps(offer=offer, reach=reach, now=now, same_fabric=same_fabric)
    left = levels(offers=[offer.pk], starts_at=reach.starts_at, until=reach.ends_at, now=now)
    return _longest(terms, nodes, gaps, left.get(offer.pk, ()))


def free_gaps(*, offer: Offer, reach: Window, now: datetime, same_fabric: bool = False) -> Sequence[list[Window]]:
    """
    Every free period of every single node of an offer within `reach`, in order: of all its nodes at once, or with
    `same_fabric` of each fabric group by itself. One query.
    """
    return _gaps([offer.pool_id], reach, now, same_fabric=same_fabric)[offer.pool_id]


def windows_of(
    *,
    offers: Mapping[int, tuple[int, Terms]],
    nodes: int,
    starts_at: datetime,
    until: datetime,
    now: datetime,
    same_fabric: bool = False,
) -> dict[int, list[Window]]:
    """
    The free windows of many offers, given as pool and terms by the offer's key; they may end after `until`, by the
    difference in cleaning. Two queries, however many offers.
    """
    longest = max((cleaning(terms) for _, terms in offers.values()), default=timedelta())
    gaps = _gaps(
        {pool for pool, _ in offers.values()}, Window(starts_at, until + longest), now, same_fabric=same_fabric
    )
    left = levels(offers=offers, starts_at=starts_at, until=until + longest, now=now)
    return {offer: _longest(terms, nodes, gaps[pool], left.get(offer, ())) for offer, (pool, terms) in offers.items()}


def _gaps(
    pools: Collection[int], reach: Window, now: datetime, *, same_fabric: bool
) -> Mapping[int, Sequence[list[Window]]]:
    """Every free period of every node within `reach`, in order, by pool, as `free_gaps` has those of an offer."""
    if not pools:  # also where the reach would end before it begins
        return {}
    found: dict[int, dict[str, list[Window]]] = {pool: defaultdict(list) for pool in pools}
    given = {"pools": list(pools), "reach": DateTimeTZRange(reach.starts_at, reach.ends_at), "now": now}
    for pool, group, starts_at, ends_at in ask(GAPS_OF_GROUPS if same_fabric else GAPS, given):
        found[pool][group].append(Window(starts_at, ends_at))
    return {pool: list(groups.values()) for pool, groups in found.items()}


# Nodes are asked for by their pools too: planned for any number of them, these few would be sought among all there are.
_GAPS = """
    SELECT calendar.pool_id, {group}, lower(gap), upper(gap)
      FROM marketplace_nodecalendar AS calendar JOIN marketplace_node AS node ON node.id = calendar.node_id
     CROSS JOIN LATERAL unnest(node_gaps(calendar, node, %(reach)s::tstzrange, %(now)s)) AS gap
     WHERE calendar.pool_id = ANY (%(pools)s::bigint[]) AND node.pool_id = ANY (%(pools)s::bigint[]){which}
     ORDER BY lower(gap), upper(gap)
"""
GAPS = _GAPS.format(group="''", which="")
GAPS_OF_GROUPS = _GAPS.format(group="node.fabric_group", which=" AND node.fabric_group <> ''")


def _longest(terms: Terms, nodes: int, groups: Iterable[list[Window]], left: Collection[Level]) -> list[Window]:
    """The longest windows in which `nodes` of the gaps of one of the groups run side by side, in order."""
    found: list[Window] = []
    for window in sorted(one for gaps in groups for one in _windows(terms, nodes, _powered(gaps, left, nodes))):
        _add(window, found)
    return found


def _powered(gaps: Iterable[Window], left: Iterable[Level], nodes: int) -> list[Window]:
    """The gaps, in order, without the times in which their site has not the power for so many nodes."""
    found, short = list(gaps), [level for level in left if level.nodes < nodes]
    for dark in short:
        cut = [
            part
            for gap in found
            for part in (
                Window(gap.starts_at, min(gap.ends_at, dark.starts_at)),
                Window(max(gap.starts_at, dark.ends_at), gap.ends_at),
            )
        ]
        found = [part for part in cut if part.starts_at < part.ends_at]
    return sorted(found) if short else found


def _windows(terms: Terms, nodes: int, gaps: Iterable[Window]) -> list[Window]:
    """The longest windows in which `nodes` of the gaps, given in order, run side by side; in order of their starts."""
    least, after = timedelta(seconds=terms.min_seconds), cleaning(terms)
    found: list[Window] = []
    ends: list[datetime] = []  # of the gaps that are open, ascending
    for gap in gaps:
        del ends[: bisect_right(ends, gap.starts_at)]
        insort(ends, gap.ends_at)
        if len(ends) < nodes:
            continue
        window = Window(gap.starts_at, ends[-nodes] - after)
        if window.length >= least:
            _add(window, found)
    return found


def _add(window: Window, found: list[Window]) -> None:
    """Behind those that start before or with it; one of two that lies in the other is left out."""
    if found and found[-1].ends_at >= window.ends_at:
        return
    if found and found[-1].starts_at == window.starts_at:
        found.pop()
    found.append(window)
