"""Adjustments by staff."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Organization
from billing.models import (
    Adjustment,
    AdjustmentKind,
    AdjustmentState,
    BillingAccount,
    BillingMode,
    Invoice,
    InvoiceLine,
    TrustLevel,
)


@dataclass(frozen=True)
class Terms:
    """How somebody pays, how far it is trusted, and its credit."""

    mode: str
    trust: str
    credit_micros: int


@dataclass(frozen=True)
class Wanted:
    """
    What is asked for besides the amount: of a gift when it ends, of a credit note net cents of lines, of a credit raise
    the terms, those of today (once it is decided: those of before), and whether it may go without a card that works.
    """

    ends_at: datetime | None = None
    invoice: Invoice | None = None
    lines: list[tuple[InvoiceLine, int]] = field(default_factory=list)
    terms: Terms | None = None
    terms_before: Terms | None = None
    override: bool = False


def adjustments() -> QuerySet[Adjustment]:
    """All of them, with what staff sees of each, the newest first."""
    return Adjustment.objects.select_related("organization", "lease", "asked_by", "decided_by", "posting")


def waiting() -> QuerySet[Adjustment]:
    """Those that wait for a second person, the oldest first."""
    return adjustments().filter(state=AdjustmentState.WAITING).order_by("asked_at", "pk")


def waiting_for(invoice: Invoice) -> QuerySet[Adjustment]:
    """
    What waits for a second person that would settle some of an invoice, the oldest first: what is about it, and bank
    transfers of its customer, for one that names no invoice pays whatever is due.
    """
    moved = Q(kind=AdjustmentKind.TRANSFER, organization=invoice.organization)
    return waiting().filter(moved | Q(wanted__invoice=invoice.public_id))


def transfer_waits(organization: Organization, *, now: datetime) -> bool:
    """Whether money of it has come that only waits for a second person."""
    return transfers_waiting(now=now).filter(organization=organization).exists()


def transfers_waiting(*, now: datetime) -> QuerySet[Adjustment]:
    """Bank transfers that a second person may still decide on."""
    waiting = Adjustment.objects.filter(kind=AdjustmentKind.TRANSFER, state=AdjustmentState.WAITING)
    return waiting.filter(expires_at__gt=now)


def wanted(row: Adjustment) -> Wanted:
    """All that somebody who decides has to know of it."""
    if row.kind == AdjustmentKind.GIFT:
        ends = row.wanted["expires_at"]
        return Wanted(ends_at=datetime.fromisoformat(ends) if ends else None)
    if row.kind == AdjustmentKind.CREDIT_RAISE:
        waits, own = row.state == AdjustmentState.WAITING, BillingAccount.objects.filter(organization=row.organization)
        before = own.get().terms if waits else row.wanted.get("before")
        return Wanted(
            terms=_terms(row.wanted), terms_before=_terms(before) if before else None, override=row.wanted["override"]
        )
    if "invoice" not in row.wanted:
        return Wanted()
    invoice = Invoice.objects.get(public_id=row.wanted["invoice"])
    cents = row.wanted.get("lines", {})
    return Wanted(invoice=invoice, lines=[(line, cents[str(line.pk)]) for line in invoice.lines.filter(pk__in=cents)])


def _terms(said: Mapping[str, Any]) -> Terms:
    mode, trust = BillingMode(said["mode"]).label, TrustLevel(said["trust"]).label
    return Terms(mode=str(mode), trust=str(trust), credit_micros=said["credit_micros"])
