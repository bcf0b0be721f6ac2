"""From a wish to a lease: a quote that keeps its price, and an order that holds nodes and money in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import leasing.operations
from accounts.models import Event, Organization, User, as_json
from accounts.operations import unwritten
from accounts.prepared import ask
from billing import budgets, limits, operations, quotes
from billing.models import Budget, Meter, Quote
from billing.queries import split, wallet
from leasing.models import Lease
from leasing.operations import Setup
from leasing.operations.approving import ask_approval
from marketplace.models import Offer, Rate, Terms
from marketplace.money import SECONDS_PER_HOUR, format_micros, price
from marketplace.queries import (
    Window,
    current_rate,
    largest_fabric_group,
    plans_open_to,
    soonest,
    terms_of,
    together,
    why_not,
)

QUOTE_LASTS = timedelta(minutes=10)
FIRST_HOUR = SECONDS_PER_HOUR
CAPS = (limits.OrderingBlocked, limits.NodeLimitReached, budgets.BudgetExceeded)  # what limits orders besides money


class QuoteRefused(Exception):
    """The wish cannot be priced. `field` names the input at fault, `message` the limit and the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class InsufficientFunds(Exception):
    """The wallet has less available than the order must keep aside. Micro-dollars."""

    def __init__(self, *, needed_micros: int, available_micros: int) -> None:
        super().__init__(f"{format_micros(needed_micros)} needed, {format_micros(available_micros)} available.")
        self.needed_micros, self.available_micros = needed_micros, available_micros

    @property
    def missing_micros(self) -> int:
        """What a top-up must bring at least."""
        return self.needed_micros - self.available_micros


class RunsDry(InsufficientFunds):
    """What runs on demand has less than an hour left: until a top-up, no other on-demand lease is taken."""


@dataclass(frozen=True)
class Cost:
    """
    What an order costs: the rate after the discount for its length, the price of the whole window if it has an end, and
    what is kept aside when it is placed.
    """

    discount_percent: int
    micros_per_node_hour: int
    total_micros: int | None
    hold_micros: int


def cost(*, terms: Terms, rate: Rate, nodes: int, starts_at: datetime, ends_at: datetime | None) -> Cost:
    """A window is held whole; an open-ended lease holds its first hour, and has no discount."""
    seconds = None if ends_at is None else (ends_at - starts_at) // timedelta(seconds=1)
    micros = terms.agreed_rate(rate.micros_per_node_hour, seconds)
    hold = price(micros_per_node_hour=micros, seconds=FIRST_HOUR if seconds is None else seconds, nodes=nodes)
    return Cost(terms.discount_percent(seconds), micros, None if seconds is None else hold, hold)


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
    Price nodes of an offer and keep the price for ten minutes. On-demand leases start now and have no end. On plans
    that allow a start at once, one that is left out is at once. Whether nodes are free is not asked: that changes by
    the minute.

    :raises QuoteRefused: if the plan, the offer or the number of nodes does not allow it
    :raises leasing.operations.PowerTaken: if the offer's site has not enough firm power for an order of it
    """
    rate = _rate(offer, organization, now)
    held = quotes.holding(organization=organization, offer=offer, now=now)
    terms = terms_of(plan=offer.plan, at=now)
    starts_at, ends_at = _window(terms, starts_at, ends_at, now)
    refusal = why_not(terms, window=Window(starts_at, ends_at) if ends_at else None, nodes=nodes, now=now)
    if refusal:
        raise QuoteRefused(refusal.field, refusal.message)
    same_fabric = together(nodes=nodes, same_fabric=same_fabric)
    if same_fabric and largest_fabric_group(pool=offer.pool) < nodes:
        raise QuoteRefused("same_fabric", f"No fabric group there has {nodes} nodes. Order fewer, or leave it out.")
    leasing.operations.check_power(
        organization=organization,
        offer=offer,
        terms=terms,
        nodes=nodes,
        starts_at=starts_at,
        ends_at=ends_at,
        instead_of=held.public_id if held else "",
        now=now,
    )
    agreed = cost(terms=terms, rate=rate, nodes=nodes, starts_at=starts_at, ends_at=ends_at)
    return Quote.objects.create(
        organization=organization,
        offer=offer,
        terms=terms,
        rate=rate,
        nodes=nodes,
        same_fabric=same_fabric,
        starts_at=starts_at,
        ends_at=ends_at,
        list_micros_per_node_hour=rate.micros_per_node_hour,
        discount_percent=agreed.discount_percent,
        micros_per_node_hour=agreed.micros_per_node_hour,
        hold_micros=agreed.hold_micros,
        total_micros=agreed.total_micros,
        created_at=now,
        expires_at=min(filter(None, (now + QUOTE_LASTS, orders_end(terms, starts_at, ends_at, now)))),
    )


def place(
    *,
    organization: Organization,
    actor: str,
    created_by: User | None,
    quote: str,
    setup: Setup,
    now: datetime,
    beside_hold: bool = False,
) -> Lease:
    """
    Turn a quote, given by its public id, into a lease: its money is kept aside, its nodes are held, and it is
    confirmed. Where its terms require approval, it stays held until staff decide. What the organization holds of the
    offer, by whichever quote, is used up; what another quote holds is left alone by an order `beside_hold`. Call it in
    a transaction, and let what is raised end that: then nothing has happened.

    :raises limits.OrderingBlocked: if the organization may not order
    :raises limits.NodeLimitReached: if it would have more nodes at once than it may
    :raises budgets.BudgetExceeded: if a budget has less left for a month than the order's part of it
    :raises Quote.DoesNotExist: if the organization has no such quote
    :raises quotes.QuoteUsed: if it became a lease before
    :raises quotes.QuoteExpired: if its price is no longer kept
    :raises InsufficientFunds: if the wallet has less available than the quote's hold; RunsDry if the order is on demand
        and what runs on demand already has less than an hour left
    :raises leasing.operations.NodesTaken: if not all nodes are free for the whole window
    """
    operations.lock_wallet(organization=organization)
    agreed = quotes.usable(quote, organization, now)
    if words := limits.blocked(agreed.organization):
        raise limits.OrderingBlocked(words)
    starts_at = max(agreed.starts_at, soonest(agreed.terms, now))  # one at once begins with the order
    _check(agreed, setup.project, starts_at, now)
    held = quotes.held_for(agreed)
    if beside_hold and held != agreed.public_id:
        held = ""
    lease = leasing.operations.hold(
        organization=organization,
        actor=actor,
        created_by=created_by,
        offer=agreed.offer,
        terms=agreed.terms,
        rate=agreed.rate,
        nodes=agreed.nodes,
        same_fabric=agreed.same_fabric,
        starts_at=starts_at,
        ends_at=agreed.ends_at,
        setup=setup,
        quote=held,
        agreed=not agreed.terms.approval_required,
        event=lambda lease: _ordered(agreed, lease, actor, now),
        now=now,
    )
    _open_meter(agreed, lease, held)
    if agreed.terms.approval_required:
        ask_approval(lease=lease, actor=actor, now=now)
    return lease


def _check(agreed: Quote, project: str, starts_at: datetime, now: datetime) -> None:
    """Raises what `check_caps` and `_check_funds` do."""
    check_caps(
        organization=agreed.organization,
        project=project,
        terms=agreed.terms,
        micros_per_node_hour=agreed.micros_per_node_hour,
        nodes=agreed.nodes,
        starts_at=starts_at,
        ends_at=agreed.ends_at,
        caps=None if quotes.budgeted(agreed) else (),
        now=now,
    )
    _check_funds(agreed, now)


def _check_funds(agreed: Quote, now: datetime) -> None:
    """Raises InsufficientFunds, RunsDry."""
    purse = wallet(organization=agreed.organization, now=now)
    if purse.available_micros < agreed.hold_micros:
        raise InsufficientFunds(needed_micros=agreed.hold_micros, available_micros=purse.available_micros)
    dry = purse.seconds_left is not None and purse.seconds_left < SECONDS_PER_HOUR
    if dry and agreed.offer.plan.open_ended:
        needed = agreed.hold_micros + purse.burn_micros_per_hour
        raise RunsDry(needed_micros=needed, available_micros=purse.available_micros)


def check_caps(
    *,
    organization: Organization,
    project: str,
    terms: Terms,
    micros_per_node_hour: int,
    nodes: int,
    starts_at: datetime,
    ends_at: datetime | None,
    now: datetime,
    beside: Lease | None = None,
    instead_of: Mapping[date, int] | None = None,
    caps: Sequence[Budget] | None = None,
) -> None:
    """
    What the organization may have and may spend, under the wallet's lock. A lease that changes is looked at `beside`
    the others, and what it gives up, in micro-dollars by month, is named as `instead_of`. `caps`: see `budgets.check`.

    :raises limits.NodeLimitReached, budgets.BudgetExceeded: see there
    """
    wanted: dict[str, Any] = {"nodes": nodes, "starts_at": starts_at, "ends_at": ends_at, "now": now}
    limits.check_nodes(organization=organization, terms=terms, beside=beside, **wanted)
    parts = split(micros_per_node_hour=micros_per_node_hour, **wanted)
    parts.subtract(instead_of or {})
    more = {month: micros for month, micros in parts.items() if micros > 0}
    budgets.check(organization=organization, project=project, amounts_by_month=more, now=now, caps=caps)


def _open_meter(quote: Quote, lease: Lease, held: str) -> None:
    """The meter, and the quote used up, in one statement; where another one held its nodes, that holds none now."""
    meter = Meter(
        lease=lease,
        organization=lease.organization,
        micros_per_node_hour=quote.micros_per_node_hour,
        nodes=quote.nodes,
        hold_micros=quote.hold_micros,
    )
    [(meter.pk,)] = ask(OPEN_METER, {"meter": as_json([meter]), "quote": quote.pk, "lease": lease.pk})
    meter._state.adding = False
    quote.lease, quote.holds_until = lease, None
    if held not in ("", quote.public_id):
        quotes.hold_used(held)


OPEN_METER = """
    WITH used AS (UPDATE billing_quote SET lease_id = %(lease)s, holds_until = NULL WHERE id = %(quote)s)
    INSERT INTO billing_meter
    SELECT filled.* FROM jsonb_populate_record(NULL::billing_meter, %(meter)s::jsonb -> 0
               || jsonb_build_object('id', nextval('billing_meter_id_seq'))) AS filled
    RETURNING id
"""


def _ordered(quote: Quote, lease: Lease, actor: str, now: datetime) -> Event:
    return unwritten(
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
        if offer.listed and plans_open_to(organization).contains(offer.plan):
            return current_rate(offer=offer, at=now, organization=organization)
    except Rate.DoesNotExist:
        pass
    raise QuoteRefused("offer", "This offer is not for sale now. Search again for one that is.")


def _window(
    terms: Terms, starts_at: datetime | None, ends_at: datetime | None, now: datetime
) -> tuple[datetime, datetime | None]:
    """The window's start and end, where a start that is left out is as soon as possible. Raises QuoteRefused."""
    plan = terms.plan
    if plan.open_ended:
        for field, given in (("starts_at", starts_at), ("ends_at", ends_at)):
            if given is not None:
                raise QuoteRefused(field, f"{plan.name} starts now and runs until you return it: leave {field} out.")
        return soonest(terms, now), None
    if ends_at is None:
        raise QuoteRefused("ends_at", f"{plan.name} needs an end.")
    if starts_at is None and not terms.may_start_now:
        raise QuoteRefused("starts_at", f"{plan.name} needs a start.")
    return (starts_at or soonest(terms, now)).astimezone(UTC), ends_at.astimezone(UTC)


def orders_end(terms: Terms, starts_at: datetime, ends_at: datetime | None, quoted_at: datetime) -> datetime | None:
    """
    When orders for a window are taken no longer: so that it can still start, its lead before that; one at once moves
    on, up to its end. None where it moves on and has no end.
    """
    last = ends_at if starts_at <= soonest(terms, quoted_at) else starts_at
    return last and last - timedelta(seconds=terms.lead_seconds)
