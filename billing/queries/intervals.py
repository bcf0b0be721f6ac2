"""
The life of a lease as typed intervals, in two streams: `allocation`, in which nodes are kept for it, from when they are
its own until they are free again; and `consumption`, in which they are in the tenant's hands and serve. Only
consumption costs money. Both are derived from transitions, machines, outages and prices whenever they are asked for,
and what they cost together is what the meter charges.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from django.db.models import TextChoices

from billing.models import Usage, UsageKind
from billing.queries.credits import credited
from billing.queries.meters import SECOND, Reading, read, readable
from billing.queries.prices import price_at, prices_of
from leasing.models import Lease, Machine, MachineTransition, Outage, OutageCause
from leasing.states import POWER, MachineState


class Stream(TextChoices):
    """Which meter an interval belongs to."""

    ALLOCATION = "allocation", "kept for the lease"
    CONSUMPTION = "consumption", "serving the tenant"


class IntervalKind(TextChoices):
    """What the nodes did."""

    START = "start", "being made ready"
    FAILED_START = "failed_start", "start that failed"
    USE = "use", "in use"
    PAUSE = "pause", "paused"
    POWER_PAUSE = "power_pause", "paused for power"
    WIPE = "wipe", "being wiped"
    OUTAGE = "outage", "outage"
    MOVE = "move", "being moved"
    CORRECTION = "correction", "correction"


S, K = MachineState, IntervalKind
# What a machine's state means for the node that is kept; the other states are over.
KEPT = {
    **dict.fromkeys((S.PENDING, S.PREPARING), K.START),
    **dict.fromkeys((S.READY, S.SERVICING), K.USE),
    **dict.fromkeys((S.PAUSING, S.PAUSED, S.RESUMING), K.PAUSE),
    **dict.fromkeys((S.WIPING, S.WIPE_FAILED), K.WIPE),
}
BEFORE_ITS_WIPE = frozenset(state for state, kind in KEPT.items() if kind != K.WIPE)
WHY_FREE = {
    K.START: "Free: the meter starts when all nodes are ready.",
    K.FAILED_START: "Free: a start that fails costs nothing.",
    K.USE: "Free: only the time in which nodes serve is charged, by the other stream.",
    K.PAUSE: "Free: paused, with data and address kept.",
    K.POWER_PAUSE: "Free: paused for want of power, as announced, with data and address kept.",
    K.WIPE: "Free: given back, and being wiped for the next tenant.",
}


@dataclass(frozen=True)
class Interval:
    """
    One stretch of one kind, at one price. `until` is None while it goes on; its figures are then those of the reading.

    Use and outages of all nodes are told together: `nodes` are those that served, were out, or moved. Fractions of a
    second are not lost but counted where they complete one, as the meter counts them.
    """

    stream: Stream
    kind: IntervalKind
    since: datetime
    until: datetime | None
    nodes: int
    seconds: int
    node_seconds: int
    micros_per_node_hour: int
    micros: int
    why: str = ""
    node: str = ""

    @property
    def free(self) -> bool:
        """Whether it costs nothing whatever the price; `why` says why."""
        return self.kind not in {IntervalKind.USE, IntervalKind.CORRECTION} or self.stream == Stream.ALLOCATION


@dataclass(frozen=True)
class Intervals:
    """
    All of a lease up to `at`, each stream in order. The use in them costs `due_micros`. `corrections` are no time of
    their own: they moved what had been charged to what the intervals say, and with the rest make `charged_micros`.
    """

    lease: Lease
    at: datetime
    all: tuple[Interval, ...]
    corrections: tuple[Interval, ...]
    due_micros: int
    charged_micros: int

    def of(self, stream: str) -> list[Interval]:
        """Those of one stream."""
        return [interval for interval in self.all if interval.stream == stream]


def intervals(*, lease: Lease, at: datetime) -> Intervals:
    """
    Everything about a lease up to a moment.

    :raises Meter.DoesNotExist: if the lease was not ordered through a checkout
    """
    reading = read(readable().get(lease=lease), at=at)
    found = (*_allocation(reading.meter.lease, at), *_use(reading), *_outages(reading))
    in_order = sorted(found, key=lambda one: (one.stream, one.since, one.node, one.kind))
    corrections = tuple(_corrections(lease))
    return Intervals(lease, at, tuple(in_order), corrections, reading.due_micros, reading.meter.charged_micros)


def _allocation(lease: Lease, at: datetime) -> Iterator[Interval]:
    """Each node of the lease, from its booked time on until it is wiped or another one has its place."""
    moves = MachineTransition.objects.filter(machine__lease=lease, at__lte=at).order_by("machine", "seq")
    machines = {machine.pk: machine for machine in lease.machines.all()}
    for pk, mine in groupby(moves, key=lambda move: move.machine_id):
        yield from _kept(machines[pk], list(mine), at)


def _kept(machine: Machine, moves: Sequence[MachineTransition], at: datetime) -> Iterator[Interval]:
    failed = moves[-1].new not in BEFORE_ITS_WIPE and all(move.new != MachineState.READY for move in moves)
    kinds = groupby(moves, key=lambda move: KEPT.get(MachineState(move.new)))
    begun = [_begun(kind, next(same)) for kind, same in kinds]
    for (kind, since), later in zip(begun, [*(at for _, at in begun[1:]), None], strict=True):
        since = max(since, machine.lease.starts_at)
        if kind is None or since >= (later or at):
            continue
        if failed and kind == IntervalKind.START:
            kind = IntervalKind.FAILED_START
        seconds = ((later or at) - since) // SECOND
        why, node = WHY_FREE[kind], machine.node.name
        yield Interval(Stream.ALLOCATION, kind, since, later, 1, seconds, seconds, 0, 0, why, node)


def _begun(kind: IntervalKind | None, first: MachineTransition) -> tuple[IntervalKind | None, datetime]:
    """Why a machine is paused is said by the move with which that began."""
    for_power = kind == IntervalKind.PAUSE and first.reason == POWER
    return IntervalKind.POWER_PAUSE if for_power else kind, first.at


def _use(reading: Reading) -> Iterator[Interval]:
    """Active time, cut where the price or the number of nodes that serve changes; each part costs what it adds."""
    prices, meter = prices_of(reading.meter), reading.meter
    cuts = {price.since for price in prices} | {moment for loss in reading.losses for moment in _ends(loss.outage)}
    for span in reading.spans:
        end = min(span.until or reading.at, reading.at)
        borders = [span.since, *sorted(cut for cut in cuts if span.since < cut < end), end]
        for since, until in pairwise(borders):
            before, after = read(meter, at=since), read(meter, at=until)
            seconds, lost = after.seconds - before.seconds, after.outage_seconds - before.outage_seconds
            node_seconds, micros = seconds * meter.nodes - lost, after.due_micros - before.due_micros
            if node_seconds or micros:
                goes_on = span.until is None and until == reading.at
                yield Interval(
                    Stream.CONSUMPTION,
                    IntervalKind.USE,
                    since,
                    None if goes_on else until,
                    meter.nodes - _out(reading, since, until),
                    seconds,
                    node_seconds,
                    price_at(prices, since),
                    micros,
                )


def _ends(outage: Outage) -> list[datetime]:
    return [moment for moment in (outage.began_at, outage.ended_at) if moment]


def _out(reading: Reading, since: datetime, until: datetime) -> int:
    """Nodes that did not serve in a stretch that is nowhere cut by an outage."""
    return len(
        {
            loss.machine.pk
            for loss in reading.losses
            if loss.outage.began_at < until and (loss.outage.ended_at or reading.at) > since
        }
    )


def _outages(reading: Reading) -> Iterator[Interval]:
    for credit in credited(reading):
        outage = credit.outage
        length = (outage.ended_at or reading.at) - outage.began_at
        yield Interval(
            Stream.CONSUMPTION,
            IntervalKind.MOVE if outage.cause == OutageCause.MOVING else IntervalKind.OUTAGE,
            outage.began_at,
            outage.ended_at,
            1,
            max(length, timedelta()) // SECOND,
            credit.node_seconds,
            0,
            0,
            f"Free: {credit.cause}.",
            credit.node,
        )


def _corrections(lease: Lease) -> Iterator[Interval]:
    rows = Usage.objects.filter(lease=lease, kind=UsageKind.CORRECTION).select_related("corrects")
    for row in rows.order_by("pk"):
        assert row.corrects
        yield Interval(
            Stream.CONSUMPTION,
            IntervalKind.CORRECTION,
            row.from_at,
            row.until_at,
            row.nodes,
            row.seconds,
            row.seconds * row.nodes - row.outage_node_seconds,
            row.micros_per_node_hour,
            row.micros,
            f"Of the use from {row.corrects.from_at:%Y-%m-%d %H:%M:%S} UTC, by what became known after it was charged.",
        )
