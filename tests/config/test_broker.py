"""A broker or cache that hangs holds up nobody: messages only speed things up."""

import socket
import time
from collections.abc import Iterator

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from pytest_django.fixtures import Settings
from redis.exceptions import RedisError

from config.cache import RedisCache
from config.celery import app

PATIENCE = 12  # seconds: the broker's time-out twice, and a margin


@pytest.fixture
def hung() -> Iterator[str]:
    """The URL of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_message_to_a_hung_broker_fails_soon(hung: str) -> None:
    sender = Celery("sender", broker=hung, set_as_current=False)
    sender.conf.update({name: app.conf[name] for name in ("broker_transport_options", "task_publish_retry")})
    began = time.monotonic()
    with pytest.raises(OperationalError):
        sender.send_task("leasing.tasks.sweep")
    assert time.monotonic() - began < PATIENCE


def test_a_question_to_a_hung_cache_fails_soon(hung: str, settings: Settings) -> None:
    cache = RedisCache(hung, settings.CACHES["default"])
    began = time.monotonic()
    with pytest.raises(RedisError):
        cache.get("anything")
    assert time.monotonic() - began < PATIENCE
