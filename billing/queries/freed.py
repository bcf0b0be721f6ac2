"""Agreed time that is handed back: what it was agreed to cost, what is kept of it, and how others use it afterwards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models import Value as Constant
from django.db.models.functions import Coalesce, Concat

from billing.models import HandBack, Meter, Posting, Quote
from billing.queries.meters import active_spans
from billing.queries.outages import Span
from billing.queries.prices import price_at, price_of_windows, prices_of
from leasing.models import ChangeKind, Lease, LeaseChange, Machine, Outage, Transition
from leasing.states import LeaseState, MachineState
from marketplace.money import SECONDS_PER_HOUR, price_of
from marketplace.queries import Window

SECOND = timedelta(seconds=1)
BEFORE_USE = frozenset({LeaseState.SCHEDULED, LeaseState.PROVISIONING})


@dataclass(frozen=True)
class Value:
    """
    What handing back the time from `since` to `until` costs and brings, in micro-dollars: of its price the fee is kept,
    the rest is free at once, and up to `resale_micros` of the fee come back if others use the time. A lease that is
    made shorter before its start is priced as one of its new length: its time before `since` costs `repriced_micros`
    more then, at `micros_per_node_hour` from its start on.
    """

    kind: ChangeKind
    since: datetime
    until: datetime | None  # None: the lease has no agreed end
    price_micros: int = 0
    fee_micros: int = 0
    resale_micros: int = 0
    repriced_micros: int = 0
    micros_per_node_hour: int | None = None  # of the time that stays; None: what was agreed stays

    @property
    def refund_micros(self) -> int:
        """Free again at once."""
        return self.price_micros - self.fee_micros - self.repriced_micros


def value_of(lease: Lease, meter: Meter, *, kind: ChangeKind, since: datetime, until: datetime, at: datetime) -> Value:
    """What it costs to hand that time back at `at`, as the lease is before, by the terms that it was ordered on."""
    whole = agreed_price(meter, [Window(since, until)], nodes=meter.nodes, at=at)
    fee = whole * kept_percent(lease, at=at) // 100
    worth = Value(kind, since, until, whole, fee, min(fee, whole * lease.terms.resale_percent // 100))
    return _repriced(worth, lease, meter, at) if kind == ChangeKind.SHORTENED else worth


def _repriced(worth: Value, lease: Lease, meter: Meter, at: datetime) -> Value:
    """
    With the price of the time that stays, where that is dearer: the discount is that of the new length. Never so dear
    that all of it would cost more than before. What is in use keeps its price, and the fee is what shortening costs.
    """
    quote = Quote.objects.filter(lease=lease).first()
    if lease.state != LeaseState.SCHEDULED or quote is None:
        return worth
    stays = Window(lease.starts_at, worth.since)
    agreed = price_at(prices_of(meter, agreed_by=at), lease.starts_at)  # beyond what an extension added it is no dearer
    node_seconds = stays.length // SECOND * meter.nodes
    most = agreed + worth.refund_micros * SECONDS_PER_HOUR // node_seconds
    micros = min(most, lease.terms.agreed_rate(quote.list_micros_per_node_hour, stays.length // SECOND))
    if micros <= agreed:
        return worth
    before, after = (price_of([(rate, node_seconds)]) for rate in (agreed, micros))
    return replace(worth, repriced_micros=after - before, micros_per_node_hour=micros)


def kept_percent(lease: Lease, *, at: datetime) -> int:
    """
    Of the price of time that is handed back, kept as a fee. Nothing unless the lease serves its tenant with every
    machine, or is not begun yet and not late: waiting for the start to be under way saves nobody the fee.
    """
    if lease.state in BEFORE_USE and not _late(lease, at):
        return 100 - lease.terms.cancel_refund_percent(max(lease.starts_at - at, timedelta()) // SECOND)
    if lease.state == LeaseState.ACTIVE and not _down(lease, at):
        return 100 - lease.terms.return_refund_percent
    return 0


def _late(lease: Lease, at: datetime) -> bool:
    """Whether its start, or what was to begin it, has taken longer than was promised, or a machine has failed in it."""
    promised = max(lease.starts_at, lease.state_since) + timedelta(seconds=lease.terms.start_deadline_seconds)
    return at >= promised or lease.replacements > 0


def _down(lease: Lease, at: datetime) -> bool:
    """Whether a machine did not serve then. A lease that is returned ends its outages at that very moment."""
    going_on = Q(ended_at=None) | Q(ended_at__gte=at)
    return Outage.objects.filter(going_on, machine__lease=lease, began_at__lte=at).exists()


def agreed_price(meter: Meter, windows: Sequence[Window], *, nodes: int = 1, at: datetime) -> int:
    """What windows cost at the prices that were agreed for them at `at`; what is agreed later moves nothing."""
    return price_of_windows(prices_of(meter, agreed_by=at), windows=windows, nodes=nodes)


def used_by_others(change: LeaseChange, *, upto: datetime) -> list[Window]:
    """
    Stretches, one for each node and lease, in which other leases were active on the freed nodes before `upto`. Cleaning
    and maintenance are nobody's use.
    """
    since, until = change.new_ends_at, min(change.old_ends_at, upto)
    there = Q(access_ended_at=None) | Q(access_ended_at__gt=since)
    machines = Machine.objects.filter(there, node__in=change.nodes, touched_at__lt=until).exclude(lease=change.lease_id)
    transitions = Prefetch("lease__transitions", queryset=Transition.objects.order_by("seq"))
    found = machines.select_related("lease").prefetch_related("transitions", transitions).order_by("pk")
    return [cut for machine in found for span in _served(machine) for cut in _within(span, since, until)]


def _served(machine: Machine) -> Iterator[Span]:
    """When the machine served its lease, and the lease was active."""
    moves = {row.new: row.at for row in reversed(list(machine.transitions.all()))}  # the first of each
    ready, gone = moves.get(MachineState.READY), moves.get(MachineState.WIPING)
    if ready is None:
        return
    for span in active_spans(list(machine.lease.transitions.all()), ends_at=machine.lease.ends_at):
        ends = [end for end in (span.until, gone) if end]
        yield Span(max(span.since, ready), min(ends) if ends else None)


def _within(span: Span, since: datetime, until: datetime) -> Iterator[Window]:
    begin, end = max(span.since, since), min(span.until or until, until)
    if begin < end:
        yield Window(begin, end)


def with_fees(leases: QuerySet[Lease]) -> QuerySet[Lease]:
    """Leases with `kept_micros`: what is kept of time that was handed back, less what others' use of it brought."""
    mine = HandBack.objects.filter(change__lease=OuterRef("pk")).order_by().values("change__lease")
    kept = mine.annotate(micros=Sum(F("fee_micros") - F("credited_micros"))).values("micros")
    return leases.annotate(kept_micros=Coalesce(Subquery(kept), Constant(0)))


def hand_backs(lease: Lease) -> QuerySet[HandBack]:
    """What was handed back of the lease, in order, each with the id of its fee's `movement`."""
    fee = Posting.objects.filter(key=Concat(Constant("hand_back:"), OuterRef("change__public_id")))
    found = HandBack.objects.filter(change__lease=lease).annotate(movement=Subquery(fee.values("public_id")[:1]))
    return found.select_related("change").order_by("pk")
