"""A quote that holds its nodes: for some minutes nobody else can take them, while one fills in the rest."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Sum

import leasing.operations
from accounts.models import Organization
from billing import checkout, limits, operations, quotes
from billing.models import Quote


class CannotHold(Exception):
    """The quote cannot hold nodes. The message says why, and the way out."""


class HeldLately(CannotHold):
    """The organization let nodes there go unused a moment ago: they are for others first, until `again_at`."""

    def __init__(self, again_at: datetime) -> None:
        super().__init__(
            "Nodes that you held here were not ordered. You can hold some again from "
            f"{again_at:%H:%M:%S} UTC; until then leave hold out, and order at once."
        )
        self.again_at = again_at


@transaction.atomic
def hold_nodes(*, quote: Quote, now: datetime) -> Quote:
    """
    Hold the quote's nodes for as long as its terms say, or until its start. Returns it as it is then.

    An organization has one such quote for each offer: nodes that an earlier one holds are let go, if this one gets its
    own, and for no longer than that one would have. The price is kept at least as long as the nodes. One that holds
    them already holds them no longer for that.

    :raises limits.OrderingBlocked: if the organization may not order
    :raises limits.NodeLimitReached: if with these it would have, or hold, more nodes at once than it may
    :raises CannotHold: if the plan holds no nodes
    :raises HeldLately: if what it held there lapsed, as long ago as the terms hold nodes or less
    :raises QuoteUsed: if it became a lease before
    :raises QuoteExpired: if its price is no longer kept
    :raises leasing.operations.NodesTaken: if not all nodes are free for the whole window
    """
    organization = quote.organization
    operations.lock_wallet(organization=organization)
    fresh = quotes.usable(quote.public_id, organization, now)
    if fresh.holds_until and fresh.holds_until > now:
        return fresh
    _check(fresh, now)
    holding = Quote.objects.filter(organization=organization, offer=fresh.offer, holds_until__isnull=False).first()
    until = _until(fresh, holding, now)
    leasing.operations.keep(
        offer=fresh.offer,
        terms=fresh.terms,
        nodes=fresh.nodes,
        same_fabric=fresh.same_fabric,
        starts_at=max(fresh.starts_at, now),
        ends_at=fresh.ends_at,
        quote=fresh.public_id,
        instead_of=holding.public_id if holding else "",
        until=until,
        now=now,
    )
    if holding:
        Quote.objects.filter(pk=holding.pk).update(holds_until=None)
    fresh.holds_until, fresh.expires_at = until, max(fresh.expires_at, until)
    fresh.save(update_fields=["holds_until", "expires_at"])
    return fresh


def may_hold(*, quote: Quote) -> bool:
    """Whether its terms and the organization's standing allow it."""
    return quote.terms.hold_seconds > 0 and not limits.blocked(quote.organization)


def again_at(*, quote: Quote, now: datetime) -> datetime | None:
    """
    From when its organization can hold nodes of the pool again, whatever the offer, if a hold of its lapsed there.

    The pause is as long as a hold: who only holds, and never orders, leaves the nodes to others half of the time.
    """
    pause = timedelta(seconds=quote.terms.hold_seconds)
    there = Quote.objects.filter(organization=quote.organization_id, offer__pool=quote.offer.pool_id)
    lapsed = there.filter(holds_until__gt=now - pause, holds_until__lte=now).aggregate(at=Max("holds_until"))
    return lapsed["at"] + pause if lapsed["at"] else None


def _until(quote: Quote, holding: Quote | None, now: datetime) -> datetime:
    """No longer than orders for it are taken, nor than what it takes the place of."""
    terms, before = quote.terms, holding.holds_until if holding else None
    last = checkout.orders_end(terms, quote.starts_at, quote.ends_at, quote.created_at)
    until = now + timedelta(seconds=terms.hold_seconds)
    return min(filter(None, (until, last, before if before and before > now else None)))


def _check(quote: Quote, now: datetime) -> None:
    organization, plan = (
        Organization.objects.select_related("billing_account").get(pk=quote.organization_id),
        quote.offer.plan,
    )
    if words := limits.blocked(organization):
        raise limits.OrderingBlocked(words)
    if not quote.terms.hold_seconds:
        raise CannotHold(f"{plan.name} holds no nodes for a quote. Leave hold out, and order at once.")
    if again := again_at(quote=quote, now=now):
        raise HeldLately(again)
    others = Quote.objects.filter(organization=organization, offer__plan=plan, holds_until__gt=now)
    held = others.exclude(offer=quote.offer).aggregate(nodes=Sum("nodes"))["nodes"] or 0
    window: dict[str, Any] = {"starts_at": quote.starts_at, "ends_at": quote.ends_at}
    try:
        limits.check_nodes(organization=organization, terms=quote.terms, nodes=held + quote.nodes, now=now, **window)
    except limits.NodeLimitReached as reached:
        raise limits.NodeLimitReached(
            plan, limit=reached.limit, in_use=reached.in_use, wanted=quote.nodes, held=held
        ) from reached
