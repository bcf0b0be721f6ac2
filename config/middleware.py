"""What every request passes: which policy its page gets, and addresses that cannot be."""

from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import Http404, HttpRequest, HttpResponse

from accounts.http.problems import API_PREFIX, NUL, refused

# Pages of other people's making that need more than the strict Content-Security-Policy allows.
LOOSER = {
    "/admin/": {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]},  # Alpine compiles expressions
    "/api/v1/docs/": {"style-src": [SELF, UNSAFE_INLINE]},  # Swagger sets styles in the page
}


def policy_by_path(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Loosen the policy for these addresses and no others."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for prefix, directives in LOOSER.items():
            if request.path_info.startswith(prefix):
                response._csp_replace = directives  # type: ignore[attr-defined]
        return response

    return middleware


def no_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """
    The database cannot even be asked for a NUL character: nothing is at an address with one, and a query or a form with
    one is refused, naming the field. What the API's JSON says, its parser looks through.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info:
            raise Http404
        if (field := _with_nul(request)) is not None:
            return refused(request, field, NUL)
        return get_response(request)

    return middleware


def _with_nul(request: HttpRequest) -> str | None:
    """The first field of the query or the form that has one; None where none has."""
    sent = [request.GET] if "%00" in request.META.get("QUERY_STRING", "") else []
    if request.method == "POST" and not request.path_info.startswith(API_PREFIX):
        sent.append(request.POST)
    pairs = ((name, value) for fields in sent for name, values in fields.lists() for value in (name, *values))
    return next((name for name, value in pairs if "\0" in value), None)
