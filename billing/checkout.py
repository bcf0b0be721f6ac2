"""From a wish to a lease: a quote that keeps its price, and an order that holds nodes and money in one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction

import leasing.operations
from accounts.models import Organization, User
from accounts.operations import record
from billing import operations
from billing.models import Meter, Quote
from billing.queries import wallet
from leasing.models import Lease
from leasing.operations import Setup
from marketplace.models import Offer, PlanKind, Rate, Terms
from marketplace.money import SECONDS_PER_HOUR, format_micros, price
from marketplace.queries import MOST_NODES, current_rate, largest_fabric_group, terms_of

QUOTE_LASTS = timedelta(minutes=10)
FIRST_HOUR = SECONDS_PER_HOUR


class QuoteRefused(Exception):
    """The wish cannot be priced. `field` names the input at fault, `message` the limit and the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class QuoteExpired(Exception):
    """The price was kept until `quote.expires_at`; ask for a new quote."""

    def __init__(self, quote: Quote) -> None:
        super().__init__(f"{quote} expired at {quote.expires_at:%Y-%m-%d %H:%M:%S} UTC.")
        self.quote = quote


class QuoteUsed(Exception):
    """The quote became `lease` already."""

    def __init__(self, quote: Quote, lease: Lease) -> None:
        super().__init__(f"{quote} was used for {lease}.")
        self.quote, self.lease = quote, lease


class InsufficientFunds(Exception):
    """The wallet has less available than the order must keep aside. Micro-dollars."""

    def __init__(self, *, needed_micros: int, available_micros: int) -> None:
        super().__init__(f"{format_micros(needed_micros)} needed, {format_micros(available_micros)} available.")
        self.needed_micros, self.available_micros = needed_micros, available_micros

    @property
    def missing_micros(self) -> int:
        """What a top-up must bring at least."""
        return self.needed_micros - self.available_micros


@dataclass(frozen=True)
class Cost:
    """What an order costs: price of the whole window if it has an end, and what is kept aside when it is placed."""

    total_micros: int | None
    hold_micros: int


def cost(*, rate: Rate, nodes: int, starts_at: datetime, ends_at: datetime | None) -> Cost:
    """A window is held whole; an open-ended lease holds its first hour."""
    seconds = FIRST_HOUR if ends_at is None else (ends_at - starts_at) // timedelta(seconds=1)
    hold = price(micros_per_node_hour=rate.micros_per_node_hour, seconds=seconds, nodes=nodes)
    return Cost(total_micros=None if ends_at is None else hold, hold_micros=hold)


def quote(
    *,
    organization: Organization,
    offer: Offer,
    nodes: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
    now: datetime,
    same_fabric: bool = False,
) -> Quote:
    """
    Price nodes of an offer and keep the price for ten minutes. On-demand leases start now and have no end.

    :raises QuoteRefused: if the plan, the offer or the number of nodes does not allow it
    """
    rate = _rate(offer, organization, now)
    terms = terms_of(plan=offer.plan, at=now)
    starts_at, ends_at = _window(terms, starts_at, ends_at, now)
    if not 1 <= nodes <= MOST_NODES:
        raise QuoteRefused("nodes", f"Order 1 to {MOST_NODES} nodes at a time, not {nodes}.")
    if same_fabric and nodes > 1 and largest_fabric_group(pool=offer.pool) < nodes:
        raise QuoteRefused("same_fabric", f"No fabric group there has {nodes} nodes. Order fewer, or leave it out.")
    agreed = cost(rate=rate, nodes=nodes, starts_at=starts_at, ends_at=ends_at)
    expires_at = now + QUOTE_LASTS if ends_at is None else min(now + QUOTE_LASTS, starts_at)
    return Quote.objects.create(
        organization=organization,
        offer=offer,
        terms=terms,
        rate=rate,
        nodes=nodes,
        same_fabric=same_fabric and nodes > 1,
        starts_at=starts_at,
        ends_at=ends_at,
        micros_per_node_hour=rate.micros_per_node_hour,
        hold_micros=agreed.hold_micros,
        total_micros=agreed.total_micros,
        created_at=now,
        expires_at=expires_at,
    )


@transaction.atomic
def place(
    *,
    organization: Organization,
    actor: str,
    created_by: User | None,
    quote: Quote,
    setup: Setup,
    now: datetime,
) -> Lease:
    """
    Turn a quote into a lease: its money is kept aside, its nodes are held, and it is confirmed; or nothing happens.

    :raises QuoteUsed: if it became a lease before
    :raises QuoteExpired: if its price is no longer kept
    :raises InsufficientFunds: if the wallet has less available than the quote's hold
    :raises leasing.operations.NodesTaken: if not all nodes are free for the whole window
    """
    operations.lock_wallet(organization=organization)
    agreed = _usable(quote, organization, now)
    available = wallet(organization=organization, now=now).available_micros
    if available < agreed.hold_micros:
        raise InsufficientFunds(needed_micros=agreed.hold_micros, available_micros=available)
    lease = leasing.operations.hold(
        organization=organization,
        actor=actor,
        created_by=created_by,
        offer=agreed.offer,
        terms=agreed.terms,
        rate=agreed.rate,
        nodes=agreed.nodes,
        same_fabric=agreed.same_fabric,
        starts_at=now if agreed.ends_at is None else agreed.starts_at,
        ends_at=agreed.ends_at,
        setup=setup,
        now=now,
    )
    _open_meter(agreed, lease)
    _record(agreed, lease, actor, now)
    leasing.operations.confirm(lease=lease, actor=actor, now=now)
    return lease


def _usable(quote: Quote, organization: Organization, now: datetime) -> Quote:
    """The quote as it is under lock."""
    locked = Quote.objects.select_for_update(of=("self",)).select_related(
        "offer__plan", "offer__pool", "terms", "rate", "lease"
    )
    fresh = locked.get(pk=quote.pk, organization=organization)
    if fresh.lease:
        raise QuoteUsed(fresh, fresh.lease)
    if fresh.expires_at <= now:
        raise QuoteExpired(fresh)
    return fresh


def _open_meter(quote: Quote, lease: Lease) -> None:
    Meter.objects.create(
        lease=lease,
        micros_per_node_hour=quote.micros_per_node_hour,
        nodes=quote.nodes,
        hold_micros=quote.hold_micros,
    )
    quote.lease = lease
    quote.save(update_fields=["lease"])


def _record(quote: Quote, lease: Lease, actor: str, now: datetime) -> None:
    record(
        organization=quote.organization,
        kind="lease.ordered",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={
            "quote": quote.public_id,
            "offer": quote.offer.public_id,
            "nodes": quote.nodes,
            "micros_per_node_hour": quote.micros_per_node_hour,
            "held_micros": quote.hold_micros,
        },
    )


def _rate(offer: Offer, organization: Organization, now: datetime) -> Rate:
    try:
        if offer.listed:
            return current_rate(offer=offer, at=now, organization=organization)
    except Rate.DoesNotExist:
        pass
    raise QuoteRefused("offer", "This offer is not for sale now. Search again for one that is.")


def _window(
    terms: Terms, starts_at: datetime | None, ends_at: datetime | None, now: datetime
) -> tuple[datetime, datetime | None]:
    """The window as the terms allow it. Raises QuoteRefused."""
    plan = terms.plan
    if plan.kind == PlanKind.ON_DEMAND:
        for field, given in (("starts_at", starts_at), ("ends_at", ends_at)):
            if given is not None:
                raise QuoteRefused(field, f"{plan.name} starts now and runs until you return it: leave {field} out.")
        return now, None
    if starts_at is None or ends_at is None:
        raise QuoteRefused("starts_at" if starts_at is None else "ends_at", f"{plan.name} needs a start and an end.")
    _check_window(terms, starts_at.astimezone(UTC), ends_at.astimezone(UTC), now)
    return starts_at, ends_at


def _check_window(terms: Terms, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    latest, length = now + timedelta(seconds=terms.max_ahead_seconds), ends_at - starts_at
    step = timedelta(seconds=terms.granularity_seconds)
    for field, moment in (("starts_at", starts_at), ("ends_at", ends_at)):
        if moment.timestamp() % terms.granularity_seconds:
            raise QuoteRefused(field, f"Choose a time on a multiple of {duration(step)}, counted in UTC.")
    if starts_at <= now:
        raise QuoteRefused("starts_at", f"Choose a start after now ({now:%Y-%m-%d %H:%M} UTC).")
    if starts_at > latest:
        raise QuoteRefused("starts_at", f"Choose a start before {latest:%Y-%m-%d %H:%M} UTC.")
    if not timedelta(seconds=terms.min_seconds) <= length <= timedelta(seconds=terms.max_seconds):
        least, most = duration(timedelta(seconds=terms.min_seconds)), duration(timedelta(seconds=terms.max_seconds))
        raise QuoteRefused("ends_at", f"{terms.plan.name} lasts {least} to {most}; choose an end accordingly.")


def duration(length: timedelta) -> str:
    """A length for people, in its largest whole unit: "30 days", "15 minutes"."""
    seconds = length // timedelta(seconds=1)
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    raise AssertionError("unreachable")
