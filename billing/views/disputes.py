"""Staff's pages of disputed payments: until when to answer, and whether the customer may order meanwhile."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.access import may_operate
from accounts.clock import now
from accounts.views import operator_allowed
from billing import suspending
from billing.access import MAY_DECIDE, MAY_SEE_DISPUTES
from billing.models import FraudWarning
from billing.queries.disputes import closed_disputes, disputes, money_of, open_disputes

SHOWN = 20


@operator_allowed(MAY_SEE_DISPUTES)
def dispute_list(request: HttpRequest) -> HttpResponse:
    """Those that are open, the nearest date for an answer first; those that were closed; and the banks' warnings."""
    warnings = FraudWarning.objects.select_related("organization__billing_account", "payment", "card_invoice")[:SHOWN]
    context = {
        "open": open_disputes(),
        "closed": closed_disputes()[:SHOWN],
        "warnings": warnings,
        "may_suspend": may_operate(request.user, MAY_DECIDE),
        "now": now(),
    }
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
        "now": now(),
    }
    return render(request, "billing/dispute.html", context)
