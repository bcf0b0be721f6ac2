"""The claims calendar: locking nodes, taking them for a period, and letting go. Every change of a claim is here."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import QuerySet

from leasing.models import Claim, Lease
from marketplace.models import Node, NodeCalendar, Pool
from marketplace.queries import Window, free_nodes, is_held

BLOCKING_TRIES = 5


class TooFewNodes(Exception):
    """Not enough nodes of the pool are free for the whole window."""


def lock_free_nodes(*, pool: Pool, nodes: int, window: Window, now: datetime, quote: str = "") -> list[NodeCalendar]:
    """
    Lock `nodes` calendars of the pool that are free for the whole window, node ids ascending; those that are held for
    `quote` are free for it.

    First those that nobody else is looking at; if they are too few, wait in line for the others. The waiting lock is
    re-checked by the database after the wait, so a row that comes back is still free.

    :raises TooFewNodes: with nothing locked
    """
    free = free_nodes(window=window, now=now, quote=quote).filter(pool=pool).order_by("node_id")
    with suppress(TooFewNodes):
        return _take_idle(free, nodes)
    return _take_in_line(free, nodes)


def lock_idle_nodes(*, pool: Pool, nodes: int, window: Window, now: datetime, quote: str = "") -> list[NodeCalendar]:
    """
    As `lock_free_nodes`, passing over the nodes that somebody else has locked: it never waits, so it never deadlocks.

    :raises TooFewNodes: with nothing locked
    """
    return _take_idle(free_nodes(window=window, now=now, quote=quote).filter(pool=pool).order_by("node_id"), nodes)


def lock_unheld_nodes(*, pool: Pool, nodes: int, window: Window, now: datetime, wait: bool) -> list[NodeCalendar]:
    """
    Lock `nodes` calendars of the pool that are free for the whole window and on which a hold can be written: none is
    there for another time. Without `wait` as `lock_idle_nodes`: whoever has other calendars locked must not wait.

    :raises TooFewNodes: with nothing locked
    """
    free = free_nodes(window=window, now=now).filter(pool=pool).exclude(is_held(now=now)).order_by("node_id")
    with suppress(TooFewNodes):
        return _take_idle(free, nodes)
    if not wait:
        raise TooFewNodes
    return _take_in_line(free, nodes)


def lock_held_nodes(*, nodes: int, window: Window, now: datetime, quote: str) -> list[NodeCalendar]:
    """
    Lock the `nodes` calendars that are held for the quote, if they are free for it for the whole window still.

    :raises TooFewNodes: with nothing locked
    """
    held = free_nodes(window=window, now=now, quote=quote).filter(held_for=quote, held_until__gt=now)
    free = held.order_by("node_id")
    return _take_all(free, free.select_for_update(no_key=True, of=("self",))[:nodes], nodes)


def _take_idle(free: QuerySet[NodeCalendar], nodes: int) -> list[NodeCalendar]:
    return _take_all(free, free.select_for_update(no_key=True, skip_locked=True, of=("self",))[:nodes], nodes)


def _take_in_line(free: QuerySet[NodeCalendar], nodes: int) -> list[NodeCalendar]:
    for _ in range(BLOCKING_TRIES):
        if free.count() < nodes:
            break
        with suppress(TooFewNodes):  # somebody took one while we waited; look at what is left
            return _take_all(free, free.select_for_update(no_key=True, of=("self",))[:nodes], nodes)
    raise TooFewNodes


@transaction.atomic
def _take_all(free: QuerySet[NodeCalendar], rows: Iterable[NodeCalendar], nodes: int) -> list[NodeCalendar]:
    """
    All or none: the savepoint's rollback lets go of a part.

    The locked ones are looked at once more: the lock is on the calendar, and what the query saw of the node's state and
    cordon is from before the wait.
    """
    taken = list(rows)
    if len(taken) < nodes or free.filter(pk__in=ids(taken)).count() < nodes:
        raise TooFewNodes
    return taken


def ids(calendars: Iterable[NodeCalendar]) -> list[int]:
    """The nodes' ids."""
    return [calendar.pk for calendar in calendars]


def lock_node(node: Node) -> Node:
    """Lock one node's calendar. Returns the node as it is then."""
    NodeCalendar.objects.select_for_update(no_key=True).get(pk=node.pk)
    return Node.objects.select_related("pool__site", "pool__node_type").get(pk=node.pk)


def lock_nodes_of(lease: Lease) -> list[int]:
    """Lock the calendars of every node that the lease claims, ids ascending. Returns the node ids."""
    while True:
        with suppress(ClaimsChanged):
            return _lock_claimed(lease)


class ClaimsChanged(Exception):
    """The lease was given another node while we waited for its nodes."""


@transaction.atomic
def _lock_claimed(lease: Lease) -> list[int]:
    """Raises ClaimsChanged with nothing locked: a node added afterwards would be locked out of order."""
    node_ids = _claimed(lease)
    list(NodeCalendar.objects.filter(pk__in=node_ids).order_by("pk").select_for_update(no_key=True))
    if _claimed(lease) != node_ids:
        raise ClaimsChanged
    return node_ids


def _claimed(lease: Lease) -> list[int]:
    return sorted(Claim.objects.filter(lease=lease, released_at=None).values_list("node_id", flat=True))


def claim(*, lease: Lease | None, node_ids: Sequence[int], period: Window) -> list[Claim]:
    """
    Claim locked nodes for a period, without a lease for maintenance; the exclusion constraint refuses what the locks
    should have made impossible.
    """
    taken = DateTimeTZRange(period.starts_at, period.ends_at)
    claims = Claim.objects.bulk_create([Claim(node_id=node_id, lease=lease, period=taken) for node_id in node_ids])
    refresh(node_ids)
    return claims


def hold(*, node_ids: Sequence[int], period: Window, quote: str, until: datetime) -> None:
    """Hold locked nodes for a quote, until it is ordered or the moment has come. It is written over an older hold."""
    held = DateTimeTZRange(period.starts_at, period.ends_at)
    NodeCalendar.objects.filter(pk__in=node_ids).update(held=held, held_until=until, held_for=quote)


def lock_held_for(quote: str) -> list[int]:
    """Lock the calendars of the nodes that are held for the quote, ids ascending. Returns the node ids."""
    held = NodeCalendar.objects.filter(held_for=quote).exclude(held_for="").order_by("pk")
    return ids(held.select_for_update(no_key=True))


def let_go(*, node_ids: Sequence[int], quote: str) -> None:
    """Hold locked nodes for the quote no longer."""
    held = NodeCalendar.objects.filter(pk__in=node_ids, held_for=quote).exclude(held_for="")
    held.update(held=None, held_until=None, held_for="")


def claims_in(*, node: Node, window: Window) -> list[Claim]:
    """The live claims of a node that touch the window, by time."""
    touching = Claim.objects.filter(
        node=node, released_at=None, period__overlap=DateTimeTZRange(window.starts_at, window.ends_at)
    )
    return list(touching.select_related("lease", "maintenance").order_by("period"))


def next_free(*, node: Node, after: datetime, length: timedelta, now: datetime) -> datetime:
    """The first moment from `after` on at which the node is neither claimed nor held for `length`."""
    live = Claim.objects.filter(node=node, released_at=None, period__endswith__gt=after)
    taken = [*live.values_list("period", flat=True), *_held(node_ids=[node.pk], after=after, now=now)]
    for period in sorted(taken, key=lambda period: period.lower):
        if after + length <= period.lower:
            break
        after = max(after, period.upper)
    return after


def is_held_in(*, node: Node, window: Window, now: datetime) -> bool:
    """Whether a quote holds the node for a period that touches the window."""
    wanted = DateTimeTZRange(window.starts_at, window.ends_at)
    return NodeCalendar.objects.filter(is_held(now=now), pk=node.pk, held__overlap=wanted).exists()


def reach_until(
    *, node_ids: Sequence[int], after: datetime, wanted: datetime, now: datetime, quote: str = ""
) -> datetime:
    """
    How far locked nodes may be claimed from `after` on before another claim begins, or what is held for a quote other
    than `quote`: at most `wanted`.
    """
    starts: list[datetime] = [held.lower for held in _held(node_ids=node_ids, after=after, now=now, quote=quote)]
    return max(after, min([_until_next_claim(node_ids, after, wanted), *starts]))


def _until_next_claim(node_ids: Sequence[int], after: datetime, wanted: datetime) -> datetime:
    first = next_behind(node_ids=node_ids, after=after)
    return min(wanted, first.period.lower) if first else wanted


def _held(
    *, node_ids: Sequence[int], after: datetime, now: datetime, quote: str = ""
) -> QuerySet[NodeCalendar, DateTimeTZRange]:
    """What is held of the nodes for other quotes from `after` on."""
    held = NodeCalendar.objects.filter(is_held(now=now, quote=quote), pk__in=node_ids, held__endswith__gt=after)
    return held.values_list("held", flat=True)


def next_behind(*, node_ids: Sequence[int], after: datetime) -> Claim | None:
    """The first claim of any of the nodes that begins from `after` on."""
    behind = Claim.objects.filter(node_id__in=node_ids, released_at=None, period__startswith__gte=after)
    return behind.order_by("period").first()


def set_end(*, claims: Iterable[Claim], ends_at: datetime) -> None:
    """
    Move the end of claims whose nodes are locked, at most to where the next claim begins: a lease that ends late must
    not be kept from it by who booked behind, and still less by what a quote holds. A claim that would be empty is
    released instead.
    """
    changed = list(claims)
    for row in changed:
        if ends_at > row.period.lower:
            reach = _until_next_claim([row.node_id], row.period.upper, ends_at)
            row.period = DateTimeTZRange(row.period.lower, reach)
            row.save(update_fields=["period"])
        else:
            row.released_at = ends_at
            row.save(update_fields=["released_at"])
    refresh([row.node_id for row in changed])


def release(*, lease: Lease, node_ids: Sequence[int], now: datetime) -> None:
    """Let go of nodes whose calendars are locked."""
    Claim.objects.filter(lease=lease, node_id__in=node_ids, released_at=None).update(released_at=now)
    refresh(node_ids)


def release_claim(claim: Claim, *, now: datetime) -> None:
    """Let go of one claim whose node's calendar is locked."""
    Claim.objects.filter(pk=claim.pk, released_at=None).update(released_at=now)
    refresh([claim.node_id])


def refresh(node_ids: Sequence[int]) -> None:
    """
    Write each node's `busy` anew from its live claims.

    Locks the calendars that are not locked yet: only a statement begun after the wait sees what it waited for.
    """
    list(NodeCalendar.objects.filter(pk__in=node_ids).order_by("pk").select_for_update(no_key=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE marketplace_nodecalendar AS calendar
               SET busy = coalesce((SELECT range_agg(period) FROM leasing_claim AS live
                                     WHERE live.node_id = calendar.node_id AND live.released_at IS NULL), '{}')
             WHERE calendar.node_id = ANY(%s)
            """,
            [list(node_ids)],
        )
