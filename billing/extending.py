"""More time for a lease that runs or is agreed: priced, checked against the wallet, and taken; or nothing happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet, Value
from django.db.models.functions import Coalesce, Least

import leasing.operations
from billing import limits, operations, quotes
from billing.checkout import CAPS, InsufficientFunds, check_caps
from billing.models import Meter, MeterPrice, Quote
from billing.queries import Price, price_of_window, prices_of, rate_words, wallet, with_price
from leasing.models import Lease
from leasing.operations import BookedBehind, NodesTaken, WindowRefused
from leasing.queries.extension import EXTENDABLE, READ, Reach, reach, why_not_extended
from marketplace.money import format_micros
from marketplace.queries import Refusal, Window, current_rate, duration

ACTOR = "system:billing"
LEAD = timedelta(hours=1)  # a lease extends itself so long before the last moment at which that may be asked for
NEVER = 100 * 365 * 86_400  # seconds
CEILING = "max_micros_per_node_hour"  # the field that names it


class PriceTooHigh(Exception):
    """The added time costs more per node-hour than the customer takes. Micro-dollars."""

    def __init__(self, *, micros_per_node_hour: int, most_micros: int) -> None:
        now, most = (format_micros(amount, places=6) for amount in (micros_per_node_hour, most_micros))
        super().__init__(f"More time costs {now} per node-hour now, and you take {most} at most.")
        self.micros_per_node_hour, self.most_micros = micros_per_node_hour, most_micros


@dataclass(frozen=True)
class Extension:
    """What it costs to go on until `ends_at`: the added time at the rate in force, discounted for the whole length."""

    lease: Lease
    ends_at: datetime
    discount_percent: int
    micros_per_node_hour: int
    price_micros: int
    available_micros: int

    @property
    def added(self) -> timedelta:
        """How much longer it is then."""
        return self.ends_at - self.lease.last_moment

    @property
    def missing_micros(self) -> int:
        """What the wallet lacks for it; zero or less when it has enough."""
        return self.price_micros - self.available_micros


@dataclass(frozen=True)
class Ahead:
    """How far a lease can go on, and the quotes with which its organization holds nodes of its pool."""

    reach: Reach
    own: Sequence[Quote]

    def given_up(self, ends_at: datetime) -> list[Quote]:
        """Those that hold its nodes before it would be over: an extension until then uses them up."""
        last = self.reach.own
        return [quote for quote in self.own if quote.public_id in last and ends_at > last[quote.public_id]]


def price(*, lease: Lease, ends_at: datetime, now: datetime) -> Extension:
    """
    Price the time until `ends_at`. Nothing is promised, and claims behind the lease are not looked at.

    :raises leasing.operations.WindowRefused: if its terms or its state do not allow it
    """
    if refusal := why_not_extended(lease, ends_at=ends_at, now=now):
        raise WindowRefused(refusal)
    agreed, seconds = _rate(lease, ends_at, now), _seconds(lease, ends_at)
    before = prices_of(lease.meter)
    after = with_price(before, Price(lease.last_moment, agreed))
    old, new = Window(lease.starts_at, lease.last_moment), Window(lease.starts_at, ends_at)
    added = price_of_window(after, window=new, nodes=lease.node_count)
    added -= price_of_window(before, window=old, nodes=lease.node_count)
    available = wallet(organization=lease.organization, now=now).available_micros
    return Extension(lease, ends_at, lease.terms.discount_percent(seconds), agreed, added, available)


def price_of_step(*, lease: Lease, seconds: int, now: datetime) -> int:
    """Micro-dollars per node-hour, at the rate in force, of `seconds` behind the end that the lease has."""
    return _rate(lease, lease.last_moment + timedelta(seconds=seconds), now)


def _rate(lease: Lease, ends_at: datetime, now: datetime) -> int:
    rate = current_rate(offer=lease.offer, at=now, organization=lease.organization)
    return lease.terms.agreed_rate(rate.micros_per_node_hour, _seconds(lease, ends_at))


def _seconds(lease: Lease, ends_at: datetime) -> int:
    return (ends_at - lease.starts_at) // timedelta(seconds=1)


@transaction.atomic
def extend(
    *, lease: Lease, ends_at: datetime, actor: str, now: datetime, max_micros_per_node_hour: int | None = None
) -> None:
    """
    Let a lease go on until `ends_at` on the same nodes, and keep the price of the added time aside. The price of the
    time before stays. What its organization's own quotes hold behind it is used up, all of it, where it is in the way.
    Asking for the end that it has changes nothing.

    :raises leasing.operations.WindowRefused: if its terms or its state do not allow it
    :raises PriceTooHigh: if a node-hour costs more than `max_micros_per_node_hour`
    :raises InsufficientFunds: if the wallet has less available
    :raises limits.OrderingBlocked, limits.NodeLimitReached, budgets.BudgetExceeded: as for an order
    :raises leasing.operations.BookedBehind: if a node is claimed before that
    :raises leasing.operations.PowerTaken: if its site has not enough firm power for the added time
    """
    operations.lock_wallet(organization=lease.organization)
    fresh = extendable().get(pk=lease.pk)
    if fresh.ends_at == ends_at:
        return
    agreed = price(lease=fresh, ends_at=ends_at, now=now)
    _check(agreed, max_micros_per_node_hour)
    _check_caps(agreed, now)
    held = [quote.public_id for quote in _given_up(fresh, ends_at, now)]
    change = leasing.operations.extend(
        lease=fresh,
        ends_at=ends_at,
        quotes=held,
        actor=actor,
        price=_words(agreed),
        now=now,
    )
    for quote in held:
        quotes.hold_used(quote)
    meter = Meter.objects.select_for_update().get(lease=fresh)
    MeterPrice.objects.create(
        meter=meter,
        from_at=change.old_ends_at,
        micros_per_node_hour=agreed.micros_per_node_hour,
        agreed_at=now,
    )
    Meter.objects.filter(pk=meter.pk).update(hold_micros=F("hold_micros") + agreed.price_micros)


def ahead(*, lease: Lease, now: datetime) -> Ahead:
    """How far it can go on for its organization, whose own quotes, on whichever plan, keep nodes from others alone."""
    own = list(_own_holds(lease, now).select_related("terms", "offer").order_by("pk"))
    return Ahead(reach(lease, now=now, quotes=[quote.public_id for quote in own]), own)


def _given_up(lease: Lease, ends_at: datetime, now: datetime) -> Sequence[Quote]:
    """As `Ahead` says. Few hold nodes: only for them it is looked how far the lease can go on."""
    return ahead(lease=lease, now=now).given_up(ends_at) if _own_holds(lease, now).exists() else ()


def _own_holds(lease: Lease, now: datetime) -> QuerySet[Quote]:
    return Quote.objects.filter(organization=lease.organization, offer__pool=lease.offer.pool_id, holds_until__gt=now)


@transaction.atomic
def extend_itself(
    *, lease: Lease, seconds: int | None, max_micros_per_node_hour: int | None, actor: str, now: datetime
) -> None:
    """
    As `leasing.operations.extend_itself`, behind the wallet's lock: a sweep that extends the lease at that moment has
    ended before, and one that comes later heeds it. A ceiling below today's price is refused: who chooses it counts on
    a lease that goes on, and it would end.

    :raises leasing.operations.WindowRefused: if it has no end, is over, its terms know no such step, or the step would
        cost more than the ceiling today
    """
    operations.lock_wallet(organization=lease.organization)
    leasing.operations.extend_itself(
        lease=lease, seconds=seconds, max_micros_per_node_hour=max_micros_per_node_hour, actor=actor, now=now
    )
    if seconds is not None and max_micros_per_node_hour is not None:
        _check_ceiling(lease, seconds, max_micros_per_node_hour, now)


def _check_ceiling(lease: Lease, seconds: int, most_micros: int, now: datetime) -> None:
    """Raises WindowRefused."""
    today = price_of_step(lease=lease, seconds=seconds, now=now)
    if most_micros < today:
        words = f"Today it would be {rate_words(today)}: it would not extend itself. Take as much, or more."
        raise WindowRefused(Refusal(CEILING, words))


def extendable() -> QuerySet[Lease]:
    """Leases with all that pricing more time for them needs."""
    return Lease.objects.select_related("organization", "meter", *READ).prefetch_related("meter__prices")


def _check(agreed: Extension, most_micros: int | None) -> None:
    """Raises PriceTooHigh, InsufficientFunds."""
    if most_micros is not None and agreed.micros_per_node_hour > most_micros:
        raise PriceTooHigh(micros_per_node_hour=agreed.micros_per_node_hour, most_micros=most_micros)
    if agreed.missing_micros > 0:
        raise InsufficientFunds(needed_micros=agreed.price_micros, available_micros=agreed.available_micros)


def _check_caps(agreed: Extension, now: datetime) -> None:
    """As for an order of the added time. Raises OrderingBlocked, NodeLimitReached, BudgetExceeded."""
    lease = agreed.lease
    limits.check_ordering(organization=lease.organization)
    check_caps(
        organization=lease.organization,
        project=lease.project,
        terms=lease.terms,
        micros_per_node_hour=agreed.micros_per_node_hour,
        nodes=lease.node_count,
        starts_at=lease.last_moment,
        ends_at=agreed.ends_at,
        now=now,
        beside=lease,
    )


def obstacle(*, extension: Extension, now: datetime) -> str:
    """Which limit, budget or hold forbids it, in words; "" where none does. Nothing is locked: a page says it ahead."""
    try:
        _check_caps(extension, now)
    except CAPS as refusal:
        return str(refusal)
    return ""


def _words(agreed: Extension) -> str:
    hourly = format_micros(agreed.micros_per_node_hour, places=6)
    total = format_micros(agreed.price_micros)
    return f"The {duration(agreed.added)} more cost {hourly} per node-hour, {total} together; that is kept aside."


def due(*, now: datetime) -> list[Lease]:
    """
    Leases that extend themselves and whose time for it has come: an hour before the last moment at which their terms
    let them be extended, or as soon as the terms let them, if that is later.
    """
    an_hour_before = F("terms__extend_until_seconds") + LEAD // timedelta(seconds=1)
    lead = Least(an_hour_before, Coalesce("terms__extend_from_seconds", NEVER))
    before = ExpressionWrapper(lead * timedelta(seconds=1), output_field=DurationField())
    wanted = extendable().filter(auto_extend_seconds__isnull=False, state__in=sorted(EXTENDABLE), ends_at__gt=now)
    return list(wanted.filter(ends_at__lte=Value(now) + before).order_by("pk"))


@transaction.atomic
def extend_by_itself(*, lease: Lease, now: datetime) -> None:
    """
    Extend a lease by its own step if its ceiling, the wallet and the nodes allow it; else tell the customer why, once,
    and leave it to the next sweep. Step and ceiling are those that hold now; with another end than `due` found, the
    lease is left to the next sweep too: two at once extend it by one step.
    """
    operations.lock_wallet(organization=lease.organization)
    found, lease = lease, extendable().get(pk=lease.pk)
    if lease.ends_at is None or lease.ends_at != found.ends_at or lease.auto_extend_seconds is None:
        return
    ends_at = lease.ends_at + timedelta(seconds=lease.auto_extend_seconds)
    most = lease.auto_extend_max_micros
    try:
        extend(lease=lease, ends_at=ends_at, actor=ACTOR, now=now, max_micros_per_node_hour=most)
    except WindowRefused as refused:
        why = refused.message
    except InsufficientFunds as refused:
        missing = format_micros(refused.missing_micros)
        why = f"{missing} are missing in the wallet for {duration(ends_at - lease.ends_at)} more."
    except (PriceTooHigh, BookedBehind, NodesTaken, *CAPS) as refused:
        why = str(refused)
    else:
        return
    leasing.operations.tell_not_extended(lease=lease, why=why, actor=ACTOR, now=now)
