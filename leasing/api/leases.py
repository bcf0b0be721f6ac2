"""What one lease has been through, and its name. Its money is shown by billing, which gives it back, too."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.views import OrganizationView
from leasing.models import Lease
from leasing.operations import rename
from leasing.queries import leases_of
from leasing.serializers import LeaseShown, NewName, TransitionShown


class LeaseView(OrganizationView):
    """One lease of the caller's organization, named by `id`."""

    queryset = Lease.objects.all()

    def get_queryset(self) -> QuerySet[Any]:
        """The organization's leases with all that is shown of them."""
        return leases_of(self.principal.organization)


class Transitions(LeaseView):
    """The changes of a lease's state."""

    serializer_class = TransitionShown
    ordering = ("seq",)
    required = {"GET": "lease:read"}

    @extend_schema(
        operation_id="leases_transitions", summary="List a lease's transitions", responses=TransitionShown(many=True)
    )
    def get(self, request: Request, id: str) -> Response:
        """What happened to the lease, when, why and by whom; oldest first. The meter is read from these."""
        page = self.paginate_queryset(self.get_object().transitions.all())
        return self.get_paginated_response(TransitionShown(page, many=True).data)


class Rename(LeaseView):
    """Another name for a lease."""

    serializer_class = LeaseShown
    required = {"POST": "lease:write"}

    @extend_schema(operation_id="leases_rename", summary="Rename a lease", request=NewName, responses=LeaseShown)
    def post(self, request: Request, id: str) -> Response:
        """Give the lease another name, also after its end. Nothing depends on names."""
        lease = self.get_object()
        wanted = NewName(data=request.data)
        wanted.is_valid(raise_exception=True)
        rename(lease=lease, name=wanted.validated_data["name"], actor=self.principal.actor, now=now())
        return Response(LeaseShown(lease).data)
