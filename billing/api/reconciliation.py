"""The operator's part of the API: our ledger beside the card processor's account."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import staff_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.http.problems import Problem
from billing import reconciling
from billing.access import MAY_EXPLAIN, MAY_RECONCILE
from billing.models import Discrepancy, Reconciliation
from billing.serializers.reconciliation import DiscrepancyShown, Reason, ReconciledDayShown


class Days(ListModelMixin, GenericAPIView[Any]):
    """The days that were compared."""

    queryset = Reconciliation.objects.all()
    serializer_class = ReconciledDayShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"GET": MAY_RECONCILE}
    ordering = ("-day",)

    @extend_schema(operation_id="operations_reconciliation", summary="List reconciled days")
    def get(self, request: Request) -> Response:
        """Each UTC day with what moved at the processor and in our ledger, the newest first."""
        return self.list(request)


class Discrepancies(ListModelMixin, GenericAPIView[Any]):
    """What differs, or did."""

    queryset = Discrepancy.objects.select_related("organization")
    serializer_class = DiscrepancyShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"GET": MAY_RECONCILE}
    ordering = ("-found_at", "-id")

    @extend_schema(operation_id="operations_discrepancies", summary="List differences")
    def get(self, request: Request) -> Response:
        """Open ones and closed ones, the newest first."""
        return self.list(request)


class Explain(GenericAPIView[Any]):
    """A person's reason."""

    queryset = Discrepancy.objects.select_related("organization")
    serializer_class = DiscrepancyShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"POST": MAY_EXPLAIN}
    lookup_field = "public_id"
    lookup_url_kwarg = "id"

    @extend_schema(
        operation_id="operations_explain", summary="Explain a difference", request=Reason, responses=DiscrepancyShown
    )
    def post(self, request: Request, id: str) -> Response:
        """Close it with the reason, which is kept. 409 `not_open` once it is closed."""
        wanted = Reason(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            row = reconciling.explain(
                discrepancy=self.get_object(), user=staff_of(request), reason=wanted.validated_data["reason"], now=now()
            )
        except reconciling.NotOpen as refused:
            raise Problem(409, "not_open", "Nothing to explain", str(refused)) from refused
        return Response(DiscrepancyShown(row).data)
