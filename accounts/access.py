"""Who is asking, and what they may do. Every permission question of the product is answered here."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import APIToken, Membership, Organization, Role, User, selected

ACTIONS = ("lease:read", "lease:write", "money:read", "money:write", "org:read", "org:write")

ROLE_ACTIONS: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset(ACTIONS),
    Role.ADMIN: frozenset(ACTIONS),
    Role.ENGINEER: frozenset({"lease:read", "lease:write", "money:read", "org:read"}),
    Role.FINANCE: frozenset({"lease:read", "money:read", "money:write", "org:read"}),
}

SESSION_KEY = "organization"  # public id of the organization that a person with several works for now


@dataclass(frozen=True)
class Principal:
    """Somebody acting for an organization: a person in a browser, or a token (then `user` is who made it)."""

    organization: Organization
    user: User | None
    token: APIToken | None
    role: str
    scopes: frozenset[str] = frozenset(ACTIONS)

    @property
    def actor(self) -> str:
        """How events name this principal, such as "user:us_…" or "token:tk_…"."""
        if self.token is not None:
            return f"token:{self.token.public_id}"
        return self.user.actor if self.user else "system:unknown"


def may(principal: Principal, action: str) -> bool:
    """Whether both the role and, for a token, its scopes allow `action` (one of ACTIONS)."""
    return action in ROLE_ACTIONS.get(principal.role, frozenset()) and action in principal.scopes


def may_operate(user: object, permission: str) -> bool:
    """Whether somebody is staff of the operator and may do `permission`, such as "leasing.change_machine"."""
    return isinstance(user, User) and user.is_staff and user.has_perm(permission)


def staff_of(request: HttpRequest | Request) -> User:
    """The member of staff behind a request that a guard let through."""
    assert isinstance(request.user, User)
    return request.user


def operator_of(request: HttpRequest | Request) -> str:
    """How events name that member of staff, such as "user:us_…"."""
    return staff_of(request).actor


def principal_of(request: HttpRequest | Request) -> Principal:
    """The principal behind a page or API request.

    :raises PermissionDenied: when nobody is logged in, or the person belongs to no organization
    """
    principal = find_principal(request)
    if principal is None:
        raise PermissionDenied("Log in and join an organization first.")
    return principal


def find_principal(request: HttpRequest | Request) -> Principal | None:
    """As `principal_of`, with None for nobody. Asked once for each request, then remembered."""
    memory = _memory(request)
    if "principal" not in memory:
        memory["principal"] = _look_up(request)
    found: Principal | None = memory["principal"]
    return found


def organization_of(request: HttpRequest | Request) -> Organization | None:
    """Whose private plans and prices a page or answer that is open to all shows besides the public ones."""
    principal = find_principal(request)
    return principal.organization if principal else None


def remember(request: HttpRequest | Request, principal: Principal | None) -> None:
    """Settle who is asking for the rest of this request."""
    _memory(request)["principal"] = principal


def with_roles(tokens: QuerySet[APIToken]) -> QuerySet[APIToken]:
    """Tokens with all that `principal_of_token` needs, in one statement."""
    present = Membership.objects.filter(
        organization=OuterRef("organization"), user=OuterRef("created_by"), user__is_active=True
    )
    return tokens.select_related("organization", "created_by").annotate(role=Subquery(present.values("role")[:1]))


def principal_of_token(token: APIToken) -> Principal | None:
    """
    What a token, read `with_roles`, may do: its scopes within its creator's present role; None when the creator has
    left.
    """
    role: str | None = selected(token, "role")
    if role is None:
        return None
    return Principal(token.organization, token.created_by, token, role, frozenset(token.scopes))


def _memory(request: HttpRequest | Request) -> dict[str, Any]:
    return vars(request._request if isinstance(request, Request) else request)


def _look_up(request: HttpRequest | Request) -> Principal | None:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    memberships = list(user.memberships.select_related("organization").order_by("id"))
    wanted = request.session.get(SESSION_KEY)
    chosen = next((m for m in memberships if m.organization.public_id == wanted), next(iter(memberships), None))
    return Principal(chosen.organization, user, None, chosen.role) if chosen else None
