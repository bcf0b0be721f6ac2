"""An agreed lease goes to another window or offer before it begins: to all of its new nodes, or it stays as it is."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from django.db import transaction

from accounts.operations import record
from leasing.models import ChangeKind, Lease, LeaseChange, Machine
from leasing.operations import calendar
from leasing.operations.booking import no_power, nodes_taken
from leasing.operations.extending import WindowRefused
from leasing.queries.moving import fabric_group_for, why_not_moved
from leasing.states import MachineState
from marketplace.models import Offer, Pool, Rate, Terms
from marketplace.queries import Window, free_nodes, occupied


@transaction.atomic
def move(
    *,
    lease: Lease,
    offer: Offer,
    terms: Terms,
    rate: Rate,
    starts_at: datetime,
    ends_at: datetime,
    quote: str,
    actor: str,
    price: str,
    now: datetime,
) -> LeaseChange:
    """
    Let an agreed lease take place in another window, on nodes of `offer` and on `terms`, as it was quoted. Nodes that
    it has already and that are free then are kept. `quote` may hold nodes for it: these come next, and all of them are
    let go. One in one fabric group goes to one, its own if that will do. `price` says in words what changes.

    :raises WindowRefused: if it has begun, or is too near its start
    :raises NodesTaken: if fewer nodes are free for the whole new window; it stays where it was then
    :raises PowerTaken: if their site has not enough firm power for that; it stays where it was too
    """
    period = occupied(terms, starts_at, ends_at)
    before, after = _exchange(lease, offer=offer, period=period, quote=quote, now=now)
    lease = Lease.objects.select_for_update(of=("self",)).select_related("terms", "organization").get(pk=lease.pk)
    refusal = why_not_moved(lease, now=now)
    if refusal or lease.ends_at is None:
        raise WindowRefused(refusal) if refusal else AssertionError("a lease without an end was refused")
    if calendar.take_power(offer=offer, nodes=len(after), period=period, now=now, quote=quote) < period.ends_at:
        raise no_power(offer=offer, nodes=lease.node_count, same_fabric=lease.same_fabric, window=period, now=now)
    calendar.claim(lease=lease, node_ids=after, period=period)
    change = LeaseChange.objects.create(
        lease=lease,
        kind=ChangeKind.MOVED,
        at=now,
        actor=actor,
        old_starts_at=lease.starts_at,
        old_ends_at=lease.ends_at,
        new_starts_at=starts_at,
        new_ends_at=ends_at,
        nodes=before,
    )
    window = {"starts_at": starts_at, "ends_at": ends_at, "guaranteed_until": ends_at, "end_notice_at": None}
    Lease.objects.filter(pk=lease.pk).update(offer=offer, terms=terms, rate=rate, **window)
    _machines(lease, before=before, after=after, actor=actor, now=now)
    _record(change, offer, price)
    return change


def _exchange(lease: Lease, *, offer: Offer, period: Window, quote: str, now: datetime) -> tuple[list[int], list[int]]:
    """Ids of the nodes that it had, let go, and of those that it gets, all of them locked. Raises NodesTaken."""
    for _ in range(calendar.BLOCKING_TRIES):
        with suppress(calendar.TooFewNodes, calendar.ClaimsChanged):  # somebody took one while we waited
            return _try(lease, pool=offer.pool, period=period, quote=quote, now=now)
    raise nodes_taken(
        offer=offer,
        nodes=lease.node_count,
        same_fabric=lease.same_fabric,
        window=period,
        quote=quote,
        now=now,
    )


@transaction.atomic
def _try(lease: Lease, *, pool: Pool, period: Window, quote: str, now: datetime) -> tuple[list[int], list[int]]:
    """All at once, ids ascending. Raises TooFewNodes or ClaimsChanged, with nothing locked or changed."""
    before, held = calendar.claimed(lease), calendar.held_for(quote)
    free = free_nodes(window=period, now=now, quote=quote).filter(pool=pool)
    if lease.same_fabric:
        group = fabric_group_for(lease, pool=pool, period=period, quote=quote, now=now)
        free = free.filter(node__fabric_group=group)
    others = free.exclude(pk__in=before).order_by("node_id").values_list("pk", flat=True)[: lease.node_count]
    wanted = sorted({*before, *held, *others})
    calendar.lock(wanted)
    if (calendar.claimed(lease), calendar.held_for(quote)) != (before, held):
        raise calendar.ClaimsChanged
    calendar.release(lease=lease, node_ids=before, now=now)
    calendar.let_go(node_ids=held, quote=quote)
    found = list(free.filter(pk__in=wanted).values_list("pk", flat=True))
    if len(found) < lease.node_count:
        raise calendar.TooFewNodes
    found.sort(key=lambda node: (node not in before, node not in held, node))
    return before, sorted(found[: lease.node_count])


def _machines(lease: Lease, *, before: Sequence[int], after: Sequence[int], actor: str, now: datetime) -> None:
    """Those that wait for a node that it has no longer are withdrawn; each new node gets one that waits for it."""
    for machine in lease.machines.filter(state=MachineState.PENDING).exclude(node__in=after).order_by("node_id"):
        machine.move_to(MachineState.WITHDRAWN, at=now, reason="moved", actor=actor)
    kept = lease.machines.filter(state=MachineState.PENDING).values_list("number", flat=True)
    numbers = sorted({*range(1, lease.node_count + 1)} - {*kept})
    for number, node_id in zip(numbers, sorted({*after} - {*before}), strict=True):
        waiting = {"number": number, "state": MachineState.PENDING, "state_since": now}
        machine = Machine.objects.create(lease=lease, node_id=node_id, **waiting)
        machine.begin(at=now, actor=actor)


def _record(change: LeaseChange, offer: Offer, price: str) -> None:
    lease = change.lease
    window = f"{change.new_starts_at:%Y-%m-%d %H:%M} to {change.new_ends_at:%Y-%m-%d %H:%M} UTC"
    record(
        organization=lease.organization,
        kind="lease.moved",
        subject=lease.public_id,
        actor=change.actor,
        at=change.at,
        data={
            "name": lease.name,
            "offer": offer.public_id,
            "place": offer.pool.site.place,
            "starts_at": change.new_starts_at.isoformat(),
            "ends_at": change.new_ends_at.isoformat(),
        },
        notice={
            "title": f"{lease.name} was moved: {window}",
            "text": f"It was to run from {change.old_starts_at:%Y-%m-%d %H:%M} to {change.old_ends_at:%Y-%m-%d %H:%M} "
            f"UTC, and now runs from {window}, in {offer.pool.site.place}. {price}",
            "path": f"/leases/{lease.public_id}/",
        },
    )
