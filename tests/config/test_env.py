"""The readers of the environment: what they accept, and what they say about the rest."""

from collections.abc import Callable

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    def put(value: str) -> str:
        monkeypatch.setenv("X", value)
        return "X"

    return put


def test_a_missing_variable_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X", raising=False)
    with pytest.raises(ImproperlyConfigured, match=r"X is not set. Start through ./run"):
        env.text("X")


def test_a_database_may_be_behind_a_port_or_a_socket(variable: Callable[[str], str]) -> None:
    remote = env.database(variable("postgresql://grid:secret@db.example.com:6432/lease?sslmode=require"))
    assert (remote["HOST"], remote["PORT"], remote["NAME"]) == ("db.example.com", "6432", "lease")
    assert remote["OPTIONS"]["sslmode"] == "require"
    local = env.database(variable("postgresql://grid@/lease?host=/run/postgresql"))
    assert (local["HOST"], local["PORT"]) == ("/run/postgresql", "")


def test_only_postgresql_will_do(variable: Callable[[str], str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="postgresql://"):
        env.database(variable("sqlite:///x"))


@pytest.mark.parametrize(
    ("url", "cache", "broker"),
    [
        ("redis://cache:6379", "redis://cache:6379/1", "redis://cache:6379/0"),
        ("rediss://:pw@cache/7", "rediss://:pw@cache/1", "rediss://:pw@cache/0"),
        ("unix:///run/v.sock", "unix:///run/v.sock?db=1", "redis+socket:///run/v.sock?virtual_host=0"),
    ],
)
def test_broker_and_cache_share_a_server_and_no_keys(
    variable: Callable[[str], str], url: str, cache: str, broker: str
) -> None:
    assert env.redis(variable(url), 1) == cache
    assert env.broker(variable(url)) == broker


@pytest.mark.parametrize("wrong", ["yes", "true", "2"])
def test_a_switch_is_0_or_1_and_nothing_else(variable: Callable[[str], str], wrong: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="0 or 1"):
        env.flag(variable(wrong))


def test_mail_goes_out_encrypted(variable: Callable[[str], str]) -> None:
    assert env.smtp(variable("smtp://u:p@mail.example.com"))["EMAIL_USE_TLS"]
    assert env.smtp(variable("smtps://u:p@mail.example.com"))["EMAIL_PORT"] == 465
    with pytest.raises(ImproperlyConfigured, match="smtp://user"):
        env.smtp(variable("mail.example.com"))


def test_failpoints_are_refused_where_customers_are_served(variable: Callable[[str], str]) -> None:
    assert env.failpoints(variable("a,b"), allowed=True) == ["a", "b"]
    with pytest.raises(ImproperlyConfigured, match="Unset it"):
        env.failpoints(variable("a"), allowed=False)
