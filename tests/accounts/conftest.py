"""The cast: Ada owns Acme, Eli is its engineer, Fay keeps its money; Sam owns Stranger Ltd."""

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Membership, Organization, Role, User
from accounts.operations import create_organization
from tests.accounts.cast import a_client, a_token


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    cache.clear()


def a_member(organization: Organization, email: str, name: str, role: str) -> User:
    user = User.objects.create_user(email, "correct horse battery", name=name)
    Membership.objects.create(organization=organization, user=user, role=role)
    return user


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.com", "correct horse battery", name="Ada Byron")


@pytest.fixture
def acme(ada: User) -> Organization:
    return create_organization(name="Acme Robotics", owner=ada, now=now())


@pytest.fixture
def eli(acme: Organization) -> User:
    return a_member(acme, "eli@example.com", "Eli Engineer", Role.ENGINEER)


@pytest.fixture
def fay(acme: Organization) -> User:
    return a_member(acme, "fay@example.com", "Fay Finance", Role.FINANCE)


@pytest.fixture
def sam(db: None) -> User:
    user = User.objects.create_user("sam@example.com", "correct horse battery", name="Sam Stranger")
    create_organization(name="Stranger Ltd", owner=user, now=now())
    return user


@pytest.fixture
def api(acme: Organization, ada: User) -> APIClient:
    """A script with a token of Ada's that may do everything."""
    return a_client(a_token(acme, ada))
