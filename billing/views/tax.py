"""The page of the tax profile."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import taxing
from billing.forms.tax import TaxDeclaration
from billing.models import TaxProfile
from billing.queries.taxes import profile_of, tax_at


@allowed("money:read")
def tax_profile(request: HttpRequest) -> HttpResponse:
    """Who the organization is for the tax office, and how its invoices are taxed; finance may change it."""
    principal = principal_of(request)
    own = principal.organization
    profile, may_write = profile_of(own), may(principal, "money:write")
    if request.method == "POST" and not may_write:
        raise PermissionDenied(f"Your role, {principal.role}, does not allow this. Ask an owner or finance.")
    form = TaxDeclaration(request.POST or None, profile=profile, name=own.name)
    if form.is_valid():
        try:
            taxing.declare(organization=own, fields=form.cleaned_data, actor=principal.actor, now=now())
        except taxing.BadTaxProfile as refused:
            form.add_error(refused.field, refused.message)
        else:
            messages.success(request, "Saved. It stands on your invoices from now on.")
            return redirect("tax_profile")
    history = TaxProfile.objects.filter(organization=own).order_by("-version")[1:]
    tax = tax_at(organization=own, end=now()).rule
    context = {"profile": profile, "tax": tax, "form": form, "may_write": may_write, "history": history}
    return render(request, "billing/tax_profile.html", context)
