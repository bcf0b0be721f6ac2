"""Rate limits count calls that come at once, each one."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.throttling import SimpleRateThrottle

from accounts.access import remember
from accounts.http.throttles import FairUse, counter
from tests.together import meeting, together

CALLERS, ALLOWED = 6, 2


class Few(FairUse):
    scope, rate, safe = "few", f"{ALLOWED}/min", False

    def get_ident(self, request: Any) -> str:
        return "192.0.2.7"


@pytest.fixture(autouse=True)
def nobody_called_yet() -> None:
    cache.clear()


def call(number: int) -> bool:
    request: Any = SimpleNamespace(method="POST", user=None)
    remember(request, None)
    return Few().allow_request(request, None)


def test_calls_that_come_at_once_are_counted_each() -> None:
    assert sorted(map(bool, together(CALLERS, call))) == [False] * (CALLERS - ALLOWED) + [True] * ALLOWED


def test_without_the_caches_own_count_they_pass_together(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = SimpleNamespace(get=meeting(cache.get, CALLERS), set=cache.set)
    monkeypatch.setattr(Few, "cache", looked)
    monkeypatch.setattr(Few, "allow_request", SimpleRateThrottle.allow_request)
    assert together(CALLERS, call) == [True] * CALLERS


def test_who_called_too_often_hears_for_how_long_to_wait_and_no_refusal_makes_it_longer() -> None:
    waits = [counter.wait("a", most=2, seconds=60) for _ in range(5)]
    assert waits[:2] == [0, 0]
    assert 59 < waits[4] < waits[3] < waits[2] <= 60
    assert counter.wait("another", most=2, seconds=60) == 0


def test_a_call_is_forgotten_when_its_time_is_over() -> None:
    counter.wait("a", most=1, seconds=60)
    client: Any = counter._cache.get_client()
    key = counter.make_key("a")
    assert 0 < client.ttl(key) <= 60
    client.lset(key, 0, float(client.lindex(key, 0)) - 60)
    assert counter.wait("a", most=1, seconds=60) == 0


def test_with_the_cache_down_every_call_is_within_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> float:
        raise RedisError("down")

    monkeypatch.setattr(type(counter._connections["default"]), "wait", down)
    assert [call(number) for number in range(ALLOWED + 2)] == [True] * (ALLOWED + 2)
