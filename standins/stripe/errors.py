"""Stripe's error object."""

from typing import Any


class ApiError(Exception):
    """A refusal that the client sees as Stripe's error object.

    `extra` are further members of the object, such as `decline_code`; members that are None are left out. What the
    request did before stays only if `keeps`: of a card that was tried, and declined.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keeps = status == 402
        self.headers: dict[str, str] = {}
        members = {"code": code, "message": message, "param": param, "type": type, **extra}
        self.error = {name: value for name, value in members.items() if value is not None}

    @property
    def body(self) -> dict[str, Any]:
        """The JSON answer."""
        return {"error": self.error}


def no_such(kind: str, reference: str, param: str = "id") -> ApiError:
    """Stripe's 404 for an identifier that it does not know."""
    return ApiError(404, f"No such {kind}: '{reference}'", code="resource_missing", param=param)
