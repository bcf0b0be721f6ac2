"""The organization, its activity, and one's own settings."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts import forms
from accounts.access import SESSION_KEY, find_principal, may, principal_of
from accounts.clock import now
from accounts.models import Event, Organization, User
from accounts.operations import change_organization, create_organization
from accounts.queries import actor_names
from accounts.views.guards import allowed

EVENTS_PER_PAGE = 50


@allowed("org:read")
def organization(request: HttpRequest) -> HttpResponse:
    """The organization's name, people and rules; owners and admins may change them."""
    principal = principal_of(request)
    own = Organization.objects.get(pk=principal.organization.pk)
    form = forms.ChangeOrganization(request.POST or None, instance=own)
    if request.method == "POST" and not may(principal, "org:write"):
        raise PermissionDenied(f"Your role, {principal.role}, does not allow this. Ask an owner.")
    if request.method == "POST" and form.is_valid():
        change_organization(organization=principal.organization, actor=principal.actor, now=now(), **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("organization")
    people = own.memberships.select_related("user").order_by("id")
    context = {"form": form, "people": people, "may_write": may(principal, "org:write")}
    return render(request, "accounts/organization.html", context)


@login_required
def create(request: HttpRequest) -> HttpResponse:
    """For somebody who belongs to no organization."""
    if find_principal(request):
        return redirect("organization")
    form = forms.NewOrganization(request.POST or None)
    if form.is_valid():
        assert isinstance(request.user, User)
        made = create_organization(name=form.cleaned_data["name"], owner=request.user, now=now())
        request.session[SESSION_KEY] = made.public_id
        return redirect("organization")
    return render(request, "accounts/organization_create.html", {"form": form})


@login_required
def settings(request: HttpRequest) -> HttpResponse:
    """One's own name and time zone."""
    assert isinstance(request.user, User)
    form = forms.ChangeUser(request.POST or None, instance=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("settings")
    return render(request, "accounts/settings.html", {"form": form})


@allowed("org:read")
def activity(request: HttpRequest) -> HttpResponse:
    """What happened in the organization, newest first."""
    events = Event.objects.filter(organization=principal_of(request).organization).order_by("-at", "-id")
    page = Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    names = actor_names(event.actor for event in page)
    rows = [(event, names.get(event.actor, event.actor)) for event in page]
    return render(request, "accounts/activity.html", {"page": page, "rows": rows})
