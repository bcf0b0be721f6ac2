"""
What follows when the card processor has worked out the tax on a month that we invoice (`billing.invoicing.asking` asks
it), and when it has taken note of the tax on an invoice or a credit note.

A calculation changes nothing there, so it may be made any number of times. Notes are taken under the number of the
paper, once: whoever does not know whether one was taken asks again, and is told so.
"""

from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from accounts.operations import record
from billing import invoicing, locating, operations
from billing.models import CallKind, CallState, CreditNote, GatewayCall, Invoice, ParkedMonth, TaxCalculation
from billing.payments import taxes
from billing.payments.base import Call, Facts, Gateway, GatewayRefused
from billing.payments.card_invoices import UNTAXED

ACTOR = "system:billing"
OPEN = (CallState.PENDING, CallState.UNCERTAIN)


def refused(*, now: datetime) -> QuerySet[TaxCalculation]:
    """Calculations that were refused, of months that may still be invoiced: perhaps it is done on another day."""
    waiting = GatewayCall.objects.filter(
        organization=OuterRef("organization"), kind=CallKind.TAX_CALCULATION, state__in=OPEN
    )
    invoiced = Invoice.objects.filter(organization=OuterRef("organization"), period_start=OuterRef("period_start"))
    rows = TaxCalculation.objects.filter(~Exists(waiting), ~Exists(invoiced), answered_at=None)
    recent = rows.filter(period_start__gte=invoicing.past_months(now=now)[0])
    return recent.select_related("profile").order_by("pk") if settings.STRIPE_TAX else recent.none()


def ask(*, calculation: TaxCalculation, now: datetime) -> None:
    """Ask again, once a day."""
    operations.ask_all([invoicing.question(calculation=calculation, now=now)])


def answered(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The tax is known."""
    said = taxes.calculated(facts)
    _answer(_about(call), said, now)


def not_located(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """The processor does not find the address: the month is invoiced without tax, and both sides are told."""
    calculation = _about(call)
    _answer(calculation, taxes.Calculated("", 0, UNTAXED), now)
    locating.lost(profile=calculation.profile, why=refusal.message, now=now)


def ask_anew(gateway: Gateway, call: GatewayCall) -> Facts:
    """The same under another key: the first one's answer may be lost, or be an error for ever."""
    return gateway.send(Call(call.path, call.body), key=f"{call.public_id}:{call.attempts}")


def find(gateway: Gateway, call: GatewayCall) -> Facts:
    """A note that may have been taken. Which it is the processor does not say of one that was."""
    try:
        return ask_anew(gateway, call)
    except GatewayRefused as refusal:
        if refusal.code != taxes.KNOWN_ALREADY:
            raise
        return {"id": ""}


def recorded(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The tax on an invoice is in the processor's reports; what was credited since follows."""
    TaxCalculation.objects.filter(public_id=call.subject, recorded_at=None).update(
        recorded_at=now, transaction=facts["id"]
    )
    for note in CreditNote.objects.filter(invoice__tax_calculation__public_id=call.subject).order_by("pk"):
        take_back(note=note, now=now)


def take_back(*, note: CreditNote, now: datetime) -> None:
    """Have a credit note in the reports too, once its invoice is. Under the wallet's lock."""
    calculation = TaxCalculation.objects.filter(invoice=note.invoice_id, recorded_at__isnull=False).first()
    if calculation is None:
        return
    if not calculation.transaction:
        _tell(note, now)
        return
    call = taxes.reversal(transaction=calculation.transaction, reference=note.number, gross_cents=note.total_cents)
    operations.ask(
        organization=note.organization, kind=CallKind.TAX_REVERSAL, subject=note.public_id, call=call, now=now
    )


def taken_back(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The note is in the reports: its call says so."""


def _about(call: GatewayCall) -> TaxCalculation:
    subject = call.subject.partition(":")[0]
    return TaxCalculation.objects.select_related("profile__organization").get(public_id=subject)


def _answer(calculation: TaxCalculation, said: taxes.Calculated, now: datetime) -> None:
    """Once. What was parked for want of it goes on."""
    changed = TaxCalculation.objects.filter(pk=calculation.pk, answered_at=None).update(
        answered_at=now, tax_cents=said.tax_cents, note=said.note, reference=said.reference
    )
    parked = ParkedMonth.objects.filter(
        organization=calculation.organization_id,
        period_start=calculation.period_start,
        lacks_tax=True,
        released_at=None,
    ).first()
    if changed and parked:
        ParkedMonth.objects.filter(pk=parked.pk).update(lacks_tax=False)
        invoicing.release(parked=parked, reason="The card processor has answered.", actor=ACTOR, now=now)


def _tell(note: CreditNote, now: datetime) -> None:
    record(
        organization=None,
        kind="tax.not_taken_back",
        subject=note.public_id,
        actor=ACTOR,
        at=now,
        data={"number": note.number, "invoice": note.invoice.number, "total_cents": note.total_cents},
        notice={
            "title": f"Take the tax on {note.number} back at Stripe",
            "text": f"Stripe has the tax of {note.invoice.number} and did not say as which transaction. Reverse it "
            "there by hand, or its reports have too much.",
            "path": f"/admin/billing/creditnote/{note.pk}/change/",
        },
    )
