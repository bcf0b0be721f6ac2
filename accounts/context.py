"""What every page knows about who is looking at it."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.access import find_principal


def principal(request: HttpRequest) -> dict[str, Any]:
    """`principal` for templates: None for visitors; looked up only when a template asks."""
    return {"principal": SimpleLazyObject(lambda: find_principal(request))}
