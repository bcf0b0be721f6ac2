"""Errors of the API: RFC 9457 problem details, each with a stable `code`, and `errors` naming the fields at fault."""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from accounts.http.throttles import refusal

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
NUL = "A NUL character (U+0000) cannot be kept. Leave it out."
SURROGATE = "Half of a character (one of U+D800 to U+DFFF alone) cannot be kept. Write the whole one, or leave it out."
log = logging.getLogger(__name__)


class Problem(exceptions.APIException):
    """An error answer: HTTP `status`, a stable `code` for programs, a `title`, a `detail` that says the way out.

    Anything in `extra` becomes a member of the answer, such as the next free windows of a lost race.
    """

    def __init__(self, status: int, code: str, title: str, detail: str, **extra: Any) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.code = code
        self.title = title
        self.extra = extra


def bad_field(field: str, message: str) -> exceptions.ValidationError:
    """The validation error for one field, for domain errors that name one."""
    return exceptions.ValidationError({field: [message]})


def handle(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None (a crash) is left to `server_error`."""
    if isinstance(exception, Http404):
        exception = exceptions.NotFound()
    elif isinstance(exception, PermissionDenied):
        exception = exceptions.PermissionDenied(str(exception) or None)
    if not isinstance(exception, exceptions.APIException):
        return None
    if isinstance(exception, exceptions.Throttled):
        throttles = context["view"].get_throttles()
        said = refusal(throttles, context["request"], int(_headers(exception)["Retry-After"]))
        exception.detail = exceptions.ErrorDetail(said, exception.default_code)
    return Response(
        _document(exception), status=exception.status_code, headers=_headers(exception), content_type=CONTENT_TYPE
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: a problem under /api/, a page elsewhere."""
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception)
    return _plain(404, "not_found", "There is nothing at this address. The API is described at /api/v1/docs/.")


def refused(request: HttpRequest, field: str, message: str) -> HttpResponse:
    """400 for one field, of a request that reaches no view: a problem under /api/, a page elsewhere."""
    shown = field.replace("\0", "␀")
    if not request.path.startswith(API_PREFIX):
        return render(request, "400.html", {"field": shown, "message": message}, status=400)
    answer = handle(bad_field(shown, message), {})
    assert answer is not None
    return JsonResponse(answer.data, status=400, content_type=CONTENT_TYPE)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: a problem under /api/, a page elsewhere."""
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    return _plain(500, "internal_error", "Something broke on our side and was logged. Nothing was changed; try again.")


def members(status: int, code: str, title: str, detail: str) -> dict[str, Any]:
    """The members that every problem has."""
    return {"type": f"urn:gridlease:problem:{code}", "title": title, "status": status, "code": code, "detail": detail}


def _plain(status: int, code: str, detail: str) -> JsonResponse:
    document = members(status, code, HTTPStatus(status).phrase, detail)
    return JsonResponse(document, status=status, content_type=CONTENT_TYPE)


def _document(exception: exceptions.APIException) -> dict[str, Any]:
    status = exception.status_code
    if isinstance(exception, Problem):
        return {**members(status, exception.code, exception.title, str(exception.detail)), **exception.extra}
    if isinstance(exception, exceptions.ValidationError):
        errors = _errors(exception.detail)
        detail = "; ".join(": ".join(filter(None, (error["field"], error["message"]))) for error in errors)
        return {**members(status, "validation_error", "The request is not valid", detail), "errors": errors}
    code = exception.get_codes()
    return members(status, code if isinstance(code, str) else "error", HTTPStatus(status).phrase, str(exception.detail))


def _errors(detail: Any, path: str = "") -> list[dict[str, str]]:
    if isinstance(detail, dict):
        own = api_settings.NON_FIELD_ERRORS_KEY
        pairs = [("" if name == own else str(name), value) for name, value in detail.items()]
    elif isinstance(detail, list):
        nested = any(isinstance(value, dict | list) for value in detail)
        pairs = [(str(position) if nested else "", value) for position, value in enumerate(detail)]
    else:
        return [{"field": path, "message": str(detail)}]
    return [error for name, value in pairs for error in _errors(value, ".".join(filter(None, (path, name))))]


def _headers(exception: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exception, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(exception, Problem) and "retry_after_seconds" in exception.extra:
        headers["Retry-After"] = str(exception.extra["retry_after_seconds"])
    return headers
