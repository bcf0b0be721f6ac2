"""Papers: invoices by month, and the receipt of a lease. Made to be printed."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import invoicing, operations, printing, receipts
from billing.forms.papers import Details
from billing.models import BillingMode, CardInvoice, Invoice
from billing.queries.energy import energy_in
from billing.queries.months import month_of
from billing.queries.receivables import (
    notes_of,
    notes_to_print,
    papers_to_print,
    receivable_of,
    receivables,
    set_offs_of,
    transfers_of,
    written_off_by,
)
from billing.queries.statements import movements
from billing.queries.statements import summed as summed_movements
from billing.queries.taxes import tax_at
from billing.serializers.energy import energy_file
from leasing.models import summed
from leasing.queries import leases_of


@allowed("money:read")
def invoices(request: HttpRequest) -> HttpResponse:
    """Past months, and the running one as it stands."""
    own, moment = principal_of(request).organization, now()
    lines = invoicing.preview(organization=own, now=moment)
    owed = {row.invoice.pk: row for row in receivables(Invoice.objects.filter(organization=own))}
    past = [(row, owed.get(row.pk)) for row in Invoice.objects.filter(organization=own)]
    context = {
        "invoices": [(row, one, one.state(moment.date()) if one else "") for row, one in past],
        "card_invoices": CardInvoice.objects.filter(organization=own).exclude(total_cents=0, due_cents=0),
        "may_write": may(principal_of(request), "money:write"),
        "lines": lines,
        "total_cents": sum(line.cents for line in lines),
        "month": month_of(moment),
        "tax": tax_at(organization=own, end=moment).rule,
        "energy": (energy := energy_in(own, month_of(moment))),
        "energy_total": summed(energy),
    }
    return render(request, "billing/invoices.html", context)


@allowed("money:read")
def invoice(request: HttpRequest, id: str) -> HttpResponse:
    """One month."""
    own = principal_of(request).organization
    found = get_object_or_404(papers_to_print(), organization=own, public_id=id)
    owed = receivable_of(found)
    context = {
        "invoice": found,
        "owed": owed,
        "state": owed.state(now().date()) if owed else "paid" if found.mode == BillingMode.PREPAID else "",
        "applied": transfers_of(found),
        "set_offs": set_offs_of(found),
        "notes": notes_of(found),
        "write_off": written_off_by(found),
        "energy": found.energy.all(),
        "energy_total": summed(found.energy.all()),
    }
    return render(request, "billing/invoice.html", context)


@allowed("money:read")
def invoice_energy_csv(request: HttpRequest, id: str) -> HttpResponse:
    """What the invoice's leases used, as CSV."""
    found = get_object_or_404(papers_to_print(), organization=principal_of(request).organization, public_id=id)
    return energy_file(found)


@allowed("money:read")
def invoice_pdf(request: HttpRequest, id: str) -> HttpResponse:
    """The invoice to file; made now."""
    found = get_object_or_404(papers_to_print(), organization=principal_of(request).organization, public_id=id)
    return printing.download(found.number, printing.invoice_pdf(found))


@allowed("money:read")
def credit_note_pdf(request: HttpRequest, id: str) -> HttpResponse:
    """The credit note to file; made now."""
    found = get_object_or_404(notes_to_print(), organization=principal_of(request).organization, public_id=id)
    return printing.download(found.number, printing.credit_note_pdf(found))


@allowed("money:write")
def details(request: HttpRequest) -> HttpResponse:
    """What invoices from now on carry: the customer's order number, name and address."""
    principal = principal_of(request)
    form = Details(request.POST or None, instance=operations.account_of(principal.organization))
    if form.is_valid():
        operations.set_details(
            organization=principal.organization, actor=principal.actor, now=now(), **form.cleaned_data
        )
        messages.success(request, "Invoices from now on carry this.")
        return redirect("invoices")
    return render(request, "billing/invoice_details.html", {"form": form})


@allowed("lease:read")
def receipt(request: HttpRequest, id: str) -> HttpResponse:
    """What a lease costs, and why."""
    own = principal_of(request).organization
    found = get_object_or_404(leases_of(own).filter(meter__isnull=False), public_id=id)
    paper = receipts.receipt(lease=found, now=now())
    moved = -summed_movements(movements(organization=own, lease=id)).net_micros
    context = {"receipt": paper, "lease": found, "organization": own, "posted": moved == paper.total_micros}
    return render(request, "billing/receipt.html", context)
