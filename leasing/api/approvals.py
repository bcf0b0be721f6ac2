"""The operator's part of the API: orders that wait for approval."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts.access import operator_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.http.problems import Problem
from leasing.access import MAY_APPROVE
from leasing.models import Approval
from leasing.operations.approving import NotWaiting, approve, decline
from leasing.queries.approvals import approvals, waiting
from leasing.serializers.approvals import ApprovalAsked, Note, WhyDeclined
from leasing.tasks import nudge_sites


class ApprovalView(GenericAPIView[Any]):
    """For staff who may approve. Orders are named by their leases."""

    queryset = Approval.objects.all()
    serializer_class = ApprovalAsked
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"POST": MAY_APPROVE}
    lookup_field = "lease__public_id"
    lookup_url_kwarg = "id"
    ordering = ("asked_at", "id")

    def get_queryset(self) -> QuerySet[Any]:
        """All of them, with all that is shown."""
        return approvals()

    def answered(self, act: Callable[..., None], said: type[Serializer[Any]] = Note) -> Response:
        """
        The order as it is after `act`.

        :raises Problem: 409 where there is nothing to decide any more
        """
        wanted = said(data=self.request.data)
        wanted.is_valid(raise_exception=True)
        try:
            act(lease=self.get_object().lease, actor=operator_of(self.request), now=now(), **wanted.validated_data)
        except NotWaiting as refused:
            raise Problem(409, "not_waiting", "Nothing to decide", str(refused)) from refused
        transaction.on_commit(nudge_sites, robust=True)
        return Response(ApprovalAsked(self.get_object()).data)


class Approvals(ApprovalView):
    """The queue."""

    required = {"GET": MAY_APPROVE}

    @extend_schema(
        operation_id="operations_approvals", summary="List orders to approve", responses=ApprovalAsked(many=True)
    )
    def get(self, request: Request) -> Response:
        """Orders that wait, the oldest first."""
        return self.get_paginated_response(ApprovalAsked(self.paginate_queryset(waiting()), many=True).data)


class Approve(ApprovalView):
    """Yes."""

    @extend_schema(operation_id="operations_approve", summary="Approve an order", request=Note, responses=ApprovalAsked)
    def post(self, request: Request, id: str) -> Response:
        """Make it an agreement; it starts when it is due. 409 `not_waiting` once it was decided or has run out."""
        return self.answered(approve)


class Decline(ApprovalView):
    """No."""

    @extend_schema(
        operation_id="operations_decline", summary="Decline an order", request=WhyDeclined, responses=ApprovalAsked
    )
    def post(self, request: Request, id: str) -> Response:
        """Call it off, free for the customer, who reads why. 409 `not_waiting` once it was decided or has run out."""
        return self.answered(decline, WhyDeclined)
