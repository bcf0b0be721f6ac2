"""The operator's part of the API: giving promotional credit."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import staff_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.http.problems import bad_field
from billing import by_hand, granting
from billing.access import MAY_GIVE
from billing.api.adjustments import done_or_waiting
from billing.models import CreditGrant
from billing.serializers.adjustments import AdjustmentShown
from billing.serializers.cards import CreditGrantShown, NewCreditGrant


class GiveCredit(GenericAPIView[Any]):
    """For staff who may give credit."""

    queryset = CreditGrant.objects.all()
    serializer_class = CreditGrantShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"POST": MAY_GIVE}

    @extend_schema(
        operation_id="operations_promotional_credit_give",
        summary="Give credit",
        request=NewCreditGrant,
        responses={201: CreditGrantShown, 202: AdjustmentShown},
    )
    def post(self, request: Request) -> Response:
        """
        Once for each `key` of yours: the same key again gives nothing and shows what it gave. Above a limit it waits
        for a second person: 202, and the adjustment that somebody else has to approve.
        """
        wanted = NewCreditGrant(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            made = by_hand.give(by=staff_of(request), now=now(), **wanted.validated_data)
        except granting.BadGrant as bad:
            raise bad_field(bad.field, str(bad)) from bad
        return done_or_waiting(made, CreditGrantShown)
