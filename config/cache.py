"""
The cache in Valkey, over clients that are kept: making one costs more than the question that it is made for; and counts
of calls, which many processes make at once.
"""

from functools import cached_property
from typing import Any

from django.core.cache.backends import redis

# The times of the last calls, newest first, no more than are allowed: the last of them decides. Seconds.
WAIT = """
    local time, most, within = redis.call('TIME'), tonumber(ARGV[1]), tonumber(ARGV[2])
    local now = time[1] + time[2] / 1000000
    local first = redis.call('LINDEX', KEYS[1], most - 1)
    if first and first + within > now then return tostring(first + within - now) end
    redis.call('LPUSH', KEYS[1], string.format('%.6f', now))
    redis.call('LTRIM', KEYS[1], 0, most - 1)
    redis.call('EXPIRE', KEYS[1], within)
    return '0'
"""


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

    def wait(self, key: str, *, most: int, seconds: int) -> float:
        """
        Counts a call, unless there were as many as are allowed within so many seconds: then for how many more there are
        too many. One trip, and exact for calls that come at once.

        :raises redis.exceptions.RedisError: if the cache does not answer
        """
        return float(self._wait(keys=[self.make_and_validate_key(key)], args=[most, seconds]))

    @cached_property
    def _wait(self) -> Any:
        return self._cache.get_client().register_script(WAIT)
