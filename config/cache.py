"""The cache in Valkey, over clients that are kept: making one costs more than the question that it is made for."""

from functools import cached_property
from typing import Any

from django.core.cache.backends import redis


class _KeptClient(redis.RedisCacheClient):
    @cached_property
    def _kept(self) -> Any:
        return super().get_client()

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        return self._kept


class RedisCache(redis.RedisCache):
    """Django's, for one server, with one client for each thread instead of one for each call."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _KeptClient
