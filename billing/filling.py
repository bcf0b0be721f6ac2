"""Serving the line: oldest first, each with the cheapest nodes that are free, all of them or none."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import QuerySet

from accounts.operations import Words
from accounts.seal import Unsealable, unseal
from billing import checkout, keeping, limits, operations, quotes, waiting
from billing.models import Mode, Quote, StandingOrder, StandingOrderState
from billing.queries import rate_words
from leasing.models import ENVIRONMENT_PURPOSE
from leasing.operations import NodesTaken, Setup
from marketplace.measures import nodes_of
from marketplace.models import Offer, PlanKind
from marketplace.queries import Criteria, find, first_end, rows, soonest

ORDER = "/order/"
SECOND = timedelta(seconds=1)


class NotThis(Exception):
    """This opening will not do; the next may."""


class Ended(Exception):
    """It ended while it was being filled."""


class HeldUp(Exception):
    """It cannot be filled now, whichever nodes are free. The message says why."""


OBSTACLES = (HeldUp, checkout.InsufficientFunds, *checkout.CAPS)  # its customer is told, once, and it stays in line


@dataclass(frozen=True)
class Opening:
    """Nodes of an offer that are free for the wish; on demand without times."""

    offer: Offer
    starts_at: datetime | None
    ends_at: datetime | None


def in_line() -> QuerySet[StandingOrder]:
    """Those that wait, oldest first."""
    waiting_ones = StandingOrder.objects.filter(state=StandingOrderState.WAITING)
    return waiting_ones.select_related("organization", "created_by", "image").order_by("id")


def fill(*, order: StandingOrder, now: datetime) -> bool:
    """
    Book the order's nodes, or tell that they are free, if they are; or let it expire. Whether it ended.

    Who cannot be served does not hold up those behind.
    """
    if order.expires_at <= now:
        return waiting.expire(order=order, now=now)
    try:
        for opening in openings(order=order, now=now):
            try:
                _take(order, opening, now)
            except (NotThis, NodesTaken, checkout.QuoteRefused, keeping.CannotHold):
                continue
            return True
    except Ended:
        pass
    except OBSTACLES as obstacle:
        _hold_up(order, str(obstacle), now)
    return False


def openings(*, order: StandingOrder, now: datetime) -> list[Opening]:
    """Where its nodes are free from end to end: the cheapest first, of these the earliest."""
    found = list(_on_demand(order, now) if order.length_seconds is None else _ahead(order, now))
    return [opening for _, opening in sorted(found, key=lambda pair: pair[0])]


Ranked = tuple[tuple[int, datetime, int], Opening]


def _on_demand(order: StandingOrder, now: datetime) -> Iterable[Ranked]:
    if order.earliest_at > now:
        return
    criteria = _criteria(order, max_micros_per_node_hour=order.max_micros_per_node_hour)
    kinds = waiting.kinds_now(surplus=order.accepts_surplus)
    for row in rows(hits=find(criteria=criteria, now=now), criteria=criteria, now=now):
        if row.offer.plan.kind in kinds and row.enough:
            yield (row.micros_per_node_hour, now, row.offer.pk), Opening(row.offer, None, None)


def _ahead(order: StandingOrder, now: datetime) -> Iterable[Ranked]:
    assert order.length_seconds is not None and order.latest_at is not None
    length, earliest = timedelta(seconds=order.length_seconds), max(order.earliest_at, now)
    criteria = _criteria(order, starts_at=earliest, ends_at=earliest + length)
    hits = [hit for hit in find(criteria=criteria, now=now) if hit.terms.plan.kind == PlanKind.RESERVED]
    for hit, row in zip(hits, rows(hits=hits, criteria=criteria, now=now), strict=True):
        if row.free_from is None:
            continue
        start, end = row.free_from, first_end(hit.terms, row.free_from, row.free_from + length)
        micros = hit.terms.agreed_rate(hit.list_micros, (end - start) // SECOND)
        if end <= order.latest_at and not _too_dear(order, micros):
            yield (micros, start, row.offer.pk), Opening(row.offer, start, end)


def _criteria(order: StandingOrder, **more: Any) -> Criteria:
    return Criteria(
        **order.criteria,
        nodes=order.nodes,
        same_fabric=order.same_fabric,
        organization=order.organization,
        **more,
    )


def _too_dear(order: StandingOrder, micros_per_node_hour: int) -> bool:
    """Whether a node-hour, any discount taken off, costs more than the customer takes."""
    most = order.max_micros_per_node_hour
    return most is not None and micros_per_node_hour > most


@transaction.atomic
def _take(order: StandingOrder, opening: Opening, now: datetime) -> None:
    """
    The order's end and what it is filled with, or nothing of both.

    The wallet's lock lets one sweep at a time work for an organization; the guarded end refuses what was cancelled.
    """
    operations.lock_wallet(organization=order.organization)
    order.refresh_from_db(fields=["state"])
    if not order.waiting:
        raise Ended
    limits.check_ordering(organization=order.organization)
    quote = checkout.quote(
        organization=order.organization,
        offer=opening.offer,
        nodes=order.nodes,
        same_fabric=order.same_fabric,
        starts_at=opening.starts_at,
        ends_at=opening.ends_at,
        now=now,
    )
    if _too_dear(order, quote.micros_per_node_hour):
        raise NotThis
    (_book if order.mode == Mode.BOOK else _offer)(order, quote, now)


def _book(order: StandingOrder, quote: Quote, now: datetime) -> None:
    lease = checkout.place(
        organization=order.organization,
        actor=waiting.SYSTEM,
        created_by=order.created_by,
        quote=quote.public_id,
        setup=_setup(order),
        beside_hold=True,
        now=now,
    )
    words = Words(
        title=f"“{order.name}” is booked: {_what(quote)}",
        text=f"Your standing order found {_what(quote)} for {rate_words(quote.micros_per_node_hour)}, "
        f"{_when(quote)}. You can cancel or return it like any other lease.",
        path=f"/leases/{lease.public_id}/",
    )
    _end(order, words, now, lease=lease)


def _offer(order: StandingOrder, quote: Quote, now: datetime) -> None:
    """A quote that holds the nodes, where the plan holds any; not in place of one that the customer looks at now."""
    if quotes.holding(organization=order.organization, offer=quote.offer, now=now):
        raise NotThis
    if quote.terms.hold_seconds:
        quote = keeping.hold_nodes(quote=quote, now=now)
    until = quote.holds_until or quote.expires_at
    kept = "It is held for you" if quote.holds_until else "The price is kept"
    words = Words(
        title=f"“{order.name}” is free: {_what(quote)}",
        text=f"What you waited for is free {_when(quote)}, for {rate_words(quote.micros_per_node_hour)}. "
        f"{kept} until {until:%H:%M:%S} UTC: order before.",
        path=order_path(quote),
    )
    _end(order, words, now, quote=quote)


def _end(order: StandingOrder, words: Words, now: datetime, **made: object) -> None:
    filled = StandingOrderState.FILLED
    if not waiting.end(order=order, state=filled, actor=waiting.SYSTEM, now=now, notice=words, **made):
        raise Ended  # cancelled meanwhile: what was made for it is undone


def order_path(quote: Quote) -> str:
    """The page that orders it."""
    times = {"starts_at": quote.starts_at, "ends_at": quote.ends_at} if quote.ends_at else {}
    if quote.starts_at <= soonest(quote.terms, quote.created_at):
        times.pop("starts_at", None)  # it starts when it is ordered
    period = {name: f"{at:%Y-%m-%dT%H:%M}" for name, at in times.items() if at}
    together = {"same_fabric": "on"} if quote.same_fabric else {}
    wish = {"offer": quote.offer.public_id, "nodes": str(quote.nodes), **together, **period, "quote": quote.public_id}
    return f"{ORDER}?{urlencode(wish)}"


def _setup(order: StandingOrder) -> Setup:
    keys = list(order.ssh_keys.all())
    if not keys:
        raise HeldUp("The SSH keys that it would admit were removed. Cancel it and make another.")
    assert order.image is not None
    try:
        sealed = order.environment
        environment = json.loads(unseal(sealed, purpose=ENVIRONMENT_PURPOSE)) if sealed else {}
    except Unsealable as error:
        raise HeldUp("Its environment variables cannot be read any more. Cancel it and make another.") from error
    return Setup(order.name, keys, order.image, order.startup_script, environment, order.on_failure, order.project)


@transaction.atomic
def _hold_up(order: StandingOrder, why: str, now: datetime) -> None:
    """Tell once that nodes are free and something else is in the way, and show what it is now. It stays in line."""
    waits = StandingOrder.objects.filter(pk=order.pk, state=StandingOrderState.WAITING)
    if not waits.filter(held_up="").update(held_up=why[:300]):
        waits.exclude(held_up=why[:300]).update(held_up=why[:300])
        return
    words = Words(
        title=f"“{order.name}” could be filled, but something is in the way",
        text=f"Nodes as you want them are free. {why} It stays in line, and is filled as soon as both are given.",
        path=f"/standing-orders/{order.public_id}/",
    )
    waiting.tell(order, "held_up", actor=waiting.SYSTEM, now=now, notice=words)


def _what(quote: Quote) -> str:
    pool = quote.offer.pool
    return f"{nodes_of(quote.nodes, pool.node_type.name)} in {pool.site.place}"


def _when(quote: Quote) -> str:
    if quote.ends_at is None:
        return "from now on, until you give it back"
    return f"from {quote.starts_at:%Y-%m-%d %H:%M} to {quote.ends_at:%Y-%m-%d %H:%M} UTC"
