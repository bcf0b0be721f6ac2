"""Who is calling the API: a token in the Authorization header, or the browser's session."""

from datetime import datetime, timedelta

from django.db.models import CharField
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import tokens
from accounts.access import principal_of_token, remember, with_roles
from accounts.clock import Instant
from accounts.models import APIToken, Given, Statement, User, selected

LAST_USE_STEP = timedelta(minutes=10)  # `last_used_at` is written no more often: a busy token must not write per call


KNOWN = Statement(
    lambda: with_roles(APIToken.objects.filter(digest=Given("digest", CharField())).annotate(read_at=Instant()))
)


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer gl_live_…`. With that header, the session cookie is not looked at."""

    def authenticate(self, request: Request) -> tuple[User, APIToken] | None:
        """The token's creator and the token; None when there is no such header.

        :raises AuthenticationFailed: when the token is malformed, unknown, revoked, expired or its creator has left
        """
        words = get_authorization_header(request).decode("latin-1").split()
        if not words or words[0].lower() != "bearer":
            return None
        if len(words) != 2 or not tokens.well_formed(words[1]):
            raise _refused("token_malformed", "This is not an API token. Copy the whole text, from gl_live_ on.")
        token = self._valid(words[1])
        principal = principal_of_token(token)
        if principal is None:
            raise _refused("token_orphaned", "Who made this token has left the organization. Make a new one.")
        remember(request, principal)
        return token.created_by, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 answer says is wanted."""
        return 'Bearer realm="Gridlease"'

    def _valid(self, text: str) -> APIToken:
        found = KNOWN.first(digest=tokens.digest(text))
        if found is None or found.revoked_at:
            raise _refused("token_invalid", "This token was revoked or never existed. Make a new one.")
        instant: datetime = selected(found, "read_at")
        if found.expires_at <= instant:
            raise _refused("token_expired", f"This token expired at {found.expires_at:%Y-%m-%d %H:%M} UTC. Make one.")
        if found.last_used_at is None or found.last_used_at < instant - LAST_USE_STEP:
            APIToken.objects.filter(pk=found.pk).update(last_used_at=instant)
        return found


def _refused(code: str, detail: str) -> AuthenticationFailed:
    return AuthenticationFailed(detail, code)


class BrowserAuthentication(SessionAuthentication):
    """The session cookie of a logged-in person; unsafe methods need the CSRF token besides."""
