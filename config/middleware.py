"""What every request passes: which policy its answer gets, and addresses that cannot be."""

from collections.abc import Callable

from csp.constants import HEADER, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from accounts.http.problems import API_PREFIX, NUL, refused

# Pages of other people's making that need more than the strict Content-Security-Policy allows.
API_DOCS = f"{API_PREFIX}v1/docs/"
LOOSER = {
    "/admin/": {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]},  # Alpine compiles expressions
    API_DOCS: {"style-src": [SELF, UNSAFE_INLINE]},  # Swagger sets styles in the page
}
# The API's answers are data: whoever opens one as a page gets nothing to run. As OWASP advises for APIs:
# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
NO_PAGE = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"


class ContentPolicy(CSPMiddleware):
    """The strict policy of the settings, looser for these addresses and no others; for data nothing at all."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The answer with the policy of its path."""
        path = request.path_info
        if path.startswith(API_PREFIX) and not path.startswith(API_DOCS):
            response[HEADER] = NO_PAGE
            return response
        response._csp_replace = next(  # type: ignore[attr-defined]
            (looser for prefix, looser in LOOSER.items() if path.startswith(prefix)), None
        )
        return super().process_response(request, response)


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
