"""What a customer does with a lease: give it back, give it another name."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from leasing.forms import NewName
from leasing.models import Lease
from leasing.operations import end, rename, tag
from leasing.queries import leases_of
from leasing.states import LEASE_OVER, LeaseState
from leasing.tasks import nudge_sites

GONE = LEASE_OVER | {LeaseState.RECLAIMING}
SAID = {
    LeaseState.CANCELLED: "Cancelled before it began: you were charged nothing.",
    LeaseState.RECLAIMING: "Given back. The meter has stopped, and the nodes are being wiped now.",
    LeaseState.ENDED: "Given back before anything was done on a node: there was nothing to wipe or to charge.",
}


@allowed("lease:write")
def lease_return(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then give the lease back. Doing it twice changes nothing."""
    lease = _find(request, id)
    if lease.state in GONE:
        messages.info(request, "This lease was given back already.")
    elif request.method == "POST":
        ended = end(lease=lease, reason="returned", actor=principal_of(request).actor, now=now())
        transaction.on_commit(nudge_sites, robust=True)
        messages.success(request, SAID[LeaseState(ended.state)])
    else:
        return render(request, "leasing/return.html", {"lease": lease})
    return redirect("lease", id=id)


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
