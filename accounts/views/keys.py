"""SSH keys."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import forms
from accounts.access import principal_of
from accounts.clock import now
from accounts.models import SSHKey, User
from accounts.operations import add_ssh_key, remove_ssh_key
from accounts.sshkeys import BadSSHKey
from accounts.views.guards import allowed


@allowed("lease:read")
def ssh_keys(request: HttpRequest) -> HttpResponse:
    """The organization's SSH keys."""
    keys = SSHKey.objects.filter(organization=principal_of(request).organization).select_related("created_by")
    return render(request, "accounts/ssh_keys.html", {"keys": keys.order_by("-created_at")})


@allowed("lease:write")
def add(request: HttpRequest) -> HttpResponse:
    """Add a key; then back to where it was needed (`next`), or to the list."""
    form = forms.NewSSHKey(request.POST or None)
    if form.is_valid() and (key := _added(request, form)):
        messages.success(request, f"The SSH key “{key.name}” is ready for your next lease.")
        return redirect(_next(request))
    return render(request, "accounts/ssh_key_add.html", {"form": form, "next": _next(request)})


@allowed("lease:write")
def remove(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then remove a key."""
    principal = principal_of(request)
    key = get_object_or_404(SSHKey, organization=principal.organization, public_id=id)
    if request.method == "POST":
        remove_ssh_key(key=key, actor=principal.actor, now=now())
        messages.success(request, f"The SSH key “{key.name}” was removed.")
        return redirect("ssh-keys")
    return render(request, "accounts/ssh_key_remove.html", {"key": key})


def _added(request: HttpRequest, form: forms.NewSSHKey) -> SSHKey | None:
    principal = principal_of(request)
    assert isinstance(principal.user, User)
    try:
        return add_ssh_key(
            organization=principal.organization,
            actor=principal.actor,
            user=principal.user,
            name=form.cleaned_data["name"],
            text=form.cleaned_data["public_key"],
            now=now(),
        )
    except BadSSHKey as error:
        form.add_error(error.field, error.message)
        return None


def _next(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    # Without a host of its own, and no name of a view either: `redirect` would look that up.
    safe = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, None)
    return wanted if safe else reverse("ssh-keys")
