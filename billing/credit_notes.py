"""
Credit notes: staff take back a part of an invoice, on a paper of its own. The invoice stays as it was issued. Staff
ask by `billing.by_hand`, where a large one needs a second person.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts.operations import record
from billing import calculating, operations
from billing.models import AccountKind, CreditNote, CreditNoteLine, Invoice, InvoiceCounter, PostingKind
from billing.queries.receivables import creditable_cents
from marketplace.money import MICROS_PER_CENT, format_cents

SERIES = "GC"  # a series of its own, without gaps


class BadCredit(Exception):
    """No line is named, or one that is not on the invoice, or more than is left of it."""


@transaction.atomic
def credit(*, invoice: Invoice, cents_by_line: Mapping[int, int], reason: str, actor: str, now: datetime) -> CreditNote:
    """
    Take back so many net cents of each line (by its key), with the tax on them; the wallet gets it.

    :raises BadCredit: if it is nothing, or more than is left of a line
    """
    operations.lock_wallet(organization=invoice.organization)
    net, tax = amounts(invoice=invoice, cents_by_line=cents_by_line)
    note = CreditNote.objects.create(
        organization=invoice.organization,
        invoice=invoice,
        number=_number(now),
        issued_at=now,
        issued_by=actor,
        reason=reason,
        total_cents=net + tax,
        tax_cents=tax,
    )
    CreditNoteLine.objects.bulk_create(
        CreditNoteLine(credit_note=note, line_id=line, cents=cents) for line, cents in sorted(cents_by_line.items())
    )
    _post(note)
    calculating.take_back(note=note, now=now)
    _tell(note)
    return note


def amounts(*, invoice: Invoice, cents_by_line: Mapping[int, int]) -> tuple[int, int]:
    """
    The net cents of such a note and the tax on them.

    :raises BadCredit: as `credit`
    """
    _check(invoice, cents_by_line)
    net = sum(cents_by_line.values())
    return net, _tax(invoice, net)


def _check(invoice: Invoice, cents_by_line: Mapping[int, int]) -> None:
    left = creditable_cents(invoice)
    if not cents_by_line:
        raise BadCredit("Say for at least one line how much is credited.")
    for line, cents in cents_by_line.items():
        if line not in left:
            raise BadCredit("A line is named that is no charge on this invoice.")
        if not 1 <= cents <= left[line]:
            raise BadCredit(f"At most {format_cents(left[line])} is left to credit on this line, and at least $0.01.")


def _tax(invoice: Invoice, net: int) -> int:
    """What the notes so far and this one take back of the invoice's tax together, less what they have; never more."""
    notes = CreditNote.objects.filter(invoice=invoice)
    taxed, credited = sum(note.tax_cents for note in notes), sum(note.net_cents for note in notes) + net
    if not invoice.tax_cents:
        return 0
    whole = invoice.net_cents
    return min(invoice.tax_cents, (2 * credited * invoice.tax_cents + whole) // (2 * whole)) - taxed


def _number(now: datetime) -> str:
    """The next one. Its counter is locked until the note is committed."""
    InvoiceCounter.objects.bulk_create([InvoiceCounter(series=SERIES)], ignore_conflicts=True)
    counter = InvoiceCounter.objects.select_for_update().get(series=SERIES)
    counter.last, counter.at = counter.last + 1, now
    counter.save(update_fields=["last", "at"])
    return f"{SERIES}-{counter.last:06d}"


def _post(note: CreditNote) -> None:
    amounts = {
        AccountKind.REVENUE: -note.net_cents * MICROS_PER_CENT,
        AccountKind.TAXES: -note.tax_cents * MICROS_PER_CENT,
        AccountKind.WALLET: note.total_cents * MICROS_PER_CENT,
    }
    operations.post(
        organization=note.organization,
        kind=PostingKind.CREDIT_NOTE,
        key=f"credit_note:{note.public_id}",
        at=note.issued_at,
        amounts={kind: micros for kind, micros in amounts.items() if micros},
        memo=f"{note.number} for {note.invoice.number}",
    )


def _tell(note: CreditNote) -> None:
    record(
        organization=note.organization,
        kind="credit_note.issued",
        subject=note.public_id,
        actor=note.issued_by,
        at=note.issued_at,
        data={"number": note.number, "invoice": note.invoice.public_id, "total_cents": note.total_cents},
        notice={
            "title": f"Credit note {note.number} for {note.invoice.number}",
            "text": f"{format_cents(note.total_cents)} was credited to your wallet. Reason: {note.reason}",
            "path": f"/invoices/{note.invoice.public_id}/",
        },
    )
