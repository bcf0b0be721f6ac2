"""Charges leases for what their transitions say. Running it twice, late, or in other slices never changes a total."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from billing import operations
from billing.models import AccountKind, Meter, PostingKind, Usage
from billing.queries import Reading, read, readable
from billing.queries.meters import LAG, OVER
from leasing.models import Lease
from leasing.states import LeaseState

HOUR = timedelta(hours=1)


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

    Returns the micro-dollars charged by this call: one usage row and one posting for each UTC hour that had any.
    """
    operations.lock_wallet(organization=lease.organization)
    Meter.objects.select_for_update().get(lease=lease)
    row = readable().get(lease=lease)
    if row.closed_at:
        return 0
    before, reading = row.charged_micros, read(row, at=upto)
    end = reading.spans[-1].until if reading.over and reading.spans else None
    for begin, until in _slices(row.metered_until or _first(reading), end or upto):
        _charge(row, begin, until, read(row, at=until), now)
    if reading.over:
        _close(row, end, now)
    row.save(update_fields=["seconds", "charged_micros", "metered_until", "closed_at"])
    return row.charged_micros - before


def _first(reading: Reading) -> datetime | None:
    return reading.spans[0].since if reading.spans else None


def _slices(begin: datetime | None, upto: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Half-open slices from `begin` to `upto`, cut at each full UTC hour."""
    while begin is not None and begin < upto:
        until = min(begin.replace(minute=0, second=0, microsecond=0) + HOUR, upto)
        yield begin, until
        begin = until


def _charge(meter: Meter, begin: datetime, until: datetime, reading: Reading, now: datetime) -> None:
    """Write what is due to date less what was charged so far. A slice without use only moves the meter on."""
    seconds, micros = reading.seconds - meter.seconds, reading.due_micros - meter.charged_micros
    meter.metered_until = until
    if not seconds and not micros:
        return
    lease = meter.lease
    Usage.objects.create(
        lease=lease,
        from_at=begin,
        until_at=until,
        seconds=seconds,
        micros_per_node_hour=meter.micros_per_node_hour,
        nodes=meter.nodes,
        micros=micros,
    )
    if micros:
        operations.post(
            organization=lease.organization,
            kind=PostingKind.USAGE if micros > 0 else PostingKind.CORRECTION,
            key=f"usage:{lease.public_id}:{begin:%Y-%m-%dT%H:%M:%S.%fZ}",
            at=now,
            amounts={AccountKind.WALLET: -micros, AccountKind.REVENUE: micros},
            lease=lease,
            memo=f"{lease.name}: {seconds:,} s of {meter.nodes} × {lease.offer.pool.node_type.name}"[:200],
        )
    meter.seconds, meter.charged_micros = reading.seconds, reading.due_micros


def _close(meter: Meter, end: datetime | None, now: datetime) -> None:
    """Settle what a late transition changed behind the last slice, then close for good."""
    if end is not None and meter.metered_until is not None:
        _charge(meter, meter.metered_until, meter.metered_until, read(meter, at=end), now)
    meter.closed_at = now
