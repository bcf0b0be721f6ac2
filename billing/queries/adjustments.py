"""Adjustments by staff."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from billing.models import Adjustment, AdjustmentKind, AdjustmentState, Invoice, InvoiceLine


@dataclass(frozen=True)
class Wanted:
    """What is asked for besides the amount: of a gift when it ends, of a credit note net cents of lines."""

    ends_at: datetime | None = None
    invoice: Invoice | None = None
    lines: list[tuple[InvoiceLine, int]] = field(default_factory=list)


def adjustments() -> QuerySet[Adjustment]:
    """All of them, with what staff sees of each, the newest first."""
    return Adjustment.objects.select_related("organization", "lease", "asked_by", "decided_by", "posting")


def waiting() -> QuerySet[Adjustment]:
    """Those that wait for a second person, the oldest first."""
    return adjustments().filter(state=AdjustmentState.WAITING).order_by("asked_at", "pk")


def waiting_for(invoice: Invoice) -> QuerySet[Adjustment]:
    """What waits for a second person that would credit or write off some of an invoice, the oldest first."""
    return waiting().filter(wanted__invoice=invoice.public_id)


def wanted(row: Adjustment) -> Wanted:
    """All that somebody who decides has to know of it."""
    if row.kind == AdjustmentKind.GIFT:
        ends = row.wanted["expires_at"]
        return Wanted(ends_at=datetime.fromisoformat(ends) if ends else None)
    if "invoice" not in row.wanted:
        return Wanted()
    invoice = Invoice.objects.get(public_id=row.wanted["invoice"])
    cents = row.wanted.get("lines", {})
    return Wanted(invoice=invoice, lines=[(line, cents[str(line.pk)]) for line in invoice.lines.filter(pk__in=cents)])
