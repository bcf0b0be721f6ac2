"""What customers who pay by transfer owe on which invoice, and since when. States follow from what was paid."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Concat

from billing.models import (
    Applied,
    BankTransfer,
    BillingMode,
    CreditNote,
    Invoice,
    InvoiceLine,
    Posting,
    SetOff,
    WriteOff,
)


class PaperState(StrEnum):
    """How far an invoice by transfer is."""

    OPEN = "open"
    OVERDUE = "overdue"
    PAID = "paid"
    WRITTEN_OFF = "written_off"


# Whole days behind the due date: less than so many.
AGES = ((1, "not due"), (31, "1 to 30 days late"), (61, "31 to 60 days late"), (91, "61 to 90 days late"))
OLDEST = "over 90 days late"


@dataclass(frozen=True)
class Receivable:
    """An invoice by transfer, and what has become of its amount; all in cents."""

    invoice: Invoice
    paid_cents: int  # by transfers
    credited_cents: int
    written_off_cents: int
    from_wallet_cents: int  # money and credit that was there

    @property
    def open_cents(self) -> int:
        """What is still to come. Notes on a paid invoice make the wallet larger, not this less than nothing."""
        settled = self.paid_cents + self.credited_cents + self.written_off_cents + self.from_wallet_cents
        return max(0, self.invoice.total_cents - settled)

    def days_late(self, today: date) -> int:
        """Whole days behind the due date; 0 or less while it is in time."""
        return (today - self.due_on).days

    @property
    def due_on(self) -> date:
        """The last day in time, UTC."""
        assert self.invoice.due_on  # the database has one for each invoice by transfer
        return self.invoice.due_on

    def state(self, today: date) -> PaperState:
        """How far it is on that UTC day."""
        if not self.open_cents:
            return PaperState.WRITTEN_OFF if self.written_off_cents else PaperState.PAID
        return PaperState.OVERDUE if self.days_late(today) > 0 else PaperState.OPEN


def receivables(invoices: QuerySet[Invoice]) -> list[Receivable]:
    """Those of `invoices` that are paid by transfer, the earliest due first."""
    rows = (
        _with_settled(invoices)
        .filter(mode=BillingMode.INVOICED)
        .select_related("organization")
        .order_by("due_on", "id")
    )
    return [Receivable(row, row.paid, row.noted, row.gone, row.wallet) for row in rows]


def still_open(invoices: QuerySet[Invoice]) -> list[Receivable]:
    """Those of `invoices` with something to come, the earliest due first; no settled one is read."""
    return [owed for owed in receivables(invoices.filter(outstanding__isnull=False)) if owed.open_cents]


def receivable_of(invoice: Invoice) -> Receivable | None:
    """One invoice; None if it is not paid by transfer."""
    return next(iter(receivables(Invoice.objects.filter(pk=invoice.pk))), None)


def unapplied_cents(transfer: BankTransfer) -> int:
    """What of a transfer paid no invoice, and is in the wallet for others."""
    return transfer.amount_cents - (transfer.applied.aggregate(sum=Sum("cents"))["sum"] or 0)


def creditable_cents(invoice: Invoice) -> dict[int, int]:
    """Net cents that may still be credited, by the key of the line; fees and use only, for a credit is no charge."""
    lines = InvoiceLine.objects.filter(invoice=invoice, cents__gt=0)
    rows = lines.annotate(taken=Coalesce(Sum("credited__cents"), 0, output_field=BigIntegerField()))
    return {row.pk: row.cents - row.taken for row in rows}


def aging(rows: Iterable[Receivable], *, today: date) -> list[tuple[str, int]]:
    """Open cents by how late they are, from "not due" on."""
    sums = dict.fromkeys([*(name for _, name in AGES), OLDEST], 0)
    for row in rows:
        late = row.days_late(today)
        name = next((name for before, name in AGES if late < before), OLDEST)
        sums[name] += row.open_cents
    return list(sums.items())


def _with_settled(invoices: QuerySet[Invoice]) -> QuerySet[Any]:
    return invoices.annotate(
        paid=_sum(Applied.objects.filter(invoice=OuterRef("pk")), "cents"),
        noted=_sum(CreditNote.objects.filter(invoice=OuterRef("pk")), "total_cents"),
        gone=_sum(WriteOff.objects.filter(invoice=OuterRef("pk")), "cents"),
        wallet=_sum(SetOff.objects.filter(invoice=OuterRef("pk")), "cents"),
    )


def _sum(rows: QuerySet[Any], column: str) -> Coalesce:
    total = rows.order_by().values("invoice").annotate(sum=Sum(column)).values("sum")
    return Coalesce(Subquery(total), Value(0), output_field=BigIntegerField())


def transfers_of(invoice: Invoice) -> QuerySet[Applied]:
    """What has paid an invoice, the newest first."""
    key = Concat(Value("transfer:"), OuterRef("transfer__reference"))
    found = Applied.objects.filter(invoice=invoice).annotate(movement=_movement(key))
    return found.select_related("transfer").order_by("-at", "-id")


def notes_of(invoice: Invoice) -> QuerySet[CreditNote]:
    """What was credited of an invoice, the newest first."""
    key = Concat(Value("credit_note:"), OuterRef("public_id"))
    return CreditNote.objects.filter(invoice=invoice).annotate(movement=_movement(key)).order_by("-id")


def set_offs_of(invoice: Invoice) -> QuerySet[SetOff]:
    """What the wallet paid of an invoice and took back, the newest first."""
    return SetOff.objects.filter(invoice=invoice).order_by("-id")


def written_off_by(invoice: Invoice) -> Posting | None:
    """The movement that wrote off what is no longer expected of it."""
    return Posting.objects.filter(key=f"write_off:{invoice.public_id}").first()


def _movement(key: Concat) -> Subquery:
    """The public id of the movement of a fact."""
    return Subquery(Posting.objects.filter(key=key).values("public_id")[:1])


def papers_to_print() -> QuerySet[Invoice]:
    """Invoices with all that their PDF says."""
    return Invoice.objects.select_related("organization").prefetch_related("lines__lease", "energy__lease", "set_offs")


def notes_to_print() -> QuerySet[CreditNote]:
    """Credit notes with all that their PDF says."""
    return CreditNote.objects.select_related("invoice").prefetch_related("lines__line__lease")
