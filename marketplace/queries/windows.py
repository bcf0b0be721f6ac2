"""When nodes are free, computed from the very rows that guard the booking."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import QuerySet

from marketplace.models import NodeCalendar, Offer, Plan, Pool
from marketplace.states import IN_STOCK, NodeState

HORIZON = timedelta(days=60)


@dataclass(frozen=True, order=True)
class Window:
    """A half-open period, UTC."""

    starts_at: datetime
    ends_at: datetime


def occupied(plan: Plan, starts_at: datetime, ends_at: datetime | None) -> Window:
    """
    What a lease takes from a node's calendar: its period, or the plan's minimum where it is open-ended, and cleaning behind it.
    """
    used_until = ends_at or starts_at + timedelta(seconds=plan.min_seconds)
    return Window(starts_at, used_until + timedelta(seconds=plan.cleaning_seconds))


def free_nodes(*, window: Window, now: datetime) -> QuerySet[NodeCalendar]:
    """Calendars of the nodes that no claim touches in `window`; one that begins now needs a node that is ready now."""
    states = IN_STOCK if window.starts_at > now else frozenset({NodeState.AVAILABLE})
    taken = DateTimeTZRange(window.starts_at, window.ends_at)
    return NodeCalendar.objects.filter(node__state__in=states).exclude(busy__overlaps=taken)


def free_windows(*, offer: Offer, nodes: int, starts_at: datetime, until: datetime, now: datetime) -> list[Window]:
    """
    The longest periods between `starts_at` and `until` in which some `nodes` nodes of the offer are free from end to end.

    Cleaning is already taken off the ends, and periods shorter than the plan's minimum are left out.
    """
    gaps = [gap for node_gaps in _gaps_by_node(offer.pool, starts_at, until, now) for gap in node_gaps]
    least = timedelta(seconds=offer.plan.min_seconds)
    cleaning = timedelta(seconds=offer.plan.cleaning_seconds)
    found: list[Window] = []
    for start in sorted({gap.starts_at for gap in gaps}):
        ends = sorted((gap.ends_at for gap in gaps if gap.starts_at <= start < gap.ends_at), reverse=True)
        if len(ends) < nodes:
            continue
        end = ends[nodes - 1] if ends[nodes - 1] >= until else ends[nodes - 1] - cleaning
        if end - start >= least and not (found and found[-1].ends_at >= end):
            found.append(Window(start, end))
    return found


def earliest(*, offer: Offer, nodes: int, starts_at: datetime, length: timedelta, now: datetime) -> datetime | None:
    """The first moment from `starts_at` on when `nodes` nodes are free for `length`; None within the next 60 days' horizon."""
    windows = free_windows(offer=offer, nodes=nodes, starts_at=starts_at, until=starts_at + HORIZON + length, now=now)
    return next((w.starts_at for w in windows if w.ends_at - w.starts_at >= length), None)


def _gaps_by_node(pool: Pool, starts_at: datetime, until: datetime, now: datetime) -> Iterable[Sequence[Window]]:
    calendars = NodeCalendar.objects.filter(pool=pool, node__state__in=IN_STOCK)
    for state, busy in calendars.values_list("node__state", "busy"):
        # A node that is not ready yet has its claim in `busy`; once that is past it is late, and free only when it says so.
        ready = starts_at if state == NodeState.AVAILABLE else max(starts_at, now + timedelta(minutes=1))
        yield _gaps(busy, ready, until)


def _gaps(busy: Iterable[DateTimeTZRange], starts_at: datetime, until: datetime) -> list[Window]:
    gaps, cursor = [], starts_at
    for taken in busy:  # a multirange is sorted and has no overlaps
        if taken.lower is not None and taken.lower > cursor:
            gaps.append(Window(cursor, min(taken.lower, until)))
        if taken.upper is None or taken.upper >= until:
            return [gap for gap in gaps if gap.starts_at < gap.ends_at]
        cursor = max(cursor, taken.upper)
    return [gap for gap in [*gaps, Window(cursor, until)] if gap.starts_at < gap.ends_at]
