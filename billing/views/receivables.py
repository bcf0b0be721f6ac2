"""Staff's pages of what customers owe: by age, one invoice with what happened to it, and months that look wrong."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may_operate, operator_of, staff_of
from accounts.clock import now
from accounts.views import operator_allowed
from billing import by_hand, credit_notes, invoicing, printing, receivables
from billing.access import MAY_CREDIT, MAY_LOOK, MAY_RECORD, MAY_RELEASE, MAY_WRITE_OFF
from billing.forms.papers import Credit, Reason, Transfer
from billing.models import Adjustment, Invoice, ParkedMonth
from billing.queries.adjustments import waiting_for
from billing.queries.receivables import (
    aging,
    notes_of,
    papers_to_print,
    receivable_of,
    set_offs_of,
    still_open,
    transfers_of,
)
from billing.views.adjustments import WAITS


@operator_allowed(MAY_LOOK)
def receivable_list(request: HttpRequest) -> HttpResponse:
    """Who owes what, and since when."""
    today, rows = now().date(), still_open(Invoice.objects.all())
    context = {
        "rows": [(row, row.state(today), row.days_late(today)) for row in rows],
        "ages": aging(rows, today=today),
        "may_record": may_operate(request.user, MAY_RECORD),
    }
    return render(request, "billing/receivables.html", context)


@operator_allowed(MAY_RECORD)
def transfer_new(request: HttpRequest) -> HttpResponse:
    """What came to our bank."""
    form = Transfer(request.POST or None, initial=request.GET.dict())
    if form.is_valid():
        said = {name: form.cleaned_data[name] for name in ("organization", "reference", "received_at", "invoice")}
        try:
            made = by_hand.record_transfer(**said, amount_cents=form.cents(), by=staff_of(request), now=now())
        except receivables.BadTransfer as refused:
            form.add_error(refused.field.removesuffix("_cents"), str(refused))
        else:
            done = f"The transfer {made} is recorded."
            messages.success(request, WAITS if isinstance(made, Adjustment) else done)
            return redirect("receivables")
    context = {"form": form, "limit_cents": settings.ADJUSTMENT_LIMIT_CENTS}
    return render(request, "billing/transfer_new.html", context)


@operator_allowed(MAY_LOOK)
def receivable(request: HttpRequest, id: str) -> HttpResponse:
    """One invoice: what was paid and credited, and what staff may do about the rest."""
    invoice = get_object_or_404(papers_to_print(), public_id=id)
    owed = receivable_of(invoice)
    context = {
        "invoice": invoice,
        "lines": invoice.lines.all(),
        "owed": owed,
        "state": owed.state(now().date()) if owed else "",
        "applied": transfers_of(invoice),
        "set_offs": set_offs_of(invoice),
        "notes": notes_of(invoice),
        "waiting": waiting_for(invoice),
        "may_record": may_operate(request.user, MAY_RECORD),
        "may_credit": may_operate(request.user, MAY_CREDIT),
        "may_write_off": may_operate(request.user, MAY_WRITE_OFF),
    }
    return render(request, "billing/receivable.html", context)


@operator_allowed(MAY_LOOK)
def receivable_pdf(request: HttpRequest, id: str) -> HttpResponse:
    """The invoice as its customer files it; made now."""
    invoice = get_object_or_404(papers_to_print(), public_id=id)
    return printing.download(invoice.number, printing.invoice_pdf(invoice))


@operator_allowed(MAY_CREDIT)
def credit(request: HttpRequest, id: str) -> HttpResponse:
    """Take back a part of an invoice."""
    invoice = get_object_or_404(Invoice.objects.select_related("organization"), public_id=id)
    form = Credit(request.POST or None, invoice=invoice)
    if form.is_valid():
        try:
            made = by_hand.credit(
                invoice=invoice,
                cents_by_line=form.cents_by_line(),
                reason=form.cleaned_data["reason"],
                by=staff_of(request),
                now=now(),
            )
        except credit_notes.BadCredit as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, WAITS if isinstance(made, Adjustment) else f"Credit note {made} is issued.")
            return redirect("receivable", id=id)
    context = {"form": form, "invoice": invoice, "limit_cents": settings.ADJUSTMENT_LIMIT_CENTS}
    return render(request, "billing/credit.html", context)


@operator_allowed(MAY_WRITE_OFF)
def write_off(request: HttpRequest, id: str) -> HttpResponse:
    """Give up what is open of an invoice."""
    invoice = get_object_or_404(Invoice.objects.select_related("organization"), public_id=id)
    form = Reason(request.POST or None)
    try:
        receivables.open_cents(invoice=invoice)
        if form.is_valid():
            made = by_hand.write_off(
                invoice=invoice, reason=form.cleaned_data["reason"], by=staff_of(request), now=now()
            )
            done = f"What was open of {invoice} is written off."
            messages.success(request, WAITS if isinstance(made, Adjustment) else done)
            return redirect("receivable", id=id)
    except receivables.NothingOwed as refused:
        messages.error(request, str(refused))
        return redirect("receivable", id=id)
    context = {"form": form, "invoice": invoice, "owed": receivable_of(invoice)}
    context["limit_cents"] = settings.ADJUSTMENT_LIMIT_CENTS
    return render(request, "billing/write_off.html", context)


@operator_allowed(MAY_RELEASE)
def parked_list(request: HttpRequest) -> HttpResponse:
    """Months that were not closed, for they look wrong."""
    rows = ParkedMonth.objects.select_related("organization").filter(released_at=None)
    return render(request, "billing/parked_months.html", {"rows": rows})


@operator_allowed(MAY_RELEASE)
def parked_release(request: HttpRequest, id: str) -> HttpResponse:
    """Let one be closed as it stands."""
    parked = get_object_or_404(ParkedMonth.objects.select_related("organization"), public_id=id)
    form = Reason(request.POST or None)
    if form.is_valid():
        try:
            invoicing.release(parked=parked, reason=form.cleaned_data["reason"], actor=operator_of(request), now=now())
        except invoicing.AlreadyReleased as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"{parked} is released. The next sweep closes it.")
        return redirect("parked_months")
    return render(request, "billing/parked_month.html", {"form": form, "parked": parked})
