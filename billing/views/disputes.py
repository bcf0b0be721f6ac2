"""Staff's pages of disputed payments: until when to answer, and whether the customer may order meanwhile."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may_operate, operator_of
from accounts.clock import now
from accounts.models import Organization
from accounts.views import operator_allowed
from billing import suspending
from billing.access import MAY_DECIDE, MAY_SEE_DISPUTES
from billing.forms.staff import Why
from billing.models import FraudWarning
from billing.queries.disputes import closed_disputes, disputes, money_of, open_disputes

SHOWN = 20


@operator_allowed(MAY_SEE_DISPUTES)
def dispute_list(request: HttpRequest) -> HttpResponse:
    """Those that are open, the nearest date for an answer first; those that were closed; and the banks' warnings."""
    warnings = FraudWarning.objects.select_related("organization", "payment", "card_invoice")[:SHOWN]
    context = {"open": open_disputes(), "closed": closed_disputes()[:SHOWN], "warnings": warnings, "now": now()}
    return render(request, "billing/disputes.html", context)


@operator_allowed(MAY_SEE_DISPUTES)
def dispute(request: HttpRequest, id: str) -> HttpResponse:
    """One of them, with the money that it moved."""
    found = get_object_or_404(disputes(), public_id=id)
    organization = found.organization
    context = {
        "dispute": found,
        "organization": organization,
        "postings": money_of(found),
        "account": suspending.suspension(organization),
        "may_suspend": may_operate(request.user, MAY_DECIDE),
        "form": Why(None),
        "now": now(),
    }
    return render(request, "billing/dispute.html", context)


@operator_allowed(MAY_DECIDE)
def suspension(request: HttpRequest, id: str) -> HttpResponse:
    """Suspend an organization, or let it order again."""
    organization = get_object_or_404(Organization, public_id=id)
    account = suspending.suspension(organization)
    form = Why(request.POST or None)
    if form.is_valid():
        why, who = form.cleaned_data["reason"], operator_of(request)
        if account:
            suspending.lift(organization=organization, note=why, actor=who, now=now())
            messages.success(request, f"{organization} can order again.")
        else:
            suspending.suspend(organization=organization, reason=why, actor=who, now=now())
            messages.success(request, f"{organization} is suspended.")
        return redirect("disputes")
    context = {"organization": organization, "account": account, "form": form}
    return render(request, "billing/suspension.html", context)
