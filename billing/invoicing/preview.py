"""The invoice of the running month, if it ended now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Organization
from billing.metering import first_active, slices
from billing.models import InvoiceLine
from billing.queries import Reading, open_readings, price_at, prices_of, read
from billing.queries.lines import lines_of
from billing.queries.months import month_of


@dataclass(frozen=True)
class Used:
    """What a lease used in a stretch of time."""

    seconds: int
    outage_node_seconds: int
    micros: int


def preview(*, organization: Organization, now: datetime) -> list[InvoiceLine]:
    """The running month's lines if it ended at `now`, unsaved: posted usage and what is not posted yet."""
    unposted = [row for reading in open_readings(organization, at=now) for row in _unposted_rows(reading)]
    return lines_of(organizations=[organization.pk], month=month_of(now), unposted=unposted)


def unposted(reading: Reading) -> Iterator[tuple[int, Used]]:
    """What the meter would charge if it were read now, slice by slice: the price of each, and the use."""
    meter, prices = reading.meter, prices_of(reading.meter)
    before = Used(meter.seconds, meter.outage_node_seconds, meter.charged_micros)
    begin = meter.metered_until or first_active(reading)
    for since, until in slices(begin, reading.at, [price.since for price in prices]):
        then = read(meter, at=until)
        used = Used(
            then.seconds - before.seconds,
            then.outage_seconds - before.outage_node_seconds,
            then.due_micros - before.micros,
        )
        before = Used(then.seconds, then.outage_seconds, then.due_micros)
        if used.seconds or used.outage_node_seconds:
            yield price_at(prices, since), used


def _unposted_rows(reading: Reading) -> Iterator[dict[str, int]]:
    lease = reading.meter.lease
    for micros_per_node_hour, used in unposted(reading):
        yield {
            "organization_id": lease.organization_id,
            "lease_id": lease.pk,
            "micros_per_node_hour": micros_per_node_hour,
            "seconds": used.seconds,
            "outage_node_seconds": used.outage_node_seconds,
            "micros": used.micros,
        }
