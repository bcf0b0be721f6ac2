"""The page on which a lease gets another name, or counts for another project."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import tagging
from billing.budgets import BudgetExceeded
from leasing.forms import NewName
from leasing.operations import rename
from leasing.queries import leases_of


@allowed("lease:write")
def lease_rename(request: HttpRequest, id: str) -> HttpResponse:
    """Give the lease another name, or another project if its budget has room for it."""
    lease = get_object_or_404(leases_of(principal_of(request).organization), public_id=id)
    form = NewName(request.POST or None, initial={"name": lease.name, "project": lease.project})
    if form.is_valid():
        by: dict[str, Any] = {"lease": lease, "actor": principal_of(request).actor, "now": now()}
        rename(name=form.cleaned_data["name"], **by)
        try:
            tagging.tag(project=form.cleaned_data["project"], **by)
        except BudgetExceeded as refused:
            form.add_error("project", str(refused))
        else:
            return redirect("lease", id=id)
    return render(request, "billing/rename.html", {"lease": lease, "form": form})
