"""Addresses of pages."""

from django.urls import path

from accounts.views import keys, organization, tokens

urlpatterns = [
    path("ssh-keys/", keys.ssh_keys, name="ssh-keys"),
    path("ssh-keys/add/", keys.add, name="ssh-key-add"),
    path("ssh-keys/<str:id>/remove/", keys.remove, name="ssh-key-remove"),
    path("api-tokens/", tokens.api_tokens, name="api-tokens"),
    path("api-tokens/create/", tokens.create, name="api-token-create"),
    path("api-tokens/<str:id>/revoke/", tokens.revoke, name="api-token-revoke"),
    path("organization/", organization.organization, name="organization"),
    path("organization/create/", organization.create, name="organization-create"),
    path("activity/", organization.activity, name="activity"),
    path("settings/", organization.settings, name="settings"),
]
