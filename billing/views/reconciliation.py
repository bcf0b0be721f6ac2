"""Staff's page of our ledger beside the card processor's account: the days, what differs, and why it did."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may_operate, staff_of
from accounts.clock import now
from accounts.views import operator_allowed
from billing import incidents, reconciling
from billing.access import MAY_EXPLAIN, MAY_RECONCILE
from billing.forms.money import Explanation
from billing.models import Discrepancy, IncidentKind, Reconciliation
from billing.queries import reconciled

DAYS_SHOWN, EXPLAINED_SHOWN = 31, 20


@operator_allowed(MAY_RECONCILE)
def reconciliation(request: HttpRequest) -> HttpResponse:
    """What holds up the work with the processor, what is open, the last days, and what was closed."""
    closed = Discrepancy.objects.exclude(gone_at=None, explained_at=None)
    context = {
        "incidents": [(row, incidents.WAY_OUT[IncidentKind(row.kind)]) for row in incidents.open_incidents()],
        "open": reconciled.open_discrepancies(),
        "days": Reconciliation.objects.order_by("-day")[:DAYS_SHOWN],
        "closed": closed.select_related("organization", "explained_by")[:EXPLAINED_SHOWN],
        "may_explain": may_operate(request.user, MAY_EXPLAIN),
    }
    return render(request, "billing/reconciliation.html", context)


@operator_allowed(MAY_EXPLAIN)
def discrepancy(request: HttpRequest, id: str) -> HttpResponse:
    """One difference, and the reason with which it is closed."""
    found = get_object_or_404(Discrepancy.objects.select_related("organization"), public_id=id)
    form = Explanation(request.POST or None)
    if form.is_valid():
        try:
            reason = form.cleaned_data["reason"]
            reconciling.explain(discrepancy=found, user=staff_of(request), reason=reason, now=now())
        except reconciling.NotOpen as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"{found.source} is explained.")
        return redirect("reconciliation")
    return render(request, "billing/discrepancy.html", {"found": found, "form": form})
