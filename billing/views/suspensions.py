"""Staff's pages of who may not order: the list, and suspending an organization or letting it order again."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import operator_of
from accounts.clock import now
from accounts.models import Organization
from accounts.queries import actor_names
from accounts.views import operator_allowed
from billing import suspending
from billing.access import MAY_DECIDE
from billing.forms.staff import Which, Why
from billing.queries.suspensions import blocked_organizations


@operator_allowed(MAY_DECIDE)
def suspension_list(request: HttpRequest) -> HttpResponse:
    """Whoever may not order, the last first; any other organization is chosen by its name."""
    form = Which(request.GET or None)
    if form.is_valid():
        return redirect("suspension", id=form.cleaned_data["organization"].public_id)
    rows = blocked_organizations()
    names = actor_names(row.actor for row in rows)
    context = {"rows": [(row, names.get(row.actor, row.actor)) for row in rows], "form": form}
    return render(request, "billing/suspensions.html", context)


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
            held = organization.ordering_hold
            messages.success(
                request, f"{organization} " + ("is not suspended, but held." if held else "can order again.")
            )
        else:
            suspending.suspend(organization=organization, reason=why, actor=who, now=now())
            messages.success(request, f"{organization} is suspended.")
        return redirect("suspensions")
    context = {"organization": organization, "account": account, "form": form}
    return render(request, "billing/suspension.html", context)
