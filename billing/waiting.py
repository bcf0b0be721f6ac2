"""Joining the line and leaving it: standing orders, from the wish to their end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import Organization, User
from accounts.operations import Words, record
from billing import limits, operations
from billing.models import Mode, StandingOrder, StandingOrderState
from leasing.operations import Setup, check_environment, sealed
from marketplace.models import PlanKind, Terms
from marketplace.money import format_micros
from marketplace.queries import HORIZON, first_end, first_start, open_terms, together

MOST_WAITING = 20  # of one organization
LASTS = timedelta(days=30)  # where nothing else is said
SYSTEM = "system:billing"
PRICE_NEEDED = "Say what a node may cost an hour: they are booked without asking again."


@dataclass(frozen=True)
class Wish:
    """
    What is waited for. `criteria` are those of the search, by name; without `length_seconds` it is on demand; without
    `earliest_at` it starts from now on. With `same_fabric` all nodes are of one fabric group; with `accepts_surplus` a
    surplus plan will do as well as an on-demand one.
    """

    mode: str
    nodes: int
    same_fabric: bool = False
    criteria: Mapping[str, Any] = field(default_factory=dict)
    length_seconds: int | None = None
    earliest_at: datetime | None = None
    latest_at: datetime | None = None
    max_micros_per_node_hour: int | None = None
    accepts_surplus: bool = False
    expires_at: datetime | None = None
    project: str = ""


class CannotWait(Exception):
    """The wish could never be filled. `field` names the input at fault, `message` the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class TooManyWait(Exception):
    """As many standing orders of the organization wait as may: `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"At most {limit} standing orders wait at once. Cancel one first.")
        self.limit = limit


class NotWaiting(Exception):
    """It has ended already."""

    def __init__(self, order: StandingOrder) -> None:
        super().__init__(f"The standing order is {order.get_state_display()}: there is nothing to cancel.")


def kinds_now(*, surplus: bool) -> set[PlanKind]:
    """The kinds of plans that serve a wish without a length."""
    return {PlanKind.ON_DEMAND, PlanKind.SURPLUS} if surplus else {PlanKind.ON_DEMAND}


@transaction.atomic
def join(
    *,
    organization: Organization,
    actor: str,
    created_by: User | None,
    wish: Wish,
    name: str,
    setup: Setup | None,
    now: datetime,
) -> StandingOrder:
    """
    Stand in line for nodes. `setup` is what a lease needs that is booked without asking again.

    :raises limits.OrderingBlocked: if the organization may not order
    :raises TooManyWait: if as many of the organization wait as may
    :raises CannotWait: if no plan allows the wish, or its time is too short
    :raises leasing.operations.BadEnvironment: if its variables cannot be set on a host
    """
    operations.lock_wallet(organization=organization)  # else two at once would pass the limit
    limits.check_ordering(organization=organization)
    if (
        StandingOrder.objects.filter(organization=organization, state=StandingOrderState.WAITING).count()
        >= MOST_WAITING
    ):
        raise TooManyWait(MOST_WAITING)
    earliest_at = max(wish.earliest_at or now, now)
    _check(wish, earliest_at, setup, open_terms(organization, at=now, plan=wish.criteria.get("plan")), now)
    order = StandingOrder.objects.create(
        organization=organization,
        created_by=created_by,
        created_at=now,
        mode=wish.mode,
        criteria=dict(wish.criteria),
        nodes=wish.nodes,
        same_fabric=together(nodes=wish.nodes, same_fabric=wish.same_fabric),
        length_seconds=wish.length_seconds,
        earliest_at=earliest_at,
        latest_at=wish.latest_at,
        max_micros_per_node_hour=wish.max_micros_per_node_hour,
        accepts_surplus=wish.accepts_surplus,
        expires_at=_expiry(wish, earliest_at, now),
        name=name,
        project=wish.project,
        **_kept(setup),
    )
    order.ssh_keys.set(setup.ssh_keys if setup else [])
    tell(order, "joined", actor=actor, now=now)
    return order


def cancel(*, order: StandingOrder, actor: str, now: datetime) -> None:
    """
    Leave the line. Cancelling twice does nothing.

    :raises NotWaiting: if it was filled or has expired
    """
    if end(order=order, state=StandingOrderState.CANCELLED, actor=actor, now=now):
        return
    order.refresh_from_db()
    if order.state != StandingOrderState.CANCELLED:
        raise NotWaiting(order)


def expire(*, order: StandingOrder, now: datetime) -> bool:
    """End one whose time is over. False if it has ended already."""
    most = order.max_micros_per_node_hour
    price = "" if most is None else f", for {format_micros(most, places=6)} per node-hour at most,"
    words = Words(
        title=f"“{order.name}” waited in vain",
        text=f"Nodes as you wanted them{price} were not free in time. Nothing was ordered or charged. You can wait for "
        "others, or for longer.",
        path=f"/standing-orders/{order.public_id}/",
    )
    return end(order=order, state=StandingOrderState.EXPIRED, actor=SYSTEM, now=now, notice=words)


@transaction.atomic
def end(
    *,
    order: StandingOrder,
    state: StandingOrderState,
    actor: str,
    now: datetime,
    notice: Words | None = None,
    **fields: Any,
) -> bool:
    """End it, if it still waits; `fields` are written with its state. False, and nothing changes, if it has ended."""
    changed = {"state": state, "ended_at": now, "environment": "", **fields}
    if not StandingOrder.objects.filter(pk=order.pk, state=StandingOrderState.WAITING).update(**changed):
        return False
    for name, value in changed.items():
        setattr(order, name, value)
    tell(order, state, actor=actor, now=now, notice=notice)
    return True


def tell(order: StandingOrder, what: str, *, actor: str, now: datetime, notice: Words | None = None) -> None:
    """Write down what happened to it, and mail it where there is a `notice`."""
    data: dict[str, Any] = {"name": order.name, "mode": order.mode, "nodes": order.nodes}
    data |= {word: row.public_id for word, row in (("lease", order.lease), ("quote", order.quote)) if row}
    record(
        organization=order.organization,
        kind=f"standing_order.{what}",
        subject=order.public_id,
        actor=actor,
        at=now,
        data=data,
        notice=notice,
    )


def _kept(setup: Setup | None) -> dict[str, Any]:
    if setup is None:
        return {}
    check_environment(setup.environment)
    return {
        "image": setup.image,
        "startup_script": setup.startup_script,
        "environment": sealed(setup.environment),
        "environment_names": sorted(setup.environment),
        "on_failure": setup.on_failure,
    }


def _check(wish: Wish, earliest_at: datetime, setup: Setup | None, terms: Sequence[Terms], now: datetime) -> None:
    if wish.mode == Mode.BOOK and setup is None:
        raise CannotWait("image", "Say how the nodes are set up: they are booked without asking again.")
    if wish.mode == Mode.BOOK and wish.max_micros_per_node_hour is None:
        raise CannotWait("max_micros_per_node_hour", PRICE_NEEDED)
    if earliest_at > now + HORIZON:
        raise CannotWait("earliest_at", f"Choose a time before {now + HORIZON:%Y-%m-%d %H:%M} UTC, 60 days ahead.")
    _check_surplus(wish, terms)
    _check_length(wish, earliest_at, _serving(wish, terms), now)
    first = earliest_at if wish.length_seconds is None else now  # what has a length is booked ahead
    if _expiry(wish, earliest_at, now) <= first:
        raise CannotWait("expires_at", "Choose a later time: it would be over before it could be filled.")


def _check_length(wish: Wish, earliest_at: datetime, plans: Sequence[Terms], now: datetime) -> None:
    seconds, latest_at = wish.length_seconds, wish.latest_at
    if seconds is None:
        if latest_at is not None:
            raise CannotWait("length_seconds", "Say how long, or leave the end out for an on-demand lease.")
        if not plans:
            raise CannotWait("length_seconds", "This plan has a start and an end: say for how long.")
        return
    if latest_at is None:
        raise CannotWait("latest_at", "Say by when the lease has to be over.")
    fitting = [terms for terms in plans if _allows(terms, seconds)]
    if not fitting:
        limits = " or ".join(sorted({_limits(terms) for terms in plans})) or "none with a start and an end"
        raise CannotWait("length_seconds", f"No such plan allows {seconds} seconds. There is: {limits}.")
    first = min(_first_end(terms, earliest_at, seconds, now) for terms in fitting)
    if latest_at < first:
        raise CannotWait("latest_at", f"A lease of this length ends at {first:%Y-%m-%d %H:%M} UTC then, or later.")


def _first_end(terms: Terms, earliest_at: datetime, seconds: int, now: datetime) -> datetime:
    """Of a lease of this length that starts then or later: starts and ends fall on the multiples of its terms."""
    starts_at = first_start(terms, earliest_at, now)
    return first_end(terms, starts_at, starts_at + timedelta(seconds=seconds))


def _check_surplus(wish: Wish, terms: Sequence[Terms]) -> None:
    if wish.accepts_surplus and wish.length_seconds is not None:
        raise CannotWait("accepts_surplus", "A surplus lease has no length: leave one of the two out.")
    wants = {one.plan.kind for one in terms if wish.criteria.get("plan")}
    if PlanKind.SURPLUS in wants and not wish.accepts_surplus:
        raise CannotWait("accepts_surplus", "Leases on this plan may be paused after a notice: say that this will do.")


def _serving(wish: Wish, terms: Sequence[Terms]) -> Sequence[Terms]:
    """Those of plans that could serve it."""
    kinds = {PlanKind.RESERVED} if wish.length_seconds else kinds_now(surplus=wish.accepts_surplus)
    return [one for one in terms if one.plan.kind in kinds]


def _limits(terms: Terms) -> str:
    shortest, longest, step = terms.min_seconds, terms.max_seconds, terms.granularity_seconds
    return f"{terms.plan.name}, {shortest} to {longest} seconds in steps of {step}"


def _allows(terms: Terms, seconds: int) -> bool:
    steps = (terms.granularity_seconds, terms.length_step(seconds))
    return terms.min_seconds <= seconds <= terms.max_seconds and not any(seconds % step for step in steps)


def _expiry(wish: Wish, earliest_at: datetime, now: datetime) -> datetime:
    """At the latest when it could not start any more."""
    if wish.length_seconds is None or wish.latest_at is None:
        return wish.expires_at or max(earliest_at, now) + LASTS
    last_start = wish.latest_at - timedelta(seconds=wish.length_seconds)
    return min(wish.expires_at, last_start) if wish.expires_at else last_start
