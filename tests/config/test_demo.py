"""The demonstration that ./run makes, and what demo.json says of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from accounts.models import Organization, SSHKey
from billing.models import LedgerAccount
from config import cli

pytestmark = pytest.mark.django_db
Seed = Callable[[], dict[str, Any]]


@pytest.fixture
def seed(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seed:
    settings.EMBEDDED, settings.STATE_DIR = True, tmp_path
    monkeypatch.setenv("STATE_DIR", str(tmp_path))

    def run() -> dict[str, Any]:
        call_command("seed_demo", verbosity=0)
        said: dict[str, Any] = json.loads((tmp_path / "demo.json").read_text())
        return said

    return run


def test_every_login_and_the_token_of_demo_json_work(seed: Seed, client: Client) -> None:
    demo = seed()
    for name in ("customer", "engineer", "finance", "admin"):
        assert client.login(username=demo[name]["email"], email=demo[name]["email"], password=demo[name]["password"])
    answer = Client().get("/api/v1/wallet", headers={"Authorization": f"Bearer {demo['api_token']}"})
    assert answer.json()["available_micros"] == 500_000_000


def test_the_demonstration_can_be_made_again_and_stays_the_same(seed: Seed) -> None:
    first = seed()
    assert seed() == first
    assert Organization.objects.count() == SSHKey.objects.count() == 1
    assert LedgerAccount.objects.get(kind="wallet").balance_micros == 500_000_000


def test_a_lost_demo_json_is_written_anew_with_logins_that_work(seed: Seed, tmp_path: Path, client: Client) -> None:
    seed()
    (tmp_path / "demo.json").unlink()
    customer = seed()["customer"]
    assert client.login(username=customer["email"], email=customer["email"], password=customer["password"])
    assert Organization.objects.count() == 1


def test_run_code_prints_what_the_staffs_authenticator_would_show(seed: Seed) -> None:
    seed()
    cache.clear()
    authenticator = TOTP(Authenticator.objects.get(type=Authenticator.Type.TOTP))
    assert authenticator.validate_code(cli.code())


def test_secrets_are_readable_by_their_owner_alone(seed: Seed, tmp_path: Path) -> None:
    seed()
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("demo.json", "demo_key")} == {0o600}


def test_there_is_no_demonstration_where_real_customers_are(seed: Seed, settings: Settings, tmp_path: Path) -> None:
    settings.EMBEDDED = False
    call_command("seed_demo", verbosity=0)
    assert not (tmp_path / "demo.json").exists()
    assert Organization.objects.count() == 0
