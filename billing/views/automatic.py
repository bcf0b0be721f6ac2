"""Automatic top-up: its rules, its switch, and what it has charged this month."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import automatic as rules
from billing.cards import cards_of
from billing.forms.money import AutoTopUpRules
from billing.queries.metered import mode_of


@allowed("money:write")
def automatic(request: HttpRequest) -> HttpResponse:
    """Switch it on or off, or change its limits."""
    principal, moment = principal_of(request), now()
    own = principal.organization
    row = rules.rules_of(own)
    if request.method == "POST" and "off" in request.POST:
        rules.switch_off(organization=own, actor=principal.actor, now=moment)
        messages.success(request, "Automatic top-up is off. Nothing is charged by itself any more.")
        return redirect("wallet")
    form = AutoTopUpRules(request.POST or None, rules=row)
    if form.is_valid() and _switched_on(request, form):
        messages.success(request, "Automatic top-up is on, with these limits.")
        return redirect("wallet")
    context = {
        "form": form,
        "row": row,
        "card": cards_of(own).first(),
        "used_cents": rules.used_cents(organization=own, now=moment),
        "month": moment,
        "mode": mode_of(own),
    }
    return render(request, "billing/automatic.html", context)


@allowed("money:read")
def automatic_charges(request: HttpRequest) -> HttpResponse:
    """What it has charged this month, charge by charge."""
    moment = now()
    charges = rules.charges_of_month(organization=principal_of(request).organization, now=moment)
    found = list(charges.prefetch_related("disputes"))
    total = sum(charge.amount_cents for charge in found)
    context = {"payments": found, "total_cents": total, "month": moment}
    return render(request, "billing/automatic_charges.html", context)


def _switched_on(request: HttpRequest, form: AutoTopUpRules) -> bool:
    principal = principal_of(request)
    try:
        rules.switch_on(organization=principal.organization, rules=form.rules(), actor=principal.actor, now=now())
    except rules.BadRule as bad:
        form.refuse(bad.field, str(bad))
        return False
    return True
