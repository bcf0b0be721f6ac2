"""What a customer does with a lease without money: give it another name."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from leasing.forms import NewName
from leasing.models import Lease
from leasing.operations import rename, tag
from leasing.queries import leases_of


@allowed("lease:write")
def lease_rename(request: HttpRequest, id: str) -> HttpResponse:
    """Give the lease another name, or another project."""
    lease = _find(request, id)
    form = NewName(request.POST or None, initial={"name": lease.name, "project": lease.project})
    if form.is_valid():
        rename(lease=lease, name=form.cleaned_data["name"])
        project = form.cleaned_data["project"]
        tag(lease=lease, project=project, actor=principal_of(request).actor, now=now())
        return redirect("lease", id=id)
    return render(request, "leasing/rename.html", {"lease": lease, "form": form})


def _find(request: HttpRequest, id: str) -> Lease:
    return get_object_or_404(leases_of(principal_of(request).organization), public_id=id)
