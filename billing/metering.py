"""
Charges leases for what their transitions and outages say. Running it twice, late, or in other slices never changes a
total: each usage row is what is due to date, less what was charged before.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from billing import operations
from billing.models import AccountKind, Meter, PostingKind, Usage
from billing.queries import Reading, price_at, prices_of, read, readable
from billing.queries.meters import LAG, OVER
from leasing.models import Lease, Outage
from leasing.states import LeaseState

HOUR = timedelta(hours=1)
CHANGED = ["seconds", "outage_node_seconds", "charged_micros", "metered_until", "closed_at", "corrected_for"]
LATEST = timedelta(days=35)  # how long after an outage was written down a sweep still finds it


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
    where the price changed in it.
    """
    operations.lock_wallet(organization=lease.organization)
    Meter.objects.select_for_update().get(lease=lease)
    row = readable().get(lease=lease)
    if row.closed_at:
        return 0
    before, reading = row.charged_micros, read(row, at=upto)
    end = reading.spans[-1].until if reading.over and reading.spans else None
    borders = [price.since for price in prices_of(row)]
    for begin, until in slices(row.metered_until or first_active(reading), end or upto, borders):
        _charge(row, begin, until, read(row, at=until), key=_key(lease, begin), now=now)
        row.metered_until = until
    if reading.over:
        _close(row, end, now)
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
    Settle what became known of outages after the meter closed: by a usage row and a posting of today. The month in
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
    _charge(row, now, now, read(row, at=now), key=f"outage:{lease.public_id}:{_stamp(newest)}", now=now)
    row.corrected_for = newest
    row.save(update_fields=CHANGED)
    return row.charged_micros - before


def _key(lease: Lease, begin: datetime) -> str:
    return f"usage:{lease.public_id}:{_stamp(begin)}"


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


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


def _charge(meter: Meter, begin: datetime, until: datetime, reading: Reading, *, key: str, now: datetime) -> None:
    """Write what is due to date less what was charged so far; nothing where that is nothing."""
    seconds, micros = reading.seconds - meter.seconds, reading.due_micros - meter.charged_micros
    outage = reading.outage_seconds - meter.outage_node_seconds
    if not (seconds or outage or micros):
        return
    lease = meter.lease
    Usage.objects.create(
        lease=lease,
        from_at=begin,
        until_at=until,
        seconds=seconds,
        outage_node_seconds=outage,
        micros_per_node_hour=price_at(prices_of(meter), begin) if begin < until else reading.micros_per_node_hour,
        nodes=meter.nodes,
        micros=micros,
    )
    if micros:
        usage = micros > 0 and meter.closed_at is None
        operations.post(
            organization=lease.organization,
            kind=PostingKind.USAGE if usage else PostingKind.CORRECTION,
            key=key,
            at=now,
            amounts={AccountKind.WALLET: -micros, AccountKind.REVENUE: micros},
            lease=lease,
            memo=_memo(meter, seconds, outage)[:200],
        )
    meter.seconds, meter.outage_node_seconds = reading.seconds, reading.outage_seconds
    meter.charged_micros = reading.due_micros


def _memo(meter: Meter, seconds: int, outage: int) -> str:
    lease = meter.lease
    less = f", less {outage:,} node-seconds of outage" if outage else ""
    return f"{lease.name}: {seconds:,} s of {meter.nodes} × {lease.offer.pool.node_type.name}{less}"


def _close(meter: Meter, end: datetime | None, now: datetime) -> None:
    """Settle what a late transition changed behind the last slice, then close for good."""
    if end is not None and (begin := meter.metered_until) is not None:
        _charge(meter, begin, begin, read(meter, at=end), key=_key(meter.lease, begin), now=now)
    meter.closed_at = now
