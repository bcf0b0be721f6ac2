"""The operator's part of the API: disputed payments, and who may not order."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import operator_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.models import Organization
from accounts.operations import hold_ordering, release_ordering
from billing import suspending
from billing.access import MAY_DECIDE, MAY_SEE_DISPUTES
from billing.models import Dispute
from billing.queries.disputes import disputes
from billing.serializers.disputes import DisputeShown, SuspensionShown, WhySuspended


class Disputes(GenericAPIView[Any]):
    """All of them."""

    queryset = Dispute.objects.all()
    serializer_class = DisputeShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"GET": MAY_SEE_DISPUTES}
    ordering = ("-opened_at", "-id")

    @extend_schema(operation_id="operations_disputes", summary="List disputes", responses=DisputeShown(many=True))
    def get(self, request: Request) -> Response:
        """Disputed payments, the newest first."""
        return self.get_paginated_response(DisputeShown(self.paginate_queryset(disputes()), many=True).data)


class OneDispute(GenericAPIView[Any]):
    """One of them."""

    queryset = Dispute.objects.all()
    serializer_class = DisputeShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"GET": MAY_SEE_DISPUTES}

    @extend_schema(operation_id="operations_dispute", summary="Show a dispute")
    def get(self, request: Request, id: str) -> Response:
        """Where it stands, and until when the bank takes evidence."""
        return Response(DisputeShown(get_object_or_404(disputes(), public_id=id)).data)


class OneOrganization(GenericAPIView[Any]):
    """Whether an organization may order, for staff who may decide that."""

    queryset = Organization.objects.all()
    serializer_class = SuspensionShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"POST": MAY_DECIDE, "DELETE": MAY_DECIDE}

    def changed(self, request: Request, id: str, act: Callable[..., bool]) -> Response:
        """Do it for the reason that is given."""
        organization = get_object_or_404(Organization, public_id=id)
        wanted = WhySuspended(data=request.data)
        wanted.is_valid(raise_exception=True)
        act(organization=organization, reason=wanted.validated_data["reason"], actor=operator_of(request), now=now())
        return Response(SuspensionShown(self.get_queryset().select_related("billing_account").get(public_id=id)).data)


class Suspension(OneOrganization):
    """Whether an organization is suspended."""

    @extend_schema(
        operation_id="operations_suspend",
        summary="Suspend an organization",
        request=WhySuspended,
        responses=SuspensionShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """It cannot order, extend or move then. One that is suspended stays so."""
        return self.changed(request, id, suspending.suspend)

    @extend_schema(
        operation_id="operations_unsuspend",
        summary="Let it order again",
        request=WhySuspended,
        responses=SuspensionShown,
    )
    def delete(self, request: Request, id: str) -> Response:
        """Lift a suspension; nothing changes where there is none."""
        return self.changed(request, id, suspending.lift)


class OrderingHold(OneOrganization):
    """Whether an organization's orders are on hold."""

    @extend_schema(
        operation_id="operations_hold_orders",
        summary="Put its orders on hold",
        request=WhySuspended,
        responses=SuspensionShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """While something is looked into: it cannot order, extend or move. Once; the first reason stays."""
        return self.changed(request, id, hold_ordering)

    @extend_schema(
        operation_id="operations_release_orders",
        summary="Take its orders again",
        request=WhySuspended,
        responses=SuspensionShown,
    )
    def delete(self, request: Request, id: str) -> Response:
        """End a hold; nothing changes where there is none."""
        return self.changed(request, id, release_ordering)
