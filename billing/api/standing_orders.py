"""Orders that wait for their nodes."""

from dataclasses import fields, replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.idempotency import idempotent
from accounts.http.problems import bad_field
from accounts.http.views import OrganizationView
from billing import limits, waiting
from billing.api import problems
from billing.api.orders import setup_of
from billing.models import Mode, StandingOrder
from billing.serializers.standing_orders import NewStandingOrder, StandingOrderShown
from leasing.operations import Setup


class StandingOrderView(OrganizationView):
    """Standing orders of the caller's organization."""

    queryset = StandingOrder.objects.select_related("lease", "quote")
    serializer_class = StandingOrderShown
    required = {"GET": "lease:read"}


class StandingOrders(ListModelMixin, StandingOrderView):
    """Nodes that the organization waits for."""

    required = {"GET": "lease:read", "POST": "lease:write"}

    @extend_schema(operation_id="standing_orders_list", summary="List standing orders")
    def get(self, request: Request) -> Response:
        """Every standing order, those that have ended too, newest first."""
        return self.list(request)

    @extend_schema(
        operation_id="standing_orders_create",
        summary="Wait for nodes",
        request=NewStandingOrder,
        responses={201: StandingOrderShown},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Have nodes booked, or be told, as soon as they are free: all of them or none, the cheapest first.

        Whoever has waited longest is served first. It ends as `filled`, `expired` or `cancelled`, each with an event.
        403 `ordering_blocked` where the organization may not order; 409 `standing_order_limit_reached` where as many
        wait already as may, with the `limit`: cancel one first.
        """
        wanted = NewStandingOrder(data=request.data, context={"organization": self.principal.organization})
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        names = {field.name for field in fields(waiting.Wish)}
        try:
            order = waiting.join(
                organization=self.principal.organization,
                actor=self.principal.actor,
                created_by=self.principal.user,
                wish=waiting.Wish(**{name: value for name, value in values.items() if name in names}),
                name=values["name"],
                setup=self._setup(values),
                now=now(),
            )
        except waiting.CannotWait as refusal:
            raise bad_field(refusal.field, refusal.message) from refusal
        except waiting.TooManyWait as refusal:
            raise problems.standing_order_limit_reached(refusal) from refusal
        except limits.OrderingBlocked as refusal:
            raise problems.ordering_blocked(refusal) from refusal
        return Response(StandingOrderShown(order).data, status=201)

    def _setup(self, values: dict[str, Any]) -> Setup | None:
        if values["mode"] == Mode.TELL:
            return None
        return replace(setup_of(self.principal.organization, values), project=values["project"])


class OneStandingOrder(StandingOrderView):
    """One standing order."""

    @extend_schema(operation_id="standing_orders_get", summary="Show a standing order")
    def get(self, request: Request, id: str) -> Response:
        """Its state, and the lease or the quote that it was filled with."""
        return Response(StandingOrderShown(self.get_object()).data)


class Cancel(StandingOrderView):
    """Leaving the line."""

    required = {"POST": "lease:write"}

    @extend_schema(
        operation_id="standing_orders_cancel",
        summary="Cancel a standing order",
        request=None,
        responses=StandingOrderShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """Wait no longer. Cancelling twice does nothing; 409 `not_waiting` once it was filled or has expired."""
        order = self.get_object()
        try:
            waiting.cancel(order=order, actor=self.principal.actor, now=now())
        except waiting.NotWaiting as error:
            raise problems.not_waiting(error) from error
        return Response(StandingOrderShown(order).data)
