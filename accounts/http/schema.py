"""How the shared parts look in the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from accounts.http.idempotency import HEADER, LONGEST_KEY
from accounts.http.problems import CONTENT_TYPE

IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    OpenApiParameter.HEADER,
    required=True,
    description="A fresh random value for each new request; the same one when a request is retried.",
)
FIELD_ERROR = inline_serializer(
    "FieldError", {"field": serializers.CharField(), "message": serializers.CharField()}, many=True, required=False
)
PROBLEM = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "code": serializers.CharField(),
        "detail": serializers.CharField(),
        "errors": FIELD_ERROR,
    },
)


class ProblemSchema(AutoSchema):
    """Adds the problem answer to every operation, and the header to those that are `@idempotent`."""

    def get_override_parameters(self) -> list[Any]:
        """The header of idempotent operations."""
        method = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        inherited = super().get_override_parameters()
        return [*inherited, IDEMPOTENCY_KEY] if getattr(method, "idempotent", False) else inherited

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        problem = self._get_response_for_code(PROBLEM, "default", [CONTENT_TYPE])  # type: ignore[no-untyped-call]
        return {**bodies, "default": problem}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The `Authorization: Bearer` header."""

    target_class = "accounts.http.authentication.BearerAuthentication"
    name = "token"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Bearer tokens, as OpenAPI says it."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "gl_live_…"}


class BrowserScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie of the browser."""

    target_class = "accounts.http.authentication.BrowserAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """The cookie, as OpenAPI says it."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
