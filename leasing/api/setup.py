"""How the tenant of a lease gets in, and what is done in need: changed while it runs."""

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import Problem, bad_field
from accounts.models import SSHKey
from leasing.api.leases import LeaseView
from leasing.models import Lease, LeaseKey, OnFailure
from leasing.operations import SetupRefused, add_key, choose_on_failure, remove_key
from leasing.serializers import LeaseShown, NewLeaseKey, NewOnFailure
from leasing.tasks import nudge_sites

LAST_KEY = OpenApiParameter("even_the_last", bool, description="`true` to remove the only key: nobody can log in then.")


class SetupView(LeaseView):
    """Changes of how the tenant gets in and what is done in need."""

    serializer_class = LeaseShown

    def shown(self, lease: Lease, status: int = 200) -> Response:
        """The lease as it is now; hosts are told within seconds."""
        transaction.on_commit(nudge_sites, robust=True)
        return Response(LeaseShown(self.get_queryset().get(pk=lease.pk)).data, status=status)


class LeaseKeys(SetupView):
    """The SSH keys that a lease admits."""

    required = {"POST": "lease:write"}

    @extend_schema(
        operation_id="leases_ssh_keys_add", summary="Admit an SSH key", request=NewLeaseKey, responses={201: LeaseShown}
    )
    def post(self, request: Request, id: str) -> Response:
        """Admit one more of your keys. Machines that run follow within seconds: see `ssh_keys_applied`."""
        lease = self.get_object()
        wanted = NewLeaseKey(data=request.data)
        wanted.is_valid(raise_exception=True)
        keys = SSHKey.objects.filter(organization=self.principal.organization)
        key = keys.filter(public_id=wanted.validated_data["ssh_key"]).first()
        if key is None:
            raise bad_field("ssh_key", "There is no such SSH key. GET ssh-keys lists yours.")
        try:
            add_key(lease=lease, ssh_key=key, actor=self.principal.actor, now=now())
        except SetupRefused as error:
            raise _refused(error) from error
        return self.shown(lease, status=201)


class OneLeaseKey(SetupView):
    """One SSH key that a lease admits."""

    required = {"DELETE": "lease:write"}

    @extend_schema(
        operation_id="leases_ssh_keys_remove",
        summary="Admit an SSH key no longer",
        parameters=[LAST_KEY],
        responses=LeaseShown,
    )
    def delete(self, request: Request, id: str, key: str) -> Response:
        """Remove a key by its fingerprint, or by its id in `ssh-keys`. Sessions that are open with it stay open.

        409 `last_key` for the only one, unless `even_the_last=true` says that this is meant.
        """
        lease = self.get_object()
        meant = request.query_params.get("even_the_last") == "true"
        try:
            remove_key(
                lease=lease, key=self._named(lease, key), actor=self.principal.actor, now=now(), even_the_last=meant
            )
        except SetupRefused as error:
            raise _refused(error) from error
        return self.shown(lease)

    def _named(self, lease: Lease, name: str) -> LeaseKey:
        own = SSHKey.objects.filter(organization=self.principal.organization, public_id=name)
        fingerprints = [name, *own.values_list("fingerprint", flat=True)]
        return get_object_or_404(lease.keys.all(), fingerprint__in=fingerprints)


class OnNodeFailure(SetupView):
    """What happens when a node fails."""

    required = {"POST": "lease:write"}

    @extend_schema(
        operation_id="leases_on_failure",
        summary="Choose what happens when a node fails",
        request=NewOnFailure,
        responses=LeaseShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """`ask`: you are told, and choose. `swap`: it is swapped at once for an equal node; what was on it is lost."""
        lease = self.get_object()
        wanted = NewOnFailure(data=request.data)
        wanted.is_valid(raise_exception=True)
        chosen = OnFailure(wanted.validated_data["on_failure"])
        try:
            choose_on_failure(lease=lease, on_failure=chosen, actor=self.principal.actor, now=now())
        except SetupRefused as error:
            raise _refused(error) from error
        return self.shown(lease)


def _refused(error: SetupRefused) -> Problem:
    detail = f"{error.message} DELETE it with ?even_the_last=true." if error.code == "last_key" else error.message
    return Problem(409, error.code, "It cannot be changed so", detail)
