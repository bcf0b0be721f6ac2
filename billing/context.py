"""What pages know of the standing of whoever is looking at them."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.access import organization_of
from billing.limits import blocked


def standing(request: HttpRequest) -> dict[str, Any]:
    """`blocked` for templates: why the organization may not order, in words; looked up only when a template asks."""
    return {"blocked": SimpleLazyObject(lambda: _blocked(request))}


def _blocked(request: HttpRequest) -> str:
    organization = organization_of(request)
    return blocked(organization) if organization else ""
