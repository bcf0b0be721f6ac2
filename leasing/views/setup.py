"""How one gets into a running lease, and what is done in need: its SSH keys and its failure policy."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from leasing.forms import AnotherKey, Policy
from leasing.models import Lease, OnFailure
from leasing.operations import SetupRefused, add_key, choose_on_failure, remove_key
from leasing.queries import leases_of
from leasing.queries.machines import keys_applied
from leasing.tasks import nudge_sites


@allowed("lease:write")
def lease_keys(request: HttpRequest, id: str) -> HttpResponse:
    """The keys that a lease admits, and one more."""
    lease = _find(request, id)
    form = AnotherKey(request.POST or None, lease=lease)
    if form.is_valid():
        key = form.cleaned_data["ssh_key"]
        try:
            add_key(lease=lease, ssh_key=key, actor=principal_of(request).actor, now=now())
        except SetupRefused as refusal:
            messages.error(request, refusal.message)
        else:
            transaction.on_commit(nudge_sites, robust=True)
            messages.success(request, f"The SSH key “{key.name}” is added. Machines that run admit it within seconds.")
        return redirect("lease_keys", id=id)
    return render(request, "leasing/keys.html", {"lease": lease, "form": form, "applied": keys_applied(lease)})


@allowed("lease:write")
def lease_key_remove(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then admit a key (`key`: its fingerprint) no longer. Of the last one the question says what that means."""
    lease = _find(request, id)
    key = lease.keys.filter(fingerprint=(request.POST or request.GET).get("key", "")).first()
    if key is None:
        messages.info(request, "The lease does not admit this key.")
        return redirect("lease_keys", id=id)
    last = lease.keys.count() == 1
    if request.method != "POST":
        return render(request, "leasing/key_remove.html", {"lease": lease, "key": key, "last": last})
    meant = "even_the_last" in request.POST
    try:
        remove_key(lease=lease, key=key, actor=principal_of(request).actor, now=now(), even_the_last=meant)
    except SetupRefused as refusal:
        messages.error(request, refusal.message)
    else:
        transaction.on_commit(nudge_sites, robust=True)
        messages.success(request, f"The SSH key “{key.name}” is removed. Machines that run refuse it within seconds.")
    return redirect("lease_keys", id=id)


@allowed("lease:write")
def lease_on_failure(request: HttpRequest, id: str) -> HttpResponse:
    """Choose what happens when a node fails."""
    lease = _find(request, id)
    form = Policy(request.POST or None, initial={"on_failure": lease.on_failure})
    if form.is_valid():
        chosen = OnFailure(form.cleaned_data["on_failure"])
        try:
            choose_on_failure(lease=lease, on_failure=chosen, actor=principal_of(request).actor, now=now())
        except SetupRefused as refusal:
            messages.error(request, refusal.message)
        return redirect("lease", id=id)
    return render(request, "leasing/on_failure.html", {"lease": lease, "form": form})


def _find(request: HttpRequest, id: str) -> Lease:
    return get_object_or_404(leases_of(principal_of(request).organization), public_id=id)
