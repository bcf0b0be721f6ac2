"""
Ties three books out, each day and each month: what our ledger posted, what our rows say that the processor was told,
and what the processor says: its meter for days, its invoices for months. A difference is a row, open until all agree
again, and told to staff once. What came too late for its invoice is put on the next one.

Nothing is found to agree while an event of it is on its way: it may be counted a moment later, or never.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from accounts.models import Organization
from accounts.operations import record
from billing import exporting, operations, retelling, sweeping
from billing.models import (
    AccountKind,
    CardInvoice,
    Entry,
    Export,
    ExportWay,
    MeteredPrice,
    MeteredSubscription,
    TieOut,
)
from billing.payments import card_invoices, meters
from billing.payments.base import Gateway
from billing.payments.card_invoices import StatedLine
from billing.queries.months import start_of
from billing.queries.told import HOUR, hour_of, told_within
from marketplace.money import MICROS_PER_CENT, format_micros

DAY = timedelta(days=1)
DAYS_BACK = 35  # in which the processor still counts
SETTLED = timedelta(hours=2)  # after a day, until its last hour is told and counted
PATIENCE = timedelta(days=2)  # by then the processor has answered, or has forgotten for certain (exporting.CERTAIN)
ACTOR = "system:billing"


@dataclass(frozen=True)
class Books:
    """
    The same money by the ledger, by our rows, and by the processor, micro-dollars. `certain`: nothing of it is on its
    way, so that these will not move any more.
    """

    posted: int
    exported: int
    told: int
    counted: int
    certain: bool
    allowed: int = 0

    @property
    def match(self) -> bool:
        """Whether all agree for good, but for what rounding allows."""
        return self.certain and self.posted == self.exported and abs(self.told - self.counted) <= self.allowed


def tie_out(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """
    Compare what was not compared yet or did not agree. Returns what went wrong, by organization; none stops the rest.
    """
    sweep = sweeping.Sweep(now=now, seconds=sweeping.LONG_SECONDS)
    rows = MeteredSubscription.objects.filter(reference__isnull=False).select_related("organization__billing_account")
    sweep.each(
        sweeping.shuffled(rows),
        lambda row: _tie(row, gateway, sweep),
        name=attrgetter("organization.public_id"),
    )
    return sweep.failures


def _tie(subscription: MeteredSubscription, gateway: Gateway, sweep: sweeping.Sweep) -> None:
    for day in sweep.while_on(days_due(subscription, now=sweep.now())):
        compare_day(subscription=subscription, day=day, gateway=gateway, now=sweep.now())
    for invoice in sweep.while_on(invoices_due(subscription.organization)):
        compare_month(invoice=invoice, gateway=gateway, now=sweep.now())


def days_due(subscription: MeteredSubscription, *, now: datetime) -> list[date]:
    """Days that are over and were not found to agree, from its start to its end, the oldest first."""
    assert subscription.started_at is not None
    last = min(now - SETTLED, subscription.ends_at or now).astimezone(UTC).date()
    first = max(subscription.started_at.astimezone(UTC).date(), last - DAYS_BACK * DAY)
    agreed = TieOut.objects.filter(
        organization=subscription.organization, span=TieOut.Span.DAY, differs_since=None, day__gte=first
    )
    known = set(agreed.values_list("day", flat=True))
    days = [first + n * DAY for n in range((last - first).days)]
    return [day for day in days if day not in known]


def invoices_due(organization: Organization) -> QuerySet[CardInvoice]:
    """Invoices of whole months that were not found to agree."""
    agreed = TieOut.objects.filter(organization=organization, span=TieOut.Span.MONTH, differs_since=None)
    started = Q(period_end__gt=organization.metered_subscription.started_at)
    months = CardInvoice.objects.filter(started, organization=organization).order_by("period_end")
    return months.exclude(period_start__date__in=agreed.values("day"))


def compare_day(*, subscription: MeteredSubscription, day: date, gateway: Gateway, now: datetime) -> TieOut | None:
    """One UTC day of postings and of the meter. None while it waits for what is on its way."""
    since, until = start_of(day), start_of(day) + DAY
    organization = subscription.organization
    counted = _counted(organization, since, until, gateway)
    with transaction.atomic():
        operations.lock_wallet(organization=organization)
        books = Books(
            posted=_posted(subscription, since, until),
            exported=_sum(organization, "micros", hour__gte=since, hour__lt=until),
            told=exporting.told_micros(organization, since=since, until=until),
            counted=counted,
            certain=not exporting.on_its_way(organization, since=since, until=until),
        )
        if books.match:
            retelling.believed(organization=organization, since=since, until=until)
        return None if _waits(books, until, now) else _write(organization, TieOut.Span.DAY, day, books, now)


def compare_month(*, invoice: CardInvoice, gateway: Gateway, now: datetime) -> TieOut | None:
    """
    One invoice, line by line: the meter's bills what was told for its period, and each item of ours its row. A cent for
    each line may be lost or won by rounding, and nothing else. None while it waits for what is on its way.

    What the meter has beyond the invoice came too late for it. It is billed only once the meter has all that was told:
    what it took and dropped again is told in another way (`billing.retelling`), and would be billed twice.
    """
    lines = card_invoices.lines(gateway, reference=invoice.reference)
    organization, begins = invoice.organization, hour_of(invoice.period_start)
    since, until = exporting.next_minute(invoice.period_start), exporting.next_minute(invoice.period_end)
    billed = sum(line.micros for line in lines if not line.export)
    counted = _counted(organization, since, until, gateway)
    with transaction.atomic():
        operations.lock_wallet(organization=organization)
        told = exporting.told_micros(organization, since=since, until=until)
        certain = told <= counted and not exporting.on_its_way(organization, since=since, until=until)
        if certain:
            _bill_late(invoice, told - billed, now)
        books = Books(
            posted=_posted(organization.metered_subscription, begins, invoice.period_end),
            exported=_sum(organization, "micros", hour__gte=begins, hour__lt=invoice.period_end),
            told=min(billed, told) + sum(_value(organization, line) for line in lines),
            counted=invoice.subtotal_cents * MICROS_PER_CENT,
            certain=certain,
            allowed=len(lines) * MICROS_PER_CENT,
        )
        day = invoice.period_start.date()
        return None if _waits(books, until, now) else _write(organization, TieOut.Span.MONTH, day, books, now)


def _counted(organization: Organization, since: datetime, until: datetime, gateway: Gateway) -> int:
    meter = MeteredPrice.objects.get(event_name=meters.EVENT_NAME).meter_reference
    customer = str(organization.billing_account.customer_reference)
    return meters.counted(gateway, meter=meter, customer=customer, since=since, until=until)


def _bill_late(invoice: CardInvoice, late: int, now: datetime) -> None:
    """Each amount once: less what was put on another invoice before. One that was refused there, staff have by hand."""
    organization, end = invoice.organization, invoice.period_end
    more = late - _sum(organization, "value_micros", way=ExportWay.MISSED, hour=end - HOUR)
    if more > 0:
        exporting.missed(organization=organization, month_end=end, micros=more, now=now)


def _waits(books: Books, until: datetime, now: datetime) -> bool:
    return not books.certain and now < until + PATIENCE


def _value(organization: Organization, line: StatedLine) -> int:
    row = Export.objects.filter(organization=organization, identifier=line.export).first()
    return row.value_micros if row else 0


def _posted(subscription: MeteredSubscription, since: datetime, until: datetime) -> int:
    """
    What the wallet lost in the hours between two moments by all but payments of invoices, while it was billed by the
    month: after what was told last, an organization that left pays in another way.
    """
    left = Q(posting__link__number__lte=subscription.exported_number) if subscription.ends_at else Q()
    moved = Entry.objects.filter(
        left,
        account__organization=subscription.organization,
        account__kind=AccountKind.WALLET,
        posting__link__number__gt=subscription.begun_number,
    ).exclude(posting__kind__in=exporting.UNTOLD)
    return -(told_within(moved, since=since, until=until).aggregate(micros=Sum("amount_micros"))["micros"] or 0)


def _sum(organization: Organization, field: str, **within: datetime | str) -> int:
    rows = Export.objects.filter(organization=organization, **within)
    return rows.aggregate(micros=Sum(field))["micros"] or 0


def _write(organization: Organization, span: TieOut.Span, day: date, books: Books, now: datetime) -> TieOut:
    known = TieOut.objects.filter(organization=organization, span=span, day=day).first()
    since = None if books.match else (known.differs_since if known and known.differs_since else now)
    row, _ = TieOut.objects.update_or_create(
        organization=organization,
        span=span,
        day=day,
        defaults={
            "posted_micros": books.posted,
            "exported_micros": books.exported,
            "told_micros": books.told,
            "counted_micros": books.counted,
            "allowed_micros": books.allowed,
            "checked_at": now,
            "differs_since": since,
        },
    )
    if since == now:
        _alarm(row, now, certain=books.certain)
    return row


def _alarm(row: TieOut, now: datetime, *, certain: bool) -> None:
    posted, told, counted = (
        format_micros(micros, places=6) for micros in (row.posted_micros, row.told_micros, row.counted_micros)
    )
    waits = "" if certain else f" For {PATIENCE.days} days some of it is on its way, or not in the meter."
    record(
        organization=None,
        kind="metered.difference",
        subject=row.organization.public_id,
        actor=ACTOR,
        at=now,
        data={"span": row.span, "day": f"{row.day}", "told_micros": row.told_micros, "counted": row.counted_micros},
        notice={
            "title": f"{row.organization}: the {row.span} of {row.day} does not tie out",
            "text": f"Posted {posted}, told to the processor {told}, there {counted}.{waits} Find out why before it is "
            "invoiced. This is told once; it closes by itself when all agree.",
            "path": "/operations/metered/",
        },
    )
