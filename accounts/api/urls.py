"""Addresses below /api/v1/."""

from django.urls import path

from accounts.api.keys import OneSSHKey, SSHKeys
from accounts.api.organization import Events, OwnOrganization
from accounts.api.tokens import OneToken, Tokens

urlpatterns = [
    path("ssh-keys", SSHKeys.as_view(), name="api_ssh_keys"),
    path("ssh-keys/<str:id>", OneSSHKey.as_view(), name="api_ssh_key"),
    path("tokens", Tokens.as_view(), name="api_tokens"),
    path("tokens/<str:id>", OneToken.as_view(), name="api_token"),
    path("events", Events.as_view(), name="api_events"),
    path("organization", OwnOrganization.as_view(), name="api_organization"),
]
