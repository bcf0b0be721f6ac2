"""Budgets, and what a quote would leave of them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import Problem
from accounts.http.views import OrganizationView
from accounts.serializers import filters
from billing import budgets, limits
from billing.models import Budget, Quote
from billing.queries import commitments
from billing.serializers.budgets import (
    BudgetChange,
    BudgetShown,
    NewBudget,
    NodesAllowedShown,
    OutlookShown,
    ProjectFilter,
)


class BudgetView(OrganizationView):
    """Budgets of the caller's organization that are in force."""

    queryset = Budget.objects.filter(active=True)
    serializer_class = BudgetShown

    def get_serializer_context(self) -> dict[str, Any]:
        """Their figures are those of this moment."""
        moment = now()
        spoken = commitments(organization=self.principal.organization, now=moment)
        return {**super().get_serializer_context(), "now": moment, "commitments": spoken}


class Budgets(ListModelMixin, BudgetView):
    """Caps on what is spent in a month."""

    required = {"GET": "money:read", "POST": "money:write"}

    @extend_schema(operation_id="budgets_list", summary="List budgets")
    def get(self, request: Request) -> Response:
        """Every budget in force, newest first, with what is committed and left this UTC month."""
        return self.list(request)

    @extend_schema(
        operation_id="budgets_create", summary="Set a budget", request=NewBudget, responses={201: BudgetShown}
    )
    def post(self, request: Request) -> Response:
        """Cap every UTC month, for one project or for the organization. 409 `budget_exists`: change that one."""
        wanted = NewBudget(data=request.data)
        wanted.is_valid(raise_exception=True)
        who = self.principal
        try:
            made = budgets.create(
                organization=who.organization,
                actor=who.actor,
                created_by=who.user,
                now=now(),
                **wanted.validated_data,
            )
        except budgets.BudgetExists as error:
            raise Problem(409, "budget_exists", "There is one already", str(error)) from error
        return Response(self.get_serializer(made).data, status=201)


class OneBudget(BudgetView):
    """One budget."""

    required = {"GET": "money:read", "PATCH": "money:write", "DELETE": "money:write"}

    @extend_schema(operation_id="budgets_get", summary="Show a budget")
    def get(self, request: Request, id: str) -> Response:
        """What is committed and left this UTC month, and when the limit is reached at what runs now."""
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(operation_id="budgets_change", summary="Change a budget's limit", request=BudgetChange)
    def patch(self, request: Request, id: str) -> Response:
        """From now on. A limit below what is committed refuses orders and pauses what runs on demand."""
        budget = self.get_object()
        wanted = BudgetChange(data=request.data)
        wanted.is_valid(raise_exception=True)
        changed = budgets.change(budget=budget, actor=self.principal.actor, now=now(), **wanted.validated_data)
        return Response(self.get_serializer(changed).data)

    @extend_schema(operation_id="budgets_remove", summary="Remove a budget", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Nothing is capped by it any more."""
        budgets.remove(budget=self.get_object(), actor=self.principal.actor, now=now())
        return Response(status=204)


class QuoteBudgets(OrganizationView):
    """What a quote would leave of the budgets."""

    queryset = Quote.objects.all()
    pagination_class = None
    serializer_class = OutlookShown
    required = {"GET": "lease:read"}

    @extend_schema(
        operation_id="quotes_budgets",
        summary="Show what a quote leaves of the budgets",
        parameters=[ProjectFilter],
        responses=OutlookShown(many=True),
    )
    def get(self, request: Request, id: str) -> Response:
        """
        With an order by this quote counted in: each budget that it would count towards, in each month that it touches;
        without an end in the next month too, where it reaches a limit then and not before.
        """
        quote = self.get_object()
        project = filters(ProjectFilter, request.query_params).get("project", "")
        shown = budgets.with_order(quote=quote, project=project, now=now())
        return Response(self.get_serializer(shown, many=True).data)


class Limits(OrganizationView):
    """How many nodes the organization may have at once."""

    queryset = Budget.objects.all()
    pagination_class = None
    serializer_class = NodesAllowedShown
    required = {"GET": "org:read"}

    @extend_schema(operation_id="organization_limits", summary="Show limits", responses=NodesAllowedShown(many=True))
    def get(self, request: Request) -> Response:
        """Nodes at once, plan by plan, and the most that are in use or booked at one moment from now on."""
        allowed = limits.nodes_allowed(organization=self.principal.organization, now=now())
        return Response(self.get_serializer(allowed, many=True).data)
