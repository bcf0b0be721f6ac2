"""Webhook endpoints: where the organization's own programs are told what happens."""

from collections.abc import Iterator
from contextlib import contextmanager

from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import Problem, bad_field
from accounts.http.views import OrganizationView
from accounts.models import WebhookEndpoint
from accounts.serializers.webhooks import (
    NewWebhookEndpoint,
    SentAgain,
    WebhookDeliveryShown,
    WebhookEndpointChange,
    WebhookEndpointMade,
    WebhookEndpointShown,
)
from accounts.webhooks import endpoints


@contextmanager
def problems() -> Iterator[None]:
    """What the operations refuse, as the API says it."""
    try:
        yield
    except endpoints.BadEndpoint as error:
        raise bad_field(error.field, error.message) from error
    except endpoints.TooMany as error:
        raise Problem(409, "webhook_limit_reached", "There are too many", str(error)) from error


class WebhookEndpoints(ListModelMixin, OrganizationView):
    """Addresses that are told of events."""

    queryset = WebhookEndpoint.objects.all()
    serializer_class = WebhookEndpointShown
    required = {"GET": "org:read", "POST": "org:write"}

    @extend_schema(operation_id="webhook_endpoints_list", summary="List webhook endpoints")
    def get(self, request: Request) -> Response:
        """Every endpoint, newest first, without its secret."""
        return self.list(request)

    @extend_schema(
        operation_id="webhook_endpoints_create",
        summary="Add a webhook endpoint",
        request=NewWebhookEndpoint,
        responses={201: WebhookEndpointMade},
    )
    def post(self, request: Request) -> Response:
        """
        Each event from now on is sent there as a POST of JSON, signed as Standard Webhooks says. The secret is in this
        answer and nowhere else. Events come at least once and in no promised order. 409 `webhook_limit_reached`.
        """
        wanted = NewWebhookEndpoint(data=request.data)
        wanted.is_valid(raise_exception=True)
        who = self.principal
        with problems():
            endpoint, secret = endpoints.create(
                organization=who.organization, actor=who.actor, now=now(), **wanted.validated_data
            )
        return Response({**WebhookEndpointShown(endpoint).data, "secret": secret}, status=201)


class OneWebhookEndpoint(OrganizationView):
    """One endpoint."""

    queryset = WebhookEndpoint.objects.all()
    serializer_class = WebhookEndpointShown
    required = {"GET": "org:read", "PATCH": "org:write", "DELETE": "org:write"}

    @extend_schema(operation_id="webhook_endpoints_get", summary="Show a webhook endpoint")
    def get(self, request: Request, id: str) -> Response:
        """Whether it is told, since when it fails if it does, and until when a former secret signs too."""
        return Response(WebhookEndpointShown(self.get_object()).data)

    @extend_schema(
        operation_id="webhook_endpoints_change", summary="Change a webhook endpoint", request=WebhookEndpointChange
    )
    def patch(self, request: Request, id: str) -> Response:
        """
        From now on. Switched off, what is pending fails; switched on again, it is told of what happens from then on,
        and `send-again` sends what failed.
        """
        endpoint = self.get_object()
        wanted = WebhookEndpointChange(data=request.data)
        wanted.is_valid(raise_exception=True)
        with problems():
            changed = endpoints.change(
                endpoint=endpoint, actor=self.principal.actor, now=now(), **wanted.validated_data
            )
        return Response(WebhookEndpointShown(changed).data)

    @extend_schema(operation_id="webhook_endpoints_remove", summary="Remove a webhook endpoint", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Nothing is sent there any more."""
        endpoints.remove(endpoint=self.get_object(), actor=self.principal.actor, now=now())
        return Response(status=204)


class _Act(OrganizationView):
    """Something that is done with an endpoint."""

    queryset = WebhookEndpoint.objects.all()
    required = {"POST": "org:write"}


class RotateSecret(_Act):
    """Another secret."""

    @extend_schema(
        operation_id="webhook_endpoints_rotate_secret",
        summary="Replace an endpoint's secret",
        request=None,
        responses=WebhookEndpointMade,
    )
    def post(self, request: Request, id: str) -> Response:
        """The new secret signs at once; for 24 hours the former one signs too. The text is in this answer alone."""
        endpoint, secret = endpoints.rotate(endpoint=self.get_object(), actor=self.principal.actor, now=now())
        return Response({**WebhookEndpointShown(endpoint).data, "secret": secret})


class TestEndpoint(_Act):
    """An event that says only that it is a test."""

    @extend_schema(
        operation_id="webhook_endpoints_test",
        summary="Send an endpoint a test event",
        request=None,
        responses={202: WebhookDeliveryShown},
    )
    def post(self, request: Request, id: str) -> Response:
        """`webhook_endpoint.tested` is sent there within seconds, whatever kinds it has chosen; 20 times an hour."""
        with problems():
            delivery = endpoints.send_test(endpoint=self.get_object(), actor=self.principal.actor, now=now())
        return Response(WebhookDeliveryShown(delivery).data, status=202)


class SendFailedAgain(_Act):
    """What did not arrive."""

    @extend_schema(
        operation_id="webhook_endpoints_send_again",
        summary="Send all that failed again",
        request=None,
        responses={202: SentAgain},
    )
    def post(self, request: Request, id: str) -> Response:
        """Every failed delivery of the last 30 days, with its webhook-id of before."""
        with problems():
            found = endpoints.send_again(endpoint=self.get_object(), actor=self.principal.actor, now=now())
        return Response({"deliveries": found}, status=202)
