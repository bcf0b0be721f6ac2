"""
Monthly invoices: one line for each lease and price, and one each for fees and for each kind of credit; each rounded to
cents once; numbered without gaps.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from django.db import transaction
from django.db.models import Q, Sum

from accounts.models import Organization
from accounts.operations import record
from billing import operations
from billing.metering import first_active, slices
from billing.models import (
    AccountKind,
    Entry,
    Invoice,
    InvoiceCounter,
    InvoiceLine,
    LineKind,
    Meter,
    Posting,
    PostingKind,
    Usage,
)
from billing.queries import Reading, open_readings, price_at, prices_of, read
from billing.queries.meters import LAG
from billing.queries.months import month_of as month_of
from billing.queries.months import next_month as next_month
from billing.queries.months import previous_month as previous_month
from marketplace.money import MICROS_PER_CENT, cents_of, format_micros

SERIES = "GL"
MONTHS_BACK = 3
ACTOR = "system:billing"
# What is posted for a lease besides its use, with the line that it is shown on.
BESIDES = {
    PostingKind.EARLY_RETURN: LineKind.FEE,
    PostingKind.CANCELLATION: LineKind.FEE,
    PostingKind.RESALE_CREDIT: LineKind.CREDIT,
    PostingKind.PROMISE_CREDIT: LineKind.PROMISE,
    PostingKind.ADJUSTMENT: LineKind.ADJUST,
}


class PeriodNotReady(Exception):
    """The month is not over, or a lease is not metered to its end yet. Try again later."""


@dataclass(frozen=True)
class Used:
    """What a lease used in a stretch of time."""

    seconds: int
    outage_node_seconds: int
    micros: int

    def and_of(self, line: InvoiceLine) -> "Used":
        """Together with what a line says already."""
        return Used(
            self.seconds + line.seconds,
            self.outage_node_seconds + line.outage_node_seconds,
            self.micros + line.micros,
        )


def unclosed(*, now: datetime) -> list[tuple[Organization, date]]:
    """Organizations with use, fees or credits in one of the last three months that have no invoice for it."""
    first, found = month_of(now), list[tuple[Organization, date]]()
    for _ in range(MONTHS_BACK):
        first = previous_month(first)
        used = Q(pk__in=Usage.objects.filter(_within(first)).values("lease__organization"))
        besides = Posting.objects.filter(_within(first, "at"), kind__in=BESIDES, lease__isnull=False)
        rows = (
            Organization.objects.filter(used | Q(pk__in=besides.values("organization")))
            .exclude(invoices__period_start=first)
            .order_by("pk")
        )
        found[:0] = [(organization, first) for organization in rows]
    return found


@transaction.atomic
def close(*, organization: Organization, period: date, now: datetime) -> Invoice | None:
    """
    Issue the invoice of the UTC month that begins on `period`; closing it again returns the same one.

    Returns None if nothing was used, charged or credited in that month.

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
    posted = posted_lines(organization=organization, period=month_of(now))
    lines = {_place(line): line for line in posted}
    for reading in open_readings(organization, at=now):
        for micros_per_node_hour, used in unposted(reading):
            new = _line(reading.meter, micros_per_node_hour, used)
            before = lines.get(_place(new))
            lines[_place(new)] = _line(reading.meter, micros_per_node_hour, used.and_of(before)) if before else new
    return tuple(lines[place] for place in sorted(lines))


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


def posted_lines(*, organization: Organization, period: date) -> Sequence[InvoiceLine]:
    """Unsaved lines of a month, by lease in the order in which they were ordered, and by price."""
    usage = Usage.objects.filter(_within(period), lease__organization=organization)
    grouped = usage.values_list("lease", "micros_per_node_hour")
    used = list(grouped.annotate(Sum("seconds"), Sum("outage_node_seconds"), Sum("micros")))
    besides = _besides(organization, period)
    meters = Meter.objects.select_related("lease__offer__pool__node_type", "lease__offer__pool__site")
    leases = {row[0] for row in used} | {lease for lease, _ in besides}
    by_lease = {meter.lease_id: meter for meter in meters.filter(lease__in=leases)}
    lines = [_line(by_lease[lease], micros_per_node_hour, Used(*sums)) for lease, micros_per_node_hour, *sums in used]
    lines += [_fee_line(by_lease[lease], kind, micros) for (lease, kind), micros in besides.items()]
    return sorted(lines, key=_place)


def _besides(organization: Organization, period: date) -> dict[tuple[int, LineKind], int]:
    """Micro-dollars of fees, and of credits as less than nothing, by lease."""
    entries = Entry.objects.filter(
        _within(period, "posting__at"),
        posting__organization=organization,
        posting__kind__in=BESIDES,
        posting__lease__isnull=False,
        account__kind=AccountKind.WALLET,
    )
    found: dict[tuple[int, LineKind], int] = defaultdict(int)
    for lease, kind, moved in entries.values_list("posting__lease", "posting__kind", "amount_micros"):
        found[lease, BESIDES[PostingKind(kind)]] -= moved
    return found


def _place(line: InvoiceLine) -> tuple[int, int, int]:
    return line.lease_id, list(LineKind).index(LineKind(line.kind)), line.micros_per_node_hour


def _within(period: date, moment: str = "from_at") -> Q:
    begin, end = (datetime.combine(day, time(), UTC) for day in (period, next_month(period)))
    return Q((f"{moment}__gte", begin), (f"{moment}__lt", end))


def _check_ready(organization: Organization, period: date, now: datetime) -> None:
    end = datetime.combine(next_month(period), time(), UTC)
    if now < end + LAG:
        raise PeriodNotReady(f"{period:%B %Y} is not over.")
    open_meters = Meter.objects.filter(organization=organization, closed_at=None)
    begun = open_meters.filter(lease__transitions__new="active", lease__transitions__at__lt=end)
    behind = begun.filter(Q(metered_until=None) | Q(metered_until__lt=end))
    if behind.exists():
        raise PeriodNotReady(f"A lease is not metered to the end of {period:%B %Y} yet.")


def _line(meter: Meter, micros_per_node_hour: int, used: Used) -> InvoiceLine:
    lease, pool = meter.lease, meter.lease.offer.pool
    return InvoiceLine(
        lease=lease,
        description=f"{lease.name}: {meter.nodes} × {pool.node_type.name} in {pool.site.name}"[:200],
        seconds=used.seconds,
        outage_node_seconds=used.outage_node_seconds,
        nodes=meter.nodes,
        micros_per_node_hour=micros_per_node_hour,
        micros=used.micros,
        cents=cents_of(used.micros),
    )


def _fee_line(meter: Meter, kind: LineKind, micros: int) -> InvoiceLine:
    return InvoiceLine(
        lease=meter.lease,
        kind=kind,
        description=f"{meter.lease.name}: {kind.label}"[:200],
        seconds=0,
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
