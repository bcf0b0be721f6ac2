"""Budgets: how the month stands against each, and setting them. And how many nodes one may have at once."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import budgets as caps
from billing.capping import waiting
from billing.forms.money import ChangeBudget, NewBudget
from billing.limits import nodes_allowed
from billing.models import Budget
from billing.queries import commitments
from billing.queries.months import month_of
from marketplace.money import MICROS


@allowed("money:read")
def budgets(request: HttpRequest) -> HttpResponse:
    """Each budget with what is committed this month, what the month comes to, and what is paused for want of room."""
    principal, moment = principal_of(request), now()
    own = caps.active(organization=principal.organization)
    spoken = commitments(organization=principal.organization, now=moment)
    outlooks = [caps.outlook(budget=budget, spoken=spoken, now=moment) for budget in own]
    context = {
        "rows": [(outlook, waiting(outlook=outlook, spoken=spoken, now=moment)) for outlook in outlooks],
        "month": month_of(moment),
        "may_write": may(principal, "money:write"),
    }
    return render(request, "billing/budgets.html", context)


@allowed("money:write")
def create(request: HttpRequest) -> HttpResponse:
    """Set one."""
    principal = principal_of(request)
    form = NewBudget(request.POST or None, initial={"project": request.GET.get("project", "")})
    if form.is_valid():
        try:
            caps.create(
                organization=principal.organization,
                actor=principal.actor,
                created_by=principal.user,
                project=form.cleaned_data["project"],
                limit_micros=form.micros(),
                now=now(),
            )
        except caps.BudgetExists as refusal:
            form.add_error("project", str(refusal))
        else:
            messages.success(request, "The budget is set. It holds from now on.")
            return redirect("budgets")
    return render(request, "billing/budget.html", {"form": form})


@allowed("money:write")
def change(request: HttpRequest, id: str) -> HttpResponse:
    """Another limit."""
    budget = _own(request, id)
    form = ChangeBudget(request.POST or None, initial={"limit": f"{budget.limit_micros / MICROS:.2f}"})
    if form.is_valid():
        caps.change(budget=budget, limit_micros=form.micros(), actor=principal_of(request).actor, now=now())
        messages.success(request, "The new limit holds from now on.")
        return redirect("budgets")
    return render(request, "billing/budget.html", {"form": form, "budget": budget})


@allowed("money:write")
def remove(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then cap nothing by it any more."""
    budget = _own(request, id)
    if request.method == "POST":
        caps.remove(budget=budget, actor=principal_of(request).actor, now=now())
        messages.success(request, "The budget is removed.")
        return redirect("budgets")
    return render(request, "billing/budget_remove.html", {"budget": budget})


@allowed("org:read")
def limits(request: HttpRequest) -> HttpResponse:
    """Nodes at once, plan by plan."""
    allowed_now = nodes_allowed(organization=principal_of(request).organization, now=now())
    return render(request, "billing/limits.html", {"rows": allowed_now})


def _own(request: HttpRequest, id: str) -> Budget:
    own = Budget.objects.filter(organization=principal_of(request).organization, active=True)
    return get_object_or_404(own, public_id=id)
