"""API tokens."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts import forms
from accounts.access import may, principal_of
from accounts.clock import now
from accounts.models import APIToken, User
from accounts.operations import BadToken, issue_token, revoke_token
from accounts.views.guards import allowed


@allowed("org:read")
def api_tokens(request: HttpRequest) -> HttpResponse:
    """The organization's API tokens."""
    tokens = APIToken.objects.filter(organization=principal_of(request).organization).select_related("created_by")
    return render(request, "accounts/api_tokens.html", {"tokens": tokens.order_by("-created_at"), "now": now()})


@never_cache
@allowed("org:read")
def create(request: HttpRequest) -> HttpResponse:
    """Make a token that can do what its maker can, or less. Its text is on the answer and on no other page."""
    principal = principal_of(request)
    form = forms.NewToken(request.POST or None, principal=principal)
    if form.is_valid() and (made := _made(request, form)):
        return render(request, "accounts/api_token_made.html", {"token": made[0], "text": made[1]})
    return render(request, "accounts/api_token_create.html", {"form": form})


@allowed("org:read")
def revoke(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then revoke a token: one's own, or with org:write any."""
    principal = principal_of(request)
    token = get_object_or_404(APIToken, organization=principal.organization, public_id=id)
    if token.created_by != principal.user and not may(principal, "org:write"):
        raise PermissionDenied("Only its maker, an owner or an admin can revoke this token.")
    if request.method == "POST":
        revoke_token(token=token, actor=principal.actor, now=now())
        messages.success(request, f"The API token “{token.name}” no longer works.")
        return redirect("api-tokens")
    return render(request, "accounts/api_token_revoke.html", {"token": token})


def _made(request: HttpRequest, form: forms.NewToken) -> tuple[APIToken, str] | None:
    principal, moment = principal_of(request), now()
    assert isinstance(principal.user, User)
    try:
        return issue_token(
            organization=principal.organization,
            user=principal.user,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=form.expires_at(moment),
            now=moment,
        )
    except BadToken as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return None
