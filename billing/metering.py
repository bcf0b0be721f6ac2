"""
Charges leases for what their transitions and outages say. Running it twice, late, or in other slices never changes a
total: each usage row is what is due to date, less what was charged before. What becomes known of time that was charged
already is a row of its own that points at the row it corrects.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import datetime, timedelta
from typing import Self

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from billing import operations
from billing.models import AccountKind, Meter, PostingKind, Usage, UsageKind
from billing.queries import Reading, price_at, prices_of, read, readable
from billing.queries.billed import stamp
from billing.queries.meters import LAG, OVER
from leasing.models import Lease, Outage
from leasing.states import LeaseState
from marketplace.measures import counted, nodes_of

HOUR = timedelta(hours=1)
CHANGED = ["seconds", "outage_node_seconds", "charged_micros", "metered_until", "closed_at", "corrected_for"]
LATEST = timedelta(days=35)  # how long after an outage was written down a sweep still finds it


@dataclass(frozen=True)
class Sums:
    """What a lease used, or was charged for: whole seconds, node-seconds of outages in them, micro-dollars."""

    seconds: int = 0
    outage_node_seconds: int = 0
    micros: int = 0

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """All that is due."""
        return cls(reading.seconds, reading.outage_seconds, reading.due_micros)

    @classmethod
    def charged(cls, meter: Meter) -> Self:
        """All that was charged."""
        return cls(meter.seconds, meter.outage_node_seconds, meter.charged_micros)

    def __add__(self, more: Self) -> Self:
        return type(self)(*(one + other for one, other in zip(astuple(self), astuple(more), strict=True)))

    def __sub__(self, less: Self) -> Self:
        return type(self)(*(one - other for one, other in zip(astuple(self), astuple(less), strict=True)))

    @property
    def fields(self) -> dict[str, int]:
        """As a row of usage has them."""
        return asdict(self)

    def write(self, meter: Meter) -> None:
        """All of it was charged."""
        meter.seconds, meter.outage_node_seconds, meter.charged_micros = astuple(self)


def slice_end(now: datetime) -> datetime:
    """Up to where a running lease is charged: the last full UTC hour. So no slice ever crosses the end of a month."""
    return (now - LAG).replace(minute=0, second=0, microsecond=0)


def due(*, now: datetime) -> list[Lease]:
    """Leases that have something to meter: over but not closed, or running past the last full hour."""
    upto = slice_end(now)
    running = Q(lease__state__in=(LeaseState.ACTIVE, LeaseState.PAUSED))
    behind = Q(metered_until=None) | Q(metered_until__lt=upto)
    open_meters = Meter.objects.filter(closed_at=None).select_related("lease__organization").order_by("lease_id")
    return [row.lease for row in open_meters.filter(Q(lease__state__in=OVER) | (running & behind))]


@transaction.atomic
def meter(*, lease: Lease, upto: datetime, now: datetime) -> int:
    """
    Charge a lease up to `upto`, or up to its end and close its meter if it is over.

    Returns the micro-dollars charged by this call: one usage row and one posting for each UTC hour that had any, two
    where the price changed in it; before them a correction, if something became known of what was charged already.
    """
    operations.lock_wallet(organization=lease.organization)
    Meter.objects.select_for_update().get(lease=lease)
    row = readable().get(lease=lease)
    if row.closed_at:
        return 0
    before, reading = row.charged_micros, read(row, at=upto)
    end = reading.spans[-1].until if reading.over and reading.spans else None
    borders = [price.since for price in prices_of(row)]
    new = list(slices(row.metered_until or first_active(reading), end or upto, borders))
    if row.metered_until and (new or reading.over):
        _settle(row, upto=row.metered_until, key=f"correction:{lease.public_id}:{stamp(row.metered_until)}", now=now)
    for begin, until in new:
        _charge(row, begin, until, now=now)
    if reading.over:
        row.closed_at = now
    row.save(update_fields=CHANGED)
    return row.charged_micros - before


def corrections_due(*, now: datetime) -> list[Lease]:
    """Leases whose meter had closed before something was written down about an outage of theirs."""
    outages = Outage.objects.filter(recorded_at__gt=now - LATEST, machine__lease__meter__closed_at__isnull=False)
    settled = Coalesce("machine__lease__meter__corrected_for", F("machine__lease__meter__closed_at") - LAG)
    late = outages.filter(recorded_at__gt=settled).values("machine__lease")
    return list(Lease.objects.filter(pk__in=late).select_related("organization").order_by("pk"))


@transaction.atomic
def correct(*, lease: Lease, now: datetime) -> int:
    """
    Settle what became known of outages after the meter closed: by corrections and a posting of today. The month in
    which the outage was may have its invoice already, and keeps it.

    Returns the micro-dollars charged by this call, as a rule less than nothing; once for each fact.
    """
    operations.lock_wallet(organization=lease.organization)
    Meter.objects.select_for_update().get(lease=lease)
    row = readable().get(lease=lease)
    known = [outage.recorded_at for machine in row.lease.machines.all() for outage in machine.outages.all()]
    if row.closed_at is None or not known:
        return 0
    before, newest = row.charged_micros, max(known)
    _settle(row, upto=now, key=f"outage:{lease.public_id}:{stamp(newest)}", now=now)
    row.corrected_for = newest
    row.save(update_fields=CHANGED)
    return row.charged_micros - before


def first_active(reading: Reading) -> datetime | None:
    """When the meter began; None if it never did."""
    return reading.spans[0].since if reading.spans else None


def slices(
    begin: datetime | None, upto: datetime, borders: Sequence[datetime] = ()
) -> Iterator[tuple[datetime, datetime]]:
    """Half-open slices from `begin` to `upto`, cut at each full UTC hour and where the price changes."""
    while begin is not None and begin < upto:
        full_hour = begin.replace(minute=0, second=0, microsecond=0) + HOUR
        until = min(full_hour, upto, *(border for border in borders if border > begin))
        yield begin, until
        begin = until


def _charge(meter: Meter, begin: datetime, until: datetime, *, now: datetime) -> None:
    """Write what is due to date less what was charged so far; nothing where that is nothing."""
    meter.metered_until = until
    due = Sums.of(read(meter, at=until))
    used = due - Sums.charged(meter)
    if used == Sums():
        return
    rate = price_at(prices_of(meter), begin)
    Usage.objects.create(
        lease=meter.lease, from_at=begin, until_at=until, micros_per_node_hour=rate, nodes=meter.nodes, **used.fields
    )
    kind = PostingKind.USAGE if used.micros > 0 else PostingKind.CORRECTION
    what = f"{used.seconds:,} s of {nodes_of(meter.nodes, meter.lease.offer.pool.node_type.name)}"
    _post(meter, kind, used, what, key=f"usage:{meter.lease.public_id}:{stamp(begin)}", now=now)
    due.write(meter)


def _settle(meter: Meter, *, upto: datetime, key: str, now: datetime) -> None:
    """
    Write what the time before `upto` costs by all that is known now, less what was charged for it: a correction for
    each row of use that this changes, and one posting. Where there is no such row the next slice has it all.

    A running lease's corrections are dated where its next slice begins, others now: in a month that has no invoice.
    """
    due = Sums.of(read(meter, at=upto))
    changed = due - Sums.charged(meter)
    if changed == Sums():
        return
    rows = list(_corrections(meter, upto=upto))
    Usage.objects.bulk_create(rows)
    if rows:
        nodes = nodes_of(meter.nodes, meter.lease.offer.pool.node_type.name)
        what = f"correction of {changed.seconds:,} s of {nodes}" if changed.seconds else f"correction for {nodes}"
        _post(meter, PostingKind.CORRECTION, changed, what, key=key, now=now)
        due.write(meter)


def _corrections(meter: Meter, *, upto: datetime) -> Iterator[Usage]:
    """For each row of use, what its time costs by all that is known now, less the row and its earlier corrections."""
    rows, charged = Usage.objects.filter(lease=meter.lease).order_by("from_at", "pk"), defaultdict[int, Sums](Sums)
    for row in rows:
        charged[row.corrects_id or row.pk] += Sums(row.seconds, row.outage_node_seconds, row.micros)
    uses, before = [row for row in rows if row.kind == UsageKind.USE], Sums()
    for use, until in zip(uses, [*(later.from_at for later in uses[1:]), upto], strict=True):
        due = Sums.of(read(meter, at=until))
        changed, before = due - before - charged[use.pk], due
        if changed != Sums():
            yield Usage(
                lease=meter.lease,
                kind=UsageKind.CORRECTION,
                corrects=use,
                from_at=upto,
                until_at=upto,
                micros_per_node_hour=use.micros_per_node_hour,
                nodes=use.nodes,
                **changed.fields,
            )


def _post(meter: Meter, kind: PostingKind, sums: Sums, what: str, *, key: str, now: datetime) -> None:
    less = f", less {counted(sums.outage_node_seconds, 'node-second')} of outage" if sums.outage_node_seconds else ""
    if sums.micros:
        operations.post(
            organization=meter.lease.organization,
            kind=kind,
            key=key,
            at=now,
            amounts={AccountKind.WALLET: -sums.micros, AccountKind.REVENUE: sums.micros},
            lease=meter.lease,
            memo=f"{meter.lease.name}: {what}{less}"[:200],
        )
