"""What a lease costs, derived from its transitions and outages. Meter, receipt and wallet all read it here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BigIntegerField, Prefetch, QuerySet, prefetch_related_objects

from accounts.models import Given, Organization, SSHKey, Statement, prefetched
from billing.models import Meter
from billing.queries.outages import Loss, Span, losses
from billing.queries.prices import Price, price_at, prices_of
from leasing.models import Lease, Machine, Transition
from leasing.queries import MACHINES, leases_of
from leasing.states import LEASE_OVER, METERED, LeaseState
from marketplace.money import price_of

# A transition commits a moment after its own time. A running lease is charged only up to where nothing can still
# arrive; should something arrive later than that, the next slice corrects it.
LAG = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
# The meter has stopped for good: nothing leads back from these to `active`.
OVER = LEASE_OVER | {LeaseState.RECLAIMING}
# It has not run yet: nothing is owed, and all of the hold is kept aside.
NOT_BEGUN = (LeaseState.HELD, LeaseState.SCHEDULED, LeaseState.PROVISIONING)


def active_spans(transitions: Sequence[Transition], *, ends_at: datetime | None) -> list[Span]:
    """Stretches in state active, in order, cut at the lease's agreed end."""
    spans, since = [], None
    for transition in transitions:
        if since is not None:
            spans.append(Span(since, transition.at))
        since = transition.at if transition.new in METERED else None
    if since is not None:
        spans.append(Span(since, None))
    return [Span(span.since, _earlier(span.until, ends_at)) for span in spans]


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment), default=None)


def billable_seconds(spans: Sequence[Span], *, upto: datetime) -> int:
    """Whole seconds of all active time before `upto` together. Rounded down once, on the sum."""
    lengths = (min(span.until or upto, upto) - span.since for span in spans)
    return sum((max(length, timedelta()) for length in lengths), timedelta()) // SECOND


def lost_node_seconds(taken: Sequence[Loss], *, most: int) -> int:
    """Whole node-seconds of all the losses together, at most `most`. Rounded up once, on the sum."""
    return min(-(-sum((loss.length for loss in taken), timedelta()) // SECOND), most)


@dataclass(frozen=True)
class Part:
    """The use at one price of the lease, from `price.since` until the next: seconds of `nodes` nodes, less losses."""

    price: Price
    nodes: int
    seconds: int
    losses: list[Loss]

    @property
    def outage_seconds(self) -> int:
        """Node-seconds in which nodes did not serve."""
        return lost_node_seconds(self.losses, most=self.seconds * self.nodes)

    def billed(self, taken: Sequence[Loss]) -> tuple[int, int]:
        """Rate and node-seconds to pay for when these losses are taken off, for `marketplace.money.price_of`."""
        most = self.seconds * self.nodes
        return self.price.micros_per_node_hour, most - lost_node_seconds(taken, most=most)


@dataclass(frozen=True)
class Reading:
    """
    A meter read at a moment: what the lease owes to date, and what is still kept aside for it.

    `seconds` is active time, `outage_seconds` node-seconds of it in which nodes did not serve: billed are
    seconds × nodes - outage_seconds, each part of them at its price.
    """

    meter: Meter
    at: datetime
    spans: list[Span]
    over: bool
    losses: list[Loss]
    parts: list[Part]
    seconds: int
    outage_seconds: int
    due_micros: int

    @property
    def micros_per_node_hour(self) -> int:
        """The price that holds at the moment; once the lease is over, the last one that it was charged at."""
        used = [part.price.micros_per_node_hour for part in self.parts if part.seconds]
        return used[-1] if self.over and used else price_at([part.price for part in self.parts], self.at)

    @property
    def nodes_serving(self) -> int:
        """The nodes that are charged now, while the meter runs: all but those that are out."""
        out = {loss.machine.pk for loss in self.losses if loss.outage.ended_at is None}
        return max(0, self.meter.nodes - len(out))

    @property
    def accrued_micros(self) -> int:
        """Used, but not posted yet."""
        return self.due_micros - self.meter.charged_micros

    @property
    def held_micros(self) -> int:
        """What is left of the hold; nothing once the lease is over."""
        return 0 if self.over else max(0, self.meter.hold_micros - self.due_micros)

    @property
    def micros_per_hour(self) -> int:
        """What the lease burns per hour while it runs."""
        return self.micros_per_node_hour * self.meter.nodes

    @property
    def extends_itself(self) -> bool:
        """A lease that is to go on behind its agreed end, and will draw on the wallet for that."""
        lease = self.meter.lease
        return not self.over and lease.auto_extend_seconds is not None and lease.ends_at is not None

    @property
    def runs_on_credit(self) -> bool:
        """An open-ended lease that runs now and costs something: it draws on the wallet until somebody stops it."""
        lease = self.meter.lease
        running = not self.over and lease.state == LeaseState.ACTIVE and self.micros_per_hour > 0
        return running and lease.offer.plan.open_ended


def read(meter: Meter, *, at: datetime) -> Reading:
    """Read one meter from its lease's transitions and outages, whatever has been posted so far."""
    transitions = sorted(meter.lease.transitions.all(), key=lambda t: t.seq)
    spans = active_spans(transitions, ends_at=meter.lease.ends_at)
    machines, over = list(meter.lease.machines.all()), bool(transitions) and transitions[-1].new in OVER
    parts = _parts(meter, machines, spans, upto=at)
    return Reading(
        meter=meter,
        at=at,
        spans=spans,
        over=over,
        losses=losses(machines, spans, upto=at),
        parts=parts,
        seconds=sum(part.seconds for part in parts),
        outage_seconds=sum(part.outage_seconds for part in parts),
        due_micros=price_of(part.billed(part.losses) for part in parts),
    )


def _parts(meter: Meter, machines: Sequence[Machine], spans: Sequence[Span], *, upto: datetime) -> list[Part]:
    """The use before `upto`, cut where the price changes. Seconds are rounded down on the sum up to each border."""
    prices, parts, counted = prices_of(meter), list[Part](), 0
    borders = [price.since for price in prices[1:]]
    for price, begin, end in zip(prices, [None, *borders], [*borders, None], strict=True):
        seconds = billable_seconds(spans, upto=min(end or upto, upto))
        mine = [Span(max(span.since, begin or span.since), _earlier(span.until, end)) for span in spans]
        parts.append(Part(price, meter.nodes, seconds - counted, losses(machines, mine, upto=upto)))
        counted = seconds
    return parts


def open_readings(organization: Organization, *, at: datetime) -> list[Reading]:
    """Readings of every lease of the organization that has begun and still has a claim on its wallet."""
    meters = BEGUN.rows(organization=organization.pk)
    prefetch_related_objects(meters, *behind())
    return [read(meter, at=at) for meter in meters]


def open_meters(organization: Organization) -> list[Meter]:
    """Every meter of the organization that still has a claim on its wallet, as `readable` finds them."""
    meters = OPEN.rows(organization=organization.pk)
    prefetch_related_objects(meters, *behind())
    return meters


def readable() -> QuerySet[Meter]:
    """Meters with all that `read` needs, in five statements however many they are."""
    return Meter.objects.select_related(*RELATED).prefetch_related(*behind())


RELATED = ("lease__offer__plan", "lease__offer__pool__node_type", "lease__offer__pool__site", "lease__organization")


def _open() -> QuerySet[Meter]:
    own = Given("organization", BigIntegerField())
    return Meter.objects.select_related(*RELATED).filter(organization=own, closed_at=None)


OPEN = Statement(_open)
BEGUN = Statement(lambda: _open().exclude(lease__state__in=NOT_BEGUN))  # who books far ahead has many that have not


def behind() -> tuple[Prefetch[str] | str, ...]:
    """What is read behind each meter."""
    transitions = Prefetch("lease__transitions", queryset=Transition.objects.order_by("seq"))
    machines = Prefetch("lease__machines", queryset=Machine.objects.select_related("node").order_by("pk"))
    return transitions, machines, "lease__machines__outages", "prices"


def cost_so_far(*, lease: Lease, now: datetime) -> int:
    """Micro-dollars that the lease costs up to `now`, to the second; zero for one that never became active."""
    meter = readable().filter(lease=lease).first()
    return read(meter, at=now).due_micros if meter else 0


def just_ordered(*, lease: Lease, admits: Sequence[SSHKey]) -> Lease:
    """
    The lease that an order has just made, as `priced_leases` would have it, in one statement: its meter is known, it
    admits these keys, and nothing has run yet that there could be transitions to charge, outages or other prices of.
    """
    machines = MACHINES.rows(lease=lease.pk)
    prefetched(lease, keys=admits, machines=machines, transitions=[], approval=None)
    prefetched(lease.meter, prices=[])
    for machine in machines:
        machine.lease = lease
        prefetched(machine, outages=[])
    return lease


def priced_leases(*, organization: Organization) -> QuerySet[Lease]:
    """The organization's leases, newest first, with all that is shown of them and the meters that `read` needs."""
    return leases_of(organization).select_related("meter").prefetch_related("meter__prices")
