"""Papers: invoices by month, and the receipt of a lease. Made to be printed."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import invoicing, receipts
from billing.models import CardInvoice, Invoice
from leasing.queries import leases_of


@allowed("money:read")
def invoices(request: HttpRequest) -> HttpResponse:
    """Past months, and the running one as it stands."""
    own, moment = principal_of(request).organization, now()
    lines = invoicing.preview(organization=own, now=moment)
    context = {
        "invoices": Invoice.objects.filter(organization=own),
        "card_invoices": CardInvoice.objects.filter(organization=own).exclude(total_cents=0, due_cents=0),
        "lines": lines,
        "total_cents": sum(line.cents for line in lines),
        "month": invoicing.month_of(moment),
    }
    return render(request, "billing/invoices.html", context)


@allowed("money:read")
def invoice(request: HttpRequest, id: str) -> HttpResponse:
    """One month."""
    own = principal_of(request).organization
    found = get_object_or_404(
        Invoice.objects.select_related("organization").prefetch_related("lines__lease"), organization=own, public_id=id
    )
    return render(request, "billing/invoice.html", {"invoice": found})


@allowed("lease:read")
def receipt(request: HttpRequest, id: str) -> HttpResponse:
    """What a lease costs, and why."""
    own = principal_of(request).organization
    found = get_object_or_404(leases_of(own).filter(meter__isnull=False), public_id=id)
    paper = receipts.receipt(lease=found, now=now())
    return render(request, "billing/receipt.html", {"receipt": paper, "lease": found, "organization": own})
