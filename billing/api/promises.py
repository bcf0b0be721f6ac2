"""Promises: what is credited when one is not kept, and what a lease was credited."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from billing.api.orders import LeaseView
from billing.models import CreditRule
from billing.queries.promises import announced_rules, rule_credits, rules_at
from billing.serializers.promises import RuleCreditShown, RulesShown


class Promises(GenericAPIView[Any]):
    """The rules, open to everybody."""

    queryset = CreditRule.objects.all()
    serializer_class = RulesShown
    permission_classes = [AllowAny]

    @extend_schema(operation_id="promises_get", summary="Show what broken promises are credited with")
    def get(self, request: Request) -> Response:
        """The rules for leases that are ordered now, and announced ones."""
        moment = now()
        shown = {"in_force": rules_at(moment).values(), "announced": announced_rules(moment)}
        return Response(RulesShown(shown).data)


class LeaseCredits(LeaseView):
    """What a lease was credited by rule."""

    serializer_class = RuleCreditShown
    ordering: ClassVar[tuple[str, ...]] = ("pk",)

    @extend_schema(
        operation_id="leases_credits", summary="List a lease's credits", responses=RuleCreditShown(many=True)
    )
    def get(self, request: Request, id: str) -> Response:
        """For promises that were not kept, oldest first. They are given without being asked for, within minutes."""
        page = self.paginate_queryset(rule_credits(self.get_object()))
        return self.get_paginated_response(RuleCreditShown(page, many=True).data)
