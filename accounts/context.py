"""What every page knows about who is looking at it, and about who answers."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.access import find_principal


def principal(request: HttpRequest) -> dict[str, Any]:
    """`principal` for templates: None for visitors; looked up only when a template asks."""
    return {"principal": SimpleLazyObject(lambda: find_principal(request))}


def support(request: HttpRequest) -> dict[str, str]:
    """`support_email`: where "write to us" leads."""
    return {"support_email": settings.SUPPORT_EMAIL}
