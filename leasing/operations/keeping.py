"""Nodes that a quote holds: a note on their calendars that lapses by the clock, so that no sweep has to end it."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from leasing.operations import calendar
from leasing.operations.booking import guaranteed, no_power, nodes_taken
from marketplace.models import NodeCalendar, Offer, PlanKind, Pool, Terms
from marketplace.queries import Window, free_nodes, is_held, occupied, tightest_fabric_group


@transaction.atomic
def keep(
    *,
    offer: Offer,
    terms: Terms,
    nodes: int,
    same_fabric: bool,
    starts_at: datetime,
    ends_at: datetime | None,
    quote: str,
    instead_of: str,
    until: datetime,
    now: datetime,
) -> None:
    """
    Hold `nodes` nodes of the offer for a quote, all or none, in place of what the quote `instead_of` holds ("": none).
    With `same_fabric` they are all of one fabric group.

    An order of the quote takes exactly these, as long as it comes before `until`.

    :raises NodesTaken: if fewer are free for the whole period; what `instead_of` holds stays held then
    :raises PowerTaken: if their site has not enough firm power for an order of them; the same then
    """
    # An open-ended lease begins with its order, which may come as late as `until`.
    window = Window(starts_at, occupied(terms, starts_at if ends_at else until, ends_at).ends_at)
    wanted: dict[str, Any] = {"nodes": nodes, "same_fabric": same_fabric, "now": now}
    wish: dict[str, Any] = {"pool": offer.pool, "window": window, "instead_of": instead_of, **wanted}
    try:
        found = _at_once(horizon=None if ends_at else guaranteed(terms, window.starts_at), **wish) or _in_line(**wish)
    except calendar.TooFewNodes:
        raise nodes_taken(offer=offer, window=window, quote=instead_of, **wanted) from None
    if calendar.take_power(offer=offer, nodes=nodes, period=window, now=now) < window.ends_at:
        raise no_power(offer=offer, window=window, **wanted)
    firm = offer.plan.kind != PlanKind.SURPLUS
    calendar.hold(node_ids=found, period=window, quote=quote, until=until, firm=firm)


@transaction.atomic
def _at_once(
    *, pool: Pool, nodes: int, same_fabric: bool, window: Window, horizon: Window | None, instead_of: str, now: datetime
) -> list[int]:
    """
    Ids of nodes that nobody else has locked, in place of those before, which are let go; none, and nothing is changed,
    if they are too few. For an open-ended lease rather nodes with nothing booked behind, as its order would choose.
    """
    wish: dict[str, Any] = {"pool": pool, "nodes": nodes, "together": same_fabric, "now": now}
    with suppress(calendar.TooFewNodes), transaction.atomic():
        calendar.let_go(node_ids=calendar.lock_held_for(instead_of), quote=instead_of)
        if horizon:
            with suppress(calendar.TooFewNodes):
                return calendar.ids(calendar.lock_unheld_nodes(window=horizon, **wish))
        return calendar.ids(calendar.lock_unheld_nodes(window=window, **wish))
    return []


def _in_line(*, pool: Pool, nodes: int, same_fabric: bool, window: Window, instead_of: str, now: datetime) -> list[int]:
    """The same, waiting for whoever has them locked. Raises TooFewNodes."""
    for _ in range(calendar.BLOCKING_TRIES):
        free = free_nodes(window=window, now=now, quote=instead_of).exclude(is_held(now=now, quote=instead_of))
        choice = free.filter(pool=pool)
        if same_fabric:
            choice = choice.filter(node__fabric_group=tightest_fabric_group(choice, nodes=nodes))
        wanted = list(choice.order_by("node_id").values_list("pk", flat=True)[:nodes])
        if len(wanted) < nodes:
            break
        with suppress(calendar.TooFewNodes):  # somebody took one while we waited; look at what is left
            return _try(free, wanted, nodes, instead_of)
    raise calendar.TooFewNodes


@transaction.atomic
def _try(free: QuerySet[NodeCalendar], wanted: list[int], nodes: int, instead_of: str) -> list[int]:
    """All at once, those before among them, ids ascending. Raises TooFewNodes, with nothing locked or changed."""
    before = calendar.held_for(instead_of)
    calendar.lock([*wanted, *before])
    if calendar.held_for(instead_of) != before or free.filter(pk__in=wanted).count() < nodes:
        raise calendar.TooFewNodes
    calendar.let_go(node_ids=before, quote=instead_of)
    return wanted
