"""Who may open a page: members of an organization, those whose role allows it, and staff with a second factor."""

from collections.abc import Callable
from functools import wraps

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from accounts.access import find_principal, may, may_operate, principal_of
from accounts.models import User

Page = Callable[..., HttpResponse]
Handler = Callable[[HttpRequest], HttpResponse]


def organization_required(page: Page) -> Page:
    """Only for members: others are sent to log in, and those without an organization to create one."""

    @wraps(page)
    def guarded(request: HttpRequest, **captured: str) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_login(request)
        if find_principal(request) is None:
            return redirect("organization-create")
        return page(request, **captured)

    return guarded


def allowed(action: str) -> Callable[[Page], Page]:
    """Only for members whose role allows `action`, such as "lease:write"; for others 403, which says whom to ask."""

    def guard(page: Page) -> Page:
        @organization_required
        @wraps(page)
        def guarded(request: HttpRequest, **captured: str) -> HttpResponse:
            principal = principal_of(request)
            if not may(principal, action):
                raise PermissionDenied(f"Your role, {principal.role}, does not allow this ({action}). Ask an owner.")
            return page(request, **captured)

        return guarded

    return guard


def operator_allowed(*permissions: str) -> Callable[[Page], Page]:
    """Only for staff who may do one of these, such as "leasing.change_machine", and only with a second factor.

    Visitors are sent to log in, staff without a second factor to set one up; everybody else gets 403.
    """

    def guard(page: Page) -> Page:
        @wraps(page)
        def guarded(request: HttpRequest, **captured: str) -> HttpResponse:
            if not isinstance(request.user, User):
                return _to_login(request)
            if not any(may_operate(request.user, permission) for permission in permissions):
                named = " or ".join(permissions)
                raise PermissionDenied(f"This page is for the operator's staff who hold the permission {named}.")
            if not is_mfa_enabled(request.user):
                return _to_second_factor(request)
            return page(request, **captured)

        return guarded

    return guard


def staff_second_factor(get_response: Handler) -> Handler:
    """Middleware: staff open the admin only once they have set up an authenticator or a passkey."""

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        in_admin = request.path_info.startswith(reverse("admin:index"))
        if in_admin and isinstance(user, User) and user.is_staff and not is_mfa_enabled(user):
            return _to_second_factor(request)
        return get_response(request)

    return middleware


def _to_second_factor(request: HttpRequest) -> HttpResponse:
    messages.warning(request, "Set up a second factor first: the operator's pages open only with one.")
    return redirect("mfa_index")


def _to_login(request: HttpRequest) -> HttpResponse:
    # A live part of a page must not swap a login form into itself: the whole page goes there.
    answer = redirect_to_login(request.get_full_path())
    return HttpResponseClientRedirect(reverse("account_login")) if request.headers.get("HX-Request") else answer
