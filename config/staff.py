"""The admin's door: staff come in through the site's own login and need a second factor."""

from allauth.account.decorators import secure_admin_login
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


class StaffDoor:
    """The checks, around those that the admin has."""

    def __init__(self, site: admin.AdminSite) -> None:
        self.site = site
        self.may_enter = site.has_permission

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether this is staff with a second factor."""
        return self.may_enter(request) and bool(is_mfa_enabled(request.user, SECOND_FACTORS))

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """On to the admin, or to what is missing first; there is no password form here."""
        if self.has_permission(request):
            return redirect("admin:index")
        messages.warning(request, "Staff need a second factor: add an authenticator app or a passkey, then come back.")
        return redirect("mfa_index")


def guard(site: admin.AdminSite) -> None:
    """Put the door into the admin site."""
    door = StaffDoor(site)
    site.has_permission = door.has_permission  # type: ignore[method-assign]
    site.login = secure_admin_login(door.login)  # type: ignore[method-assign]
