"""Second factors: useless to whoever reads the database, and not shown to staff."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.utils import decrypt
from django.contrib import admin
from pytest_django.fixtures import Settings

from accounts.seal import Unsealable
from tests import factories

pytestmark = pytest.mark.django_db

SECRET = "JBSWY3DPEHPK3PXP"


def stored() -> str:
    """The seed as the database has it."""
    return str(Authenticator.objects.get().data["secret"])


def test_the_seed_of_an_authenticator_app_is_not_in_the_database() -> None:
    TOTP.activate(factories.a_user(), SECRET)
    assert SECRET not in stored()
    assert decrypt(stored()) == SECRET


def test_a_seed_outlives_a_change_of_the_secret_key_while_the_old_one_is_a_fallback(settings: Settings) -> None:
    TOTP.activate(factories.a_user(), SECRET)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 10
    assert decrypt(stored()) == SECRET


def test_a_seed_under_a_forgotten_key_cannot_be_read(settings: Settings) -> None:
    TOTP.activate(factories.a_user(), SECRET)
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(Unsealable):
        decrypt(stored())


def test_staff_cannot_look_at_second_factors() -> None:
    assert not admin.site.is_registered(Authenticator)
