"""May a lease be extended, how far on its own nodes, and why not further? Pages, the API and refusals say the same."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, QuerySet, TextChoices, Value
from django.db.models.functions import Least

from leasing.models import Claim, Lease
from leasing.queries.power import Shortage, shortage
from leasing.states import SERVING, LeaseState
from marketplace.models import NodeCalendar
from marketplace.queries import Refusal, duration, is_held, last_end, why_not_until
from marketplace.queries.windows import Window, cleaning

EXTENDABLE = frozenset({LeaseState.SCHEDULED, LeaseState.PROVISIONING, LeaseState.ACTIVE, LeaseState.PAUSED})
LONGEST_NOTICE = timedelta(days=1)  # of an end
READ = ("terms__plan", "offer__plan", "offer__pool__site", "offer__pool__node_type")  # of a lease, by `reach`
LEASE, ENDS_AT = "lease", "ends_at"  # what a refusal names: the lease as it is, or the end that was asked for


class Kind(TextChoices):
    """What stands behind a lease."""

    LEASE = "lease", "Somebody has booked"
    MAINTENANCE = "maintenance", "Maintenance is planned on"
    HELD = "held", "Somebody is ordering"  # a quote holds it for some minutes


@dataclass(frozen=True)
class Behind:
    """What comes next behind a lease on one of its nodes."""

    node: str
    starts_at: datetime
    kind: Kind
    quote: str = ""  # that holds the node


@dataclass(frozen=True)
class Reach:
    """
    How far a lease can go on: `ends_at` is the last end that its terms, its nodes and its site's firm power allow, the
    present one where no later one is. With `short` it is the power that ends first. `own` are its organization's quotes
    that hold its nodes behind it, each with the last end that leaves it alone: they give way.
    """

    ends_at: datetime
    why: str
    behind: tuple[Behind, ...]
    short: Shortage | None
    own: Mapping[str, datetime]


def why_not_extended(lease: Lease, *, ends_at: datetime, now: datetime) -> Refusal | None:
    """The first rule that forbids the lease to go on until `ends_at`, or None. Claims are not looked at."""
    return next(_objections(lease, ends_at, now), None)


def why_not_now(lease: Lease, *, now: datetime) -> Refusal | None:
    """Why it cannot be extended now by whatever; None if it can."""
    return next(_of_the_moment(lease, now), None)


def reach(lease: Lease, *, now: datetime, quotes: Collection[str] = ()) -> Reach:
    """
    How far a reserved lease can go on, from its claims, what is claimed or held behind them, and its site's firm power.
    What is held for the quotes, of its own organization, counts as free. Four queries.
    """
    terms = lease.terms
    assert lease.ends_at is not None
    found = _behind(serving_claims(lease), now)
    own = {row.quote: row.starts_at - cleaning(terms) for row in found if row.quote in quotes}
    behind = _first_of_each(row for row in found if row.quote not in own)
    longest = lease.starts_at + timedelta(seconds=terms.max_seconds)
    free_until = behind[0].starts_at - cleaning(terms) if behind else longest
    ends_at = last_end(terms, lease.starts_at, min(longest, free_until))
    # Several own quotes on one lease are rare: the power that others than the first hold is not counted on.
    short = _shortage(lease, ends_at, now, next(iter(own), ""))
    if short:
        ends_at = last_end(terms, lease.starts_at, short.span.starts_at - cleaning(terms))
    why = short.limit if short else _why(lease, behind[0] if free_until < longest else None)
    return Reach(max(ends_at, lease.ends_at), why, behind, short, own)


def added(lease: Lease, ends_at: datetime) -> Window:
    """What is taken beside what the lease has, if it goes on until `ends_at`: as long, cleaning behind it."""
    assert lease.ends_at is not None
    return Window(lease.ends_at + cleaning(lease.terms), ends_at + cleaning(lease.terms))


def ending_soon(*, now: datetime) -> QuerySet[Lease]:
    """
    Leases of whose end nobody was told: within a day, and of an agreed end, where they do not extend themselves, when a
    quarter of their time is left or less. That a guarantee ends was told before; of this one is reminded.
    """
    quarter = ExpressionWrapper((F("ends_at") - F("starts_at")) / 4, output_field=DurationField())
    told_from = ExpressionWrapper(F("ends_at") - Least(quarter, Value(LONGEST_NOTICE)), output_field=DateTimeField())
    untold = Lease.objects.filter(state=LeaseState.ACTIVE, auto_extend_seconds=None, end_notice_at=None)
    told_before = Q(ends_at=None, guarantee_notice_at__lte=F("guaranteed_until") - LONGEST_NOTICE)
    guarantee = told_before & Q(guaranteed_until__lte=now + LONGEST_NOTICE, guaranteed_until__gt=now)
    return untold.annotate(told_from=told_from).filter(Q(told_from__lte=now, ends_at__gt=now) | guarantee)


def serving_claims(lease: Lease) -> list[Claim]:
    """The claims of the nodes that serve the lease; not those of machines that were replaced and are being wiped."""
    serving = lease.machines.filter(state__in=SERVING).values("node")
    return list(Claim.objects.filter(lease=lease, released_at=None, node__in=serving).order_by("node_id"))


def _behind(claims: Sequence[Claim], now: datetime) -> list[Behind]:
    """The first claim behind each of them and what quotes hold there, soonest first."""
    after = min((claim.period.upper for claim in claims), default=None)
    if after is None:
        return []
    nodes = [claim.node_id for claim in claims]
    live = Claim.objects.filter(node__in=nodes, released_at=None, period__startswith__gte=after)
    first = live.order_by("node_id", "period").distinct("node_id").select_related("node")
    calendars = NodeCalendar.objects.filter(is_held(now=now), pk__in=nodes, held__endswith__gt=after)
    held = calendars.select_related("node")
    found = [
        *(Behind(row.node.name, row.period.lower, Kind.LEASE if row.lease_id else Kind.MAINTENANCE) for row in first),
        *(Behind(row.node.name, row.held.lower, Kind.HELD, row.held_for) for row in held if row.held is not None),
    ]
    return sorted(found, key=lambda row: row.starts_at)


def _first_of_each(behind: Iterable[Behind]) -> tuple[Behind, ...]:
    """What comes first on each node, where they are in order."""
    first: dict[str, Behind] = {}
    for row in behind:
        first.setdefault(row.node, row)
    return tuple(first.values())


def _shortage(lease: Lease, ends_at: datetime, now: datetime, quote: str) -> Shortage | None:
    """Why its site has not the firm power for it to go on until `ends_at`; None if it has."""
    more = added(lease, ends_at)
    if more.ends_at <= more.starts_at:
        return None
    return shortage(offer=lease.offer, nodes=lease.node_count, window=more, now=now, quote=quote)


def _why(lease: Lease, first: Behind | None) -> str:
    """Why not further, in a sentence: for what is first in the way, or else for its terms."""
    if first is None:
        longest = duration(timedelta(seconds=lease.terms.max_seconds))
        return f"{lease.terms.plan.name} lasts {longest} at most, extensions included."
    return f"{first.kind.label} {first.node} from {first.starts_at:%Y-%m-%d %H:%M} UTC; it is cleaned before that."


def _objections(lease: Lease, ends_at: datetime, now: datetime) -> Iterator[Refusal]:
    yield from _of_the_moment(lease, now)
    if lease.ends_at is not None and ends_at <= lease.ends_at:
        yield Refusal(ENDS_AT, f"Choose an end after {_moment(lease.ends_at)}, when it ends now.")
    if refusal := why_not_until(lease.terms, window=Window(lease.starts_at, ends_at)):
        yield refusal


def _of_the_moment(lease: Lease, now: datetime) -> Iterator[Refusal]:
    if lease.ends_at is None:
        yield Refusal(LEASE, "This lease has no end: it goes on while nobody is booked behind it, until you return it.")
        return
    if lease.state not in EXTENDABLE or lease.ends_at <= now:
        yield Refusal(LEASE, "The lease is over, or not confirmed yet: order a new one instead.")
    last = lease.ends_at - timedelta(seconds=lease.terms.extend_until_seconds)
    if now > last:
        yield Refusal(LEASE, f"An extension had to be asked for until {_moment(last)}. Order a lease behind this one.")
    if lease.terms.extend_from_seconds is not None:
        first = lease.ends_at - timedelta(seconds=lease.terms.extend_from_seconds)
        if now < first:
            yield Refusal(LEASE, f"An extension can be asked for from {_moment(first)} on. Ask again then.")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
