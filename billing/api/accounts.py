"""The operator's part of the API: how an organization pays."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import staff_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.http.problems import bad_field
from accounts.models import Organization
from billing import by_hand, operations, paying
from billing.access import MAY_DECIDE
from billing.api.adjustments import done_or_waiting
from billing.models import BillingMode, TrustLevel
from billing.paying import Decision
from billing.serializers.accounts import AccountShown, NewTerms
from billing.serializers.adjustments import AdjustmentShown


class OneAccount(GenericAPIView[Any]):
    """For staff who may decide. Accounts are named by their organizations."""

    queryset = Organization.objects.all()
    serializer_class = AccountShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"GET": MAY_DECIDE, "POST": MAY_DECIDE}
    lookup_field = "public_id"
    lookup_url_kwarg = "id"

    @extend_schema(operation_id="operations_account", summary="Show how an organization pays")
    def get(self, request: Request, id: str) -> Response:
        """Mode, trust, credit, and whether it is suspended."""
        return Response(AccountShown(operations.account_of(self.get_object())).data)

    @extend_schema(
        operation_id="operations_account_decide",
        summary="Decide how an organization pays",
        request=NewTerms,
        responses={200: AccountShown, 202: AdjustmentShown},
    )
    def post(self, request: Request, id: str) -> Response:
        """
        400 names the field that is refused and the way out. With more credit, by more than a limit, all of it waits for
        a second person: 202, and the adjustment that somebody else has to approve.
        """
        wanted, own = NewTerms(data=request.data), self.get_object()
        wanted.is_valid(raise_exception=True)
        said = wanted.validated_data
        decision = Decision(
            mode=BillingMode(said["mode"]),
            trust=TrustLevel(said["trust"]),
            credit_micros=said["credit_micros"],
            reason=said["reason"],
            override=said["override"],
        )
        try:
            made = by_hand.decide(organization=own, decision=decision, by=staff_of(request), now=now())
        except paying.ChangeRefused as refused:
            field = "credit_micros" if refused.field == "credit" else refused.field
            raise bad_field(field, str(refused)) from refused
        return done_or_waiting(made, AccountShown, status=200)
