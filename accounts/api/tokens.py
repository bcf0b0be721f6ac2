"""API tokens."""

from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import bad_field
from accounts.http.views import OrganizationView
from accounts.models import APIToken, User
from accounts.operations import BadToken, issue_token, revoke_token
from accounts.serializers import NewToken, TokenMade, TokenShown


class Tokens(ListModelMixin, OrganizationView):
    """The organization's API tokens."""

    queryset = APIToken.objects.all()
    serializer_class = TokenShown
    required = {"GET": "org:read", "POST": "org:write"}

    @extend_schema(operation_id="tokens_list", summary="List API tokens")
    def get(self, request: Request) -> Response:
        """Every token, revoked and expired ones too, newest first."""
        return self.list(request)

    @extend_schema(
        operation_id="tokens_create", summary="Make an API token", request=NewToken, responses={201: TokenMade}
    )
    def post(self, request: Request) -> Response:
        """Make a token. Its text is in this answer and nowhere else. It can do no more than its maker."""
        wanted = NewToken(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = self.principal.user
        assert isinstance(user, User)
        try:
            token, text = issue_token(
                organization=self.principal.organization,
                user=user,
                name=wanted.validated_data["name"],
                scopes=wanted.validated_data["scopes"],
                expires_at=wanted.validated_data.get("expires_at"),
                now=now(),
                actor=self.principal.actor,
                within=self.principal.scopes,
            )
        except BadToken as error:
            raise bad_field(error.field, error.message) from error
        return Response({**TokenShown(token).data, "token": text}, status=201)


class OneToken(OrganizationView):
    """One API token."""

    queryset = APIToken.objects.all()
    serializer_class = TokenShown
    required = {"GET": "org:read", "DELETE": "org:write"}

    @extend_schema(operation_id="tokens_get", summary="Show an API token")
    def get(self, request: Request, id: str) -> Response:
        """One token, without its text."""
        return Response(TokenShown(self.get_object()).data)

    @extend_schema(operation_id="tokens_revoke", summary="Revoke an API token", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Make the token useless from this moment."""
        revoke_token(token=self.get_object(), actor=self.principal.actor, now=now())
        return Response(status=204)
