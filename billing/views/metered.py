"""Staff's pages of who pays later: who owes what, what does not tie out, and how one organization pays."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import staff_of
from accounts.clock import now
from accounts.models import Organization
from accounts.views import operator_allowed
from billing import by_hand, operations, paying, suspending
from billing.access import MAY_DECIDE, MAY_SEE
from billing.forms.metered import PaymentTerms
from billing.forms.staff import Which
from billing.models import Adjustment
from billing.queries.metered import differences, doubted, owing
from billing.views.adjustments import WAITS


@operator_allowed(MAY_SEE)
def metered_list(request: HttpRequest) -> HttpResponse:
    """What does not tie out, and everybody who pays later. Any other organization is chosen by its name."""
    form = Which(request.GET or None)
    if form.is_valid():
        return redirect("metered_organization", id=form.cleaned_data["organization"].public_id)
    context = {"differences": differences(), "doubted": doubted(), "owing": owing(now=now()), "form": form}
    return render(request, "billing/metered.html", context)


@operator_allowed(MAY_DECIDE)
def metered_organization(request: HttpRequest, id: str) -> HttpResponse:
    """How an organization pays, and how far it is trusted."""
    organization = get_object_or_404(Organization, public_id=id)
    account = operations.account_of(organization)
    form = PaymentTerms(request.POST or None, account=account)
    if form.is_valid():
        try:
            made = by_hand.decide(organization=organization, decision=form.decision(), by=staff_of(request), now=now())
        except paying.ChangeRefused as refused:
            form.add_error(refused.field, str(refused))
        else:
            done = f"{organization.name} pays as decided."
            messages.success(request, WAITS if isinstance(made, Adjustment) else done)
            return redirect("metered")
    context = {
        "organization": organization,
        "suspended": suspending.suspension(organization),
        "form": form,
        "limit_cents": settings.ADJUSTMENT_LIMIT_CENTS,
    }
    return render(request, "billing/metered_organization.html", context)
