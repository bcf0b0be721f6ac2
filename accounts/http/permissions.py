"""What a caller may do: each view says which action each method needs, and what it does not say is refused."""

import logging
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.access import find_principal, may, may_operate
from accounts.http.problems import Problem

log = logging.getLogger(__name__)


class Allowed(BasePermission):
    """Reads the view's `required`, such as `{"GET": "lease:read", "POST": "lease:write"}`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the principal may; False for nobody, which becomes 401.

        :raises MethodNotAllowed: 405, for a method that the view does not name
        :raises Problem: 403, naming the missing organization, role or scope
        """
        principal = find_principal(request)
        if principal is None and not request.user.is_authenticated:
            return False
        if principal is None:
            raise _refusal("no_organization", "You belong to no organization. Create one in the browser.")
        method = "GET" if request.method in {"HEAD", "OPTIONS"} else request.method
        action = view.required.get(method)
        if action is None:
            raise MethodNotAllowed(str(request.method))
        if may(principal, action):
            return True
        log.warning("refused: %s wanted %s for %s %s", principal.actor, action, request.method, request.path)
        if action not in principal.scopes:
            raise _refusal("scope_missing", f"This token lacks the scope {action}. Make one that has it.")
        raise _refusal("role_forbids", f"Your role, {principal.role}, does not allow {action}. Ask an owner.")


class OperatorAllowed(BasePermission):
    """
    For the operator's staff in their browser: the view's `required` names permissions, such as
    `{"GET": "leasing.change_machine"}`. A token acts for a customer, so that none opens these.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the member of staff may; False for nobody, which becomes 401.

        :raises MethodNotAllowed: 405, for a method that the view does not name
        :raises Problem: 403, naming what is missing
        """
        if not request.user.is_authenticated:
            return False
        permission = view.required.get("GET" if request.method in {"HEAD", "OPTIONS"} else request.method)
        if request.auth is not None or not may_operate(request.user, permission or ""):
            log.warning("refused: %s wanted %s %s", request.user, request.method, request.path)
            raise _refusal("operator_only", "This is for the operator's staff, logged in with a browser.")
        if permission is None:
            raise MethodNotAllowed(str(request.method))
        if not is_mfa_enabled(request.user):
            raise _refusal("second_factor_missing", "Set up a second factor first, at /account/2fa/.")
        return True


def _refusal(code: str, detail: str) -> Problem:
    return Problem(403, code, "Not allowed", detail)
