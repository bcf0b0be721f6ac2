"""The claims calendar: locking nodes, taking them for a period, and letting go. Every change of a claim is here."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import QuerySet

from accounts.prepared import ask
from leasing.models import Claim, Lease
from marketplace.models import Node, NodeCalendar, Offer, Pool
from marketplace.queries import Window, is_held

BLOCKING_TRIES = 5
# A claim is released when its node is clean again, so that neither this nor `busy` grows with what is past.
REFRESH = "SELECT leasing_write_calendars(%s::bigint[])"


class TooFewNodes(Exception):
    """Not enough nodes of the pool are free for the whole window."""


def lock_idle_nodes(*, pool: Pool, nodes: int, window: Window, now: datetime, fabric_group: str = "") -> list[int]:
    """
    Lock `nodes` calendars of the pool that are free for the whole window, passing over those that somebody else has
    locked: it never waits, so it never deadlocks. A `fabric_group` takes nodes of that group alone. Returns the node
    ids, ascending.

    :raises TooFewNodes: with nothing locked
    """
    return _lock_nodes(pool, nodes, window, now, which="any", fabric_group=fabric_group)


def lock_unheld_nodes(
    *, pool: Pool, nodes: int, window: Window, now: datetime, together: bool = False
) -> list[NodeCalendar]:
    """
    As `lock_idle_nodes`, of those on which a hold can be written: none is there for another time. With `together` they
    are of one fabric group.

    :raises TooFewNodes: with nothing locked
    """
    found = _lock_nodes(pool, nodes, window, now, which="unheld", together=together)
    return list(NodeCalendar.objects.filter(pk__in=found).order_by("pk"))


def _lock_nodes(
    pool: Pool, nodes: int, window: Window, now: datetime, *, which: str, fabric_group: str = "", together: bool = False
) -> list[int]:
    """By the function in booking.sql that orders take their nodes with too. Raises TooFewNodes."""
    wanted = DateTimeTZRange(window.starts_at, window.ends_at)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT leasing_lock_nodes(%s, %s, %s::tstzrange, '', %s, %s, %s, %s, false)",
            [pool.pk, nodes, wanted, now, which, fabric_group, together],
        )
        (found,) = cursor.fetchone()
    if found is None:
        raise TooFewNodes
    return list(found)


def ids(calendars: Iterable[NodeCalendar]) -> list[int]:
    """The nodes' ids."""
    return [calendar.pk for calendar in calendars]


def lock_node(node: Node) -> Node:
    """Lock one node's calendar. Returns the node as it is then."""
    NodeCalendar.objects.select_for_update(no_key=True).get(pk=node.pk)
    return Node.objects.select_related("pool__site", "pool__node_type").get(pk=node.pk)


def lock_nodes_of(lease: Lease) -> list[int]:
    """
    Lock the calendars of every node that the lease claims, ids ascending. Returns the node ids. One that it is given
    while we wait is among them.
    """
    [(found,)] = ask("SELECT leasing_lock_claimed(%s)", [lease.pk])
    return list(found)


class ClaimsChanged(Exception):
    """The lease was given another node while we waited for its nodes."""


def lock(node_ids: Sequence[int]) -> None:
    """Lock the calendars of these nodes, ids ascending."""
    list(NodeCalendar.objects.filter(pk__in=node_ids).order_by("pk").select_for_update(no_key=True))


def claimed(lease: Lease) -> list[int]:
    """Ids of the nodes that the lease claims, ascending."""
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


def hold(*, node_ids: Sequence[int], period: Window, quote: str, until: datetime, firm: bool) -> None:
    """
    Hold locked nodes for a quote, until it is ordered or the moment has come, with or without firm power. It is written
    over an older hold.
    """
    held = DateTimeTZRange(period.starts_at, period.ends_at)
    NodeCalendar.objects.filter(pk__in=node_ids).update(held=held, held_until=until, held_for=quote, held_firm=firm)


def lock_held_for(quote: str) -> list[int]:
    """Lock the calendars of the nodes that are held for the quote, ids ascending. Returns the node ids."""
    return ids(_held_for(quote).select_for_update(no_key=True))


def held_for(quote: str) -> list[int]:
    """Ids of the nodes that are held for the quote, ascending; none for ""."""
    return ids(_held_for(quote))


def _held_for(quote: str) -> QuerySet[NodeCalendar]:
    return NodeCalendar.objects.filter(held_for=quote).exclude(held_for="").order_by("pk")


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
    held = NodeCalendar.objects.filter(is_held(now=now), pk=node.pk, held__endswith__gt=after)
    taken = [*live.values_list("period", flat=True), *held.values_list("held", flat=True)]
    for period in sorted(taken, key=lambda period: period.lower):
        if after + length <= period.lower:
            break
        after = max(after, period.upper)
    return after


def is_held_in(*, node: Node, window: Window, now: datetime) -> bool:
    """Whether a quote holds the node for a period that touches the window."""
    wanted = DateTimeTZRange(window.starts_at, window.ends_at)
    return NodeCalendar.objects.filter(is_held(now=now), pk=node.pk, held__overlap=wanted).exists()


def reach_until(*, node_ids: Sequence[int], after: datetime, wanted: datetime, now: datetime) -> datetime:
    """
    How far locked nodes may be claimed from `after` on before another claim begins, or what is held for a quote: at
    most `wanted`.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT leasing_reach(%s, %s, %s, '', %s)", [list(node_ids), after, wanted, now])
        (reach,) = cursor.fetchone()
    assert isinstance(reach, datetime)
    return reach.astimezone(UTC)


def take_power(*, offer: Offer, nodes: int, period: Window, now: datetime, quote: str = "") -> datetime:
    """
    How far in the period the offer's site has firm power for nodes of it, locked until the end of the transaction: the
    end, if all along. What is held for the quote counts as free. The nodes' calendars are locked before.
    """
    wanted = DateTimeTZRange(period.starts_at, period.ends_at)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT leasing_take_power(%s, %s, %s::tstzrange, %s, %s)", [offer.pk, nodes, wanted, quote, now]
        )
        (reach,) = cursor.fetchone()
    assert isinstance(reach, datetime)
    return reach.astimezone(UTC)


def _until_next_claim(node_ids: Sequence[int], after: datetime, wanted: datetime) -> datetime:
    first = next_behind(node_ids=node_ids, after=after)
    return min(wanted, first.period.lower) if first else wanted


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
    ask("SELECT leasing_release(%s, %s::bigint[], %s)", [lease.pk, list(node_ids), now])


def release_claim(claim: Claim, *, now: datetime) -> None:
    """Let go of one claim whose node's calendar is locked."""
    Claim.objects.filter(pk=claim.pk, released_at=None).update(released_at=now)
    refresh([claim.node_id])


def refresh(node_ids: Sequence[int]) -> None:
    """
    Write each node's calendar anew from its live claims.

    Locks the calendars that are not locked yet: only a statement begun after the wait sees what it waited for.
    """
    lock(node_ids)
    with connection.cursor() as cursor:
        cursor.execute(REFRESH, [list(node_ids)])
