"""What was sent to a webhook endpoint, and what came of it."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.webhooks import problems
from accounts.clock import now
from accounts.http.views import OrganizationView
from accounts.models import WebhookDelivery, WebhookEndpoint
from accounts.serializers import filters
from accounts.serializers.webhooks import DeliveryFilter, WebhookDeliveryShown
from accounts.webhooks import endpoints


class DeliveryView(OrganizationView):
    """Deliveries to one endpoint of the caller's organization."""

    queryset = WebhookDelivery.objects.select_related("event")
    serializer_class = WebhookDeliveryShown
    lookup_url_kwarg = "delivery"

    @property
    def endpoint(self) -> WebhookEndpoint:
        """The endpoint in the address."""
        own = WebhookEndpoint.objects.filter(organization=self.principal.organization)
        return get_object_or_404(own, public_id=self.kwargs["id"])

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the endpoint in the address."""
        return WebhookDelivery.objects.select_related("event").filter(endpoint=self.endpoint)


class Deliveries(ListModelMixin, DeliveryView):
    """What was sent, newest first."""

    required = {"GET": "org:read"}

    @extend_schema(
        operation_id="webhook_deliveries_list", summary="List deliveries to an endpoint", parameters=[DeliveryFilter]
    )
    def get(self, request: Request, id: str) -> Response:
        """Those of the last 30 days, each with status, duration and the first KiB of the latest answer."""
        return self.list(request)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the wanted state."""
        wanted = filters(DeliveryFilter, self.request.query_params)
        return queryset.filter(state=wanted["state"]) if "state" in wanted else queryset


class OneDelivery(DeliveryView):
    """One delivery."""

    required = {"GET": "org:read"}

    @extend_schema(operation_id="webhook_deliveries_get", summary="Show a delivery")
    def get(self, request: Request, id: str, delivery: str) -> Response:
        """What came of its latest try, and when it is tried next."""
        return Response(WebhookDeliveryShown(self.get_object()).data)


class SendAgain(DeliveryView):
    """One delivery once more."""

    required = {"POST": "org:write"}

    @extend_schema(
        operation_id="webhook_deliveries_send_again",
        summary="Send a delivery again",
        request=None,
        responses={202: WebhookDeliveryShown},
    )
    def post(self, request: Request, id: str, delivery: str) -> Response:
        """Whatever became of it, with its webhook-id of before, so that a receiver that has it can tell."""
        row = self.get_object()
        with problems():
            endpoints.send_again(endpoint=self.endpoint, actor=self.principal.actor, now=now(), delivery=row.public_id)
        row.refresh_from_db()
        return Response(WebhookDeliveryShown(row).data, status=202)
