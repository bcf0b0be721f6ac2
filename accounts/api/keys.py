"""SSH keys."""

from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import Problem, bad_field
from accounts.http.views import OrganizationView
from accounts.models import SSHKey, User
from accounts.operations import SSHKeyExists, add_ssh_key, remove_ssh_key
from accounts.serializers import NewSSHKey, SSHKeyShown
from accounts.sshkeys import BadSSHKey


class SSHKeys(ListModelMixin, OrganizationView):
    """The organization's SSH keys."""

    queryset = SSHKey.objects.all()
    serializer_class = SSHKeyShown
    required = {"GET": "lease:read", "POST": "lease:write"}

    @extend_schema(operation_id="ssh_keys_list", summary="List SSH keys")
    def get(self, request: Request) -> Response:
        """The keys that may be put on nodes, newest first."""
        return self.list(request)

    @extend_schema(
        operation_id="ssh_keys_add", summary="Add an SSH key", request=NewSSHKey, responses={201: SSHKeyShown}
    )
    def post(self, request: Request) -> Response:
        """Add a public key. Its comment is dropped; options and certificates are refused."""
        wanted = NewSSHKey(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = self.principal.user
        assert isinstance(user, User)
        try:
            key = add_ssh_key(
                organization=self.principal.organization,
                actor=self.principal.actor,
                user=user,
                name=wanted.validated_data["name"],
                text=wanted.validated_data["public_key"],
                now=now(),
            )
        except SSHKeyExists as error:
            raise Problem(409, "ssh_key_exists", "Key exists already", error.message) from error
        except BadSSHKey as error:
            raise bad_field(error.field, error.message) from error
        return Response(SSHKeyShown(key).data, status=201)


class OneSSHKey(OrganizationView):
    """One SSH key."""

    queryset = SSHKey.objects.all()
    serializer_class = SSHKeyShown
    required = {"GET": "lease:read", "DELETE": "lease:write"}

    @extend_schema(operation_id="ssh_keys_get", summary="Show an SSH key")
    def get(self, request: Request, id: str) -> Response:
        """One key."""
        return Response(SSHKeyShown(self.get_object()).data)

    @extend_schema(operation_id="ssh_keys_remove", summary="Remove an SSH key", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Stop offering the key for new leases. Leases that have it keep it until they end, or it is removed there."""
        remove_ssh_key(key=self.get_object(), actor=self.principal.actor, now=now())
        return Response(status=204)
