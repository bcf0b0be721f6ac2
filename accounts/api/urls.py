"""Addresses below /api/v1/."""

from django.urls import path

from accounts.api.deliveries import Deliveries, OneDelivery, SendAgain
from accounts.api.keys import OneSSHKey, SSHKeys
from accounts.api.organization import Events, OwnOrganization
from accounts.api.tokens import OneToken, Tokens
from accounts.api.webhooks import (
    OneWebhookEndpoint,
    RotateSecret,
    SendFailedAgain,
    TestEndpoint,
    WebhookEndpoints,
)

urlpatterns = [
    path("ssh-keys", SSHKeys.as_view(), name="api_ssh_keys"),
    path("ssh-keys/<str:id>", OneSSHKey.as_view(), name="api_ssh_key"),
    path("tokens", Tokens.as_view(), name="api_tokens"),
    path("tokens/<str:id>", OneToken.as_view(), name="api_token"),
    path("events", Events.as_view(), name="api_events"),
    path("webhook-endpoints", WebhookEndpoints.as_view(), name="api_webhook_endpoints"),
    path("webhook-endpoints/<str:id>", OneWebhookEndpoint.as_view(), name="api_webhook_endpoint"),
    path("webhook-endpoints/<str:id>/rotate-secret", RotateSecret.as_view(), name="api_webhook_rotate_secret"),
    path("webhook-endpoints/<str:id>/test", TestEndpoint.as_view(), name="api_webhook_test"),
    path("webhook-endpoints/<str:id>/send-again", SendFailedAgain.as_view(), name="api_webhook_send_again"),
    path("webhook-endpoints/<str:id>/deliveries", Deliveries.as_view(), name="api_webhook_deliveries"),
    path("webhook-endpoints/<str:id>/deliveries/<str:delivery>", OneDelivery.as_view(), name="api_webhook_delivery"),
    path(
        "webhook-endpoints/<str:id>/deliveries/<str:delivery>/send-again",
        SendAgain.as_view(),
        name="api_webhook_delivery_send_again",
    ),
    path("organization", OwnOrganization.as_view(), name="api_organization"),
]
