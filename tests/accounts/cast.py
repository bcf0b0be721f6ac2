"""People and what they hold, for the tests of accounts."""

from django.test import Client as Browser
from rest_framework.test import APIClient

from accounts.access import ACTIONS, ROLE_ACTIONS
from accounts.clock import now
from accounts.models import Membership, Organization, User
from accounts.operations import issue_token

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ED25519_PRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


def a_token(organization: Organization, user: User, *scopes: str) -> str:
    """The text of a token with `scopes`; without any, with all that the user's role allows."""
    role = Membership.objects.get(organization=organization, user=user).role
    granted = scopes or [action for action in ACTIONS if action in ROLE_ACTIONS[role]]
    _, text = issue_token(
        organization=organization, user=user, name="script", scopes=granted, expires_at=None, now=now()
    )
    return text


def a_client(token: str) -> APIClient:
    """A script that sends `token`."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def a_browser(user: User) -> Browser:
    """A browser in which `user` is logged in; it checks CSRF tokens as a real one is checked."""
    browser = Browser()
    browser.force_login(user)
    return browser
