"""The operator's part of the API: credits and debits by staff."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.access import staff_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.http.problems import Problem, bad_field
from billing import adjusting
from billing.access import MAY_ADJUST, MAY_APPROVE, MAY_SEE_ADJUSTMENTS
from billing.models import Adjustment
from billing.queries.adjustments import adjustments
from billing.serializers.adjustments import AdjustmentShown, NewAdjustment


def done_or_waiting(made: Model, shown: type[BaseSerializer[Any]], *, status: int = 201) -> Response:
    """What staff did by hand, as `shown`; or 202 and what waits for a second person."""
    if isinstance(made, Adjustment):
        return Response(AdjustmentShown(made).data, status=202)
    return Response(shown(made).data, status=status)


class AdjustmentView(GenericAPIView[Any]):
    """For staff."""

    queryset = Adjustment.objects.all()
    serializer_class = AdjustmentShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"POST": MAY_APPROVE}
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    ordering = ("-asked_at", "-id")

    def get_queryset(self) -> QuerySet[Any]:
        """All of them, with all that is shown."""
        return adjustments()

    def decided(self, act: Callable[..., Adjustment]) -> Response:
        """
        The adjustment as it is after `act`.

        :raises Problem: 409 where there is nothing to decide any more, or it cannot be done; 403 for one's own
        """
        try:
            act(adjustment=self.get_object(), by=staff_of(self.request), now=now())
        except adjusting.NotWaiting as refused:
            raise Problem(409, "not_waiting", "Nothing to decide", str(refused)) from refused
        except adjusting.SamePerson as refused:
            raise Problem(403, "same_person", "A second person has to decide", str(refused)) from refused
        except adjusting.Outdated as refused:
            raise Problem(409, "outdated", "It cannot be done any more", str(refused)) from refused
        return Response(AdjustmentShown(self.get_object()).data)


class Adjustments(AdjustmentView):
    """All of them, and new ones."""

    required = {"GET": MAY_SEE_ADJUSTMENTS, "POST": MAY_ADJUST}

    @extend_schema(
        operation_id="operations_adjustments", summary="List adjustments", responses=AdjustmentShown(many=True)
    )
    def get(self, request: Request) -> Response:
        """The newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(AdjustmentShown(page, many=True).data)

    @extend_schema(
        operation_id="operations_adjust",
        summary="Credit or debit an organization",
        request=NewAdjustment,
        responses={201: AdjustmentShown},
    )
    def post(self, request: Request) -> Response:
        """Posted at once up to a limit; above it `state` is `waiting` until somebody else of the staff approves it."""
        wanted = NewAdjustment(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            row = adjusting.ask_by_ids(**wanted.validated_data, by=staff_of(request), now=now())
        except adjusting.AdjustmentRefused as refused:
            raise bad_field(refused.field, refused.message) from refused
        return Response(AdjustmentShown(row).data, status=201)


class Approve(AdjustmentView):
    """Yes."""

    @extend_schema(
        operation_id="operations_adjustment_approve",
        summary="Approve an adjustment",
        request=None,
        responses=AdjustmentShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """
        Post it. 403 `same_person` for one's own; 409 `not_waiting` once it was decided or has run out, `outdated` where
        what it is about has changed.
        """
        return self.decided(adjusting.approve)


class Refuse(AdjustmentView):
    """No."""

    @extend_schema(
        operation_id="operations_adjustment_refuse",
        summary="Refuse an adjustment",
        request=None,
        responses=AdjustmentShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """Call it off. 409 `not_waiting` once it was decided or has run out."""
        return self.decided(adjusting.refuse)
