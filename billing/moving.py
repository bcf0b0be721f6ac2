"""An agreed lease that moves: at the price of a fresh quote, with the difference taken from or given to the wallet."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

import leasing.operations
from billing import checkout, limits, operations, quotes
from billing.checkout import InsufficientFunds
from billing.extending import extendable
from billing.models import Meter, MeterPrice, Quote
from billing.queries import readable, wallet
from billing.queries.commitments import of_meter
from billing.quotes import QuoteUsed
from leasing.models import Lease
from leasing.operations import WindowRefused
from leasing.queries.moving import nodes_for, why_not_moved
from marketplace.measures import counted
from marketplace.money import format_micros
from marketplace.queries import Refusal, occupied, soonest


@transaction.atomic
def move(*, lease: Lease, quote: Quote, actor: str, now: datetime) -> None:
    """
    Let an agreed lease take place as `quote` says: its window, its offer, its price; or nothing changes. What its
    organization holds of the offer, by whichever quote, is used up, as by an order. A quote that it was moved by
    already changes nothing.

    :raises QuoteUsed: if the quote became another lease
    :raises QuoteExpired: if its price is no longer kept
    :raises leasing.operations.WindowRefused: if it has begun or is too near its start, or the quote is not for it
    :raises InsufficientFunds: if the wallet lacks what it costs more
    :raises limits.OrderingBlocked, limits.NodeLimitReached, budgets.BudgetExceeded: as for an order
    :raises leasing.operations.NodesTaken: if not all nodes are free for the whole window
    """
    operations.lock_wallet(organization=lease.organization)
    fresh = extendable().get(pk=lease.pk)
    try:
        agreed = quotes.usable(quote.public_id, fresh.organization, now)
    except QuoteUsed as used:
        if used.lease == fresh:
            return
        raise
    if refusal := why_not_moved(fresh, now=now) or _unfit(fresh, agreed):
        raise WindowRefused(refusal)
    assert agreed.ends_at is not None
    more = difference(lease=fresh, quote=agreed)
    available = wallet(organization=fresh.organization, now=now).available_micros
    if more > available:
        raise InsufficientFunds(needed_micros=more, available_micros=available)
    starts_at = max(agreed.starts_at, soonest(agreed.terms, now))
    _check_caps(fresh, agreed, starts_at, now)
    held = quotes.held_for(agreed)
    leasing.operations.move(
        lease=fresh,
        offer=agreed.offer,
        terms=agreed.terms,
        rate=agreed.rate,
        starts_at=starts_at,
        ends_at=agreed.ends_at,
        quote=held,
        actor=actor,
        price=_words(agreed, more),
        now=now,
    )
    _agree(fresh, agreed, starts_at, now)
    if held not in ("", agreed.public_id):
        quotes.hold_used(held)


def _check_caps(lease: Lease, quote: Quote, starts_at: datetime, now: datetime) -> None:
    """As for an order, less what the lease had before in each month."""
    limits.check_ordering(organization=lease.organization)
    checkout.check_caps(
        organization=lease.organization,
        project=lease.project,
        terms=quote.terms,
        micros_per_node_hour=quote.micros_per_node_hour,
        nodes=quote.nodes,
        starts_at=starts_at,
        ends_at=quote.ends_at,
        now=now,
        beside=lease,
        instead_of=of_meter(readable().get(lease=lease), now=now).by_month,
    )


def difference(*, lease: Lease, quote: Quote) -> int:
    """Micro-dollars that the lease costs more as quoted, below zero where less."""
    return quote.hold_micros - lease.meter.hold_micros


@dataclass(frozen=True)
class Preview:
    """
    What a move would come to: micro-dollars more, what speaks against it, how many nodes are free for it, those that
    its organization holds there among them, and the quote that holds these.
    """

    quote: Quote
    more: int
    refusal: str
    free: int
    held: Quote | None

    @property
    def less(self) -> int:
        """The difference, where it costs less."""
        return -self.more

    @property
    def possible(self) -> bool:
        """Whether it could be moved at this moment."""
        return not self.refusal and self.free >= self.quote.nodes


def preview(*, lease: Lease, quote: Quote, now: datetime) -> Preview:
    """Before anything is confirmed. Nothing is locked: somebody may still be faster."""
    refusal = why_not_moved(lease, now=now) or _unfit(lease, quote)
    starts_at = max(quote.starts_at, soonest(quote.terms, now))
    period = occupied(quote.terms, starts_at, quote.ends_at)
    held = quotes.holding(organization=lease.organization, offer=quote.offer, now=now)
    free = nodes_for(lease, pool=quote.offer.pool, period=period, quote=held.public_id if held else "", now=now)
    more = difference(lease=lease, quote=quote)
    words = refusal.message if refusal else _obstacle(lease, quote, starts_at, now)
    return Preview(quote, more, words, free, held)


def _obstacle(lease: Lease, quote: Quote, starts_at: datetime, now: datetime) -> str:
    """Which limit, budget or hold forbids it, in words; "" where none does."""
    try:
        _check_caps(lease, quote, starts_at, now)
    except checkout.CAPS as refusal:
        return str(refusal)
    return ""


def _unfit(lease: Lease, quote: Quote) -> Refusal | None:
    if quote.nodes != lease.node_count or quote.ends_at is None:
        nodes = counted(lease.node_count, "node")
        return Refusal("quote", f"Quote a window with an end for {nodes}, as the lease has.")
    if (quote.offer, quote.starts_at, quote.ends_at) == (lease.offer, lease.starts_at, lease.ends_at):
        return Refusal("quote", "The lease is there already: choose another window or offer.")
    if quote.same_fabric != lease.same_fabric:
        said = "with" if lease.same_fabric else "without"
        return Refusal("quote", f"Quote {said} same_fabric, as the lease was ordered.")
    if quote.terms.approval_required:
        return Refusal("quote", f"Orders of {quote.terms.plan.name} need the operator's approval: order it anew.")
    return None


def _agree(lease: Lease, quote: Quote, starts_at: datetime, now: datetime) -> None:
    """The lease stands on the new quote from now on, and the one before can be used no more."""
    meter = Meter.objects.select_for_update().get(lease=lease)
    micros = quote.micros_per_node_hour
    MeterPrice.objects.create(meter=meter, from_at=starts_at, micros_per_node_hour=micros, agreed_at=now)
    Meter.objects.filter(pk=meter.pk).update(hold_micros=quote.hold_micros)
    Quote.objects.filter(lease=lease).update(lease=None, expires_at=now)
    Quote.objects.filter(pk=quote.pk).update(lease=lease, holds_until=None)


def _words(quote: Quote, more: int) -> str:
    total = format_micros(quote.hold_micros)
    if more == 0:
        return f"It costs {total}, as before."
    side = "more" if more > 0 else "less"
    return f"It costs {total}, {format_micros(abs(more))} {side} than before."
