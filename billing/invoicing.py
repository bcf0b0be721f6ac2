"""Monthly invoices: one line for each lease, rounded to cents once, numbered without gaps."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

from django.db import transaction
from django.db.models import Q, Sum

from accounts.models import Organization
from accounts.operations import record
from billing import operations
from billing.models import Invoice, InvoiceCounter, InvoiceLine, Meter, Usage
from billing.queries import open_readings
from billing.queries.meters import LAG
from leasing.models import Lease
from marketplace.money import MICROS_PER_CENT, cents_of, format_micros

SERIES = "GL"
MONTHS_BACK = 3
ACTOR = "system:billing"


class PeriodNotReady(Exception):
    """The month is not over, or a lease is not metered to its end yet. Try again later."""


def month_of(moment: datetime) -> date:
    """The first day of the UTC month of a moment."""
    return moment.astimezone(UTC).date().replace(day=1)


def next_month(first: date) -> date:
    """The first day of the month after the one that begins on `first`."""
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def previous_month(first: date) -> date:
    """The first day of the month before the one that begins on `first`."""
    return date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)


def unclosed(*, now: datetime) -> list[tuple[Organization, date]]:
    """Organizations that used something in one of the last three months and have no invoice for it."""
    first, found = month_of(now), list[tuple[Organization, date]]()
    for _ in range(MONTHS_BACK):
        first = previous_month(first)
        used = Usage.objects.filter(_within(first)).values("lease__organization")
        rows = Organization.objects.filter(pk__in=used).exclude(invoices__period_start=first).order_by("pk")
        found[:0] = [(organization, first) for organization in rows]
    return found


@transaction.atomic
def close(*, organization: Organization, period: date, now: datetime) -> Invoice | None:
    """
    Issue the invoice of the UTC month that begins on `period`; closing it again returns the same one.

    Returns None if nothing was used in that month.

    :raises PeriodNotReady: if the month is not over or a lease is not metered to its end
    """
    operations.lock_wallet(organization=organization)
    issued = Invoice.objects.filter(organization=organization, period_start=period).first()
    if issued:
        return issued
    _check_ready(organization, period, now)
    lines = posted_lines(organization=organization, period=period)
    if not lines:
        return None
    invoice = Invoice.objects.create(
        organization=organization,
        number=_next_number(),
        period_start=period,
        period_end=next_month(period),
        issued_at=now,
        total_cents=sum(line.cents for line in lines),
    )
    InvoiceLine.objects.bulk_create([_of(line, invoice) for line in lines])
    _record(invoice, now)
    return invoice


def preview(*, organization: Organization, now: datetime) -> tuple[InvoiceLine, ...]:
    """The running month's lines if it ended at `now`, unsaved: posted usage and what is not posted yet."""
    lines = {line.lease_id: line for line in posted_lines(organization=organization, period=month_of(now))}
    for reading in open_readings(organization, at=now):
        seconds = reading.seconds - reading.meter.seconds
        if seconds:
            line = lines.setdefault(reading.meter.lease_id, _line(reading.meter.lease, reading.meter, 0, 0))
            lines[reading.meter.lease_id] = _line(
                line.lease, reading.meter, line.seconds + seconds, line.micros + reading.accrued_micros
            )
    return tuple(lines[key] for key in sorted(lines))


def posted_lines(*, organization: Organization, period: date) -> Sequence[InvoiceLine]:
    """Unsaved lines of a month, by lease in the order in which they were ordered."""
    usage = Usage.objects.filter(_within(period), lease__organization=organization)
    sums = usage.values("lease").annotate(seconds_sum=Sum("seconds"), micros_sum=Sum("micros")).order_by("lease")
    meters = Meter.objects.select_related("lease__offer__pool__node_type", "lease__offer__pool__site")
    by_lease = {meter.lease_id: meter for meter in meters.filter(lease__in=[row["lease"] for row in sums])}
    rows = [(by_lease[row["lease"]], row["seconds_sum"], row["micros_sum"]) for row in sums]
    return [_line(meter.lease, meter, seconds, micros) for meter, seconds, micros in rows]


def _within(period: date) -> Q:
    begin, end = (datetime.combine(day, time(), UTC) for day in (period, next_month(period)))
    return Q(from_at__gte=begin, from_at__lt=end)


def _check_ready(organization: Organization, period: date, now: datetime) -> None:
    end = datetime.combine(next_month(period), time(), UTC)
    if now < end + LAG:
        raise PeriodNotReady(f"{period:%B %Y} is not over.")
    open_meters = Meter.objects.filter(lease__organization=organization, closed_at=None)
    begun = open_meters.filter(lease__transitions__new="active", lease__transitions__at__lt=end)
    behind = begun.filter(Q(metered_until=None) | Q(metered_until__lt=end))
    if behind.exists():
        raise PeriodNotReady(f"A lease is not metered to the end of {period:%B %Y} yet.")


def _line(lease: Lease, meter: Meter, seconds: int, micros: int) -> InvoiceLine:
    pool = lease.offer.pool
    return InvoiceLine(
        lease=lease,
        description=f"{lease.name}: {meter.nodes} × {pool.node_type.name} in {pool.site.name}"[:200],
        seconds=seconds,
        nodes=meter.nodes,
        micros_per_node_hour=meter.micros_per_node_hour,
        micros=micros,
        cents=cents_of(micros),
    )


def _of(line: InvoiceLine, invoice: Invoice) -> InvoiceLine:
    line.invoice = invoice
    return line


def _next_number() -> str:
    """The next number of the series. Its row stays locked until the invoice is committed."""
    InvoiceCounter.objects.bulk_create([InvoiceCounter(series=SERIES)], ignore_conflicts=True)
    counter = InvoiceCounter.objects.select_for_update().get(series=SERIES)
    counter.last += 1
    counter.save(update_fields=["last"])
    return f"{SERIES}-{counter.last:06d}"


def _record(invoice: Invoice, now: datetime) -> None:
    total = format_micros(invoice.total_cents * MICROS_PER_CENT)
    record(
        organization=invoice.organization,
        kind="invoice.issued",
        subject=invoice.public_id,
        actor=ACTOR,
        at=now,
        data={"number": invoice.number, "total_cents": invoice.total_cents},
        notice={
            "title": f"Invoice {invoice.number} for {invoice.period_start:%B %Y}",
            "text": f"Your invoice of {total} for {invoice.period_start:%B %Y} is ready. It was paid from your wallet.",
            "path": f"/invoices/{invoice.public_id}/",
        },
    )
