"""Addresses of pages."""

from django.urls import path

from accounts.views import keys, organization, tokens, webhooks

urlpatterns = [
    path("ssh-keys/", keys.ssh_keys, name="ssh-keys"),
    path("ssh-keys/add/", keys.add, name="ssh-key-add"),
    path("ssh-keys/<str:id>/remove/", keys.remove, name="ssh-key-remove"),
    path("api-tokens/", tokens.api_tokens, name="api-tokens"),
    path("api-tokens/create/", tokens.create, name="api-token-create"),
    path("api-tokens/<str:id>/revoke/", tokens.revoke, name="api-token-revoke"),
    path("webhooks/", webhooks.webhooks, name="webhooks"),
    path("webhooks/create/", webhooks.create, name="webhook-create"),
    path("webhooks/<str:id>/", webhooks.webhook, name="webhook"),
    path("webhooks/<str:id>/change/", webhooks.change, name="webhook-change"),
    path("webhooks/<str:id>/secret/", webhooks.secret, name="webhook-secret"),
    path("webhooks/<str:id>/remove/", webhooks.remove, name="webhook-remove"),
    path("webhooks/<str:id>/test/", webhooks.test, name="webhook-test"),
    path("webhooks/<str:id>/send-again/", webhooks.send_again, name="webhook-send-again"),
    path("webhooks/<str:id>/deliveries/<str:delivery>/", webhooks.delivery, name="webhook-delivery"),
    path(
        "webhooks/<str:id>/deliveries/<str:delivery>/send-again/",
        webhooks.send_again,
        name="webhook-delivery-send-again",
    ),
    path("organization/", organization.organization, name="organization"),
    path("organization/create/", organization.create, name="organization-create"),
    path("activity/", organization.activity, name="activity"),
    path("settings/", organization.settings, name="settings"),
]
