"""Fairness between callers. Hard limits on money and nodes are kept by the database, never here."""

import logging
from typing import Any

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.access import find_principal

log = logging.getLogger(__name__)
SPANS = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}
counter: Any = cache  # config.cache.RedisCache: other caches do not count calls


class FairUse(SimpleRateThrottle):
    """
    So many calls a minute for each principal, or for each address while nobody is known. Counted by the cache itself:
    as REST framework counts, calls that come at once pass together.
    """

    safe: bool
    num_requests: int  # of the rate, as REST framework reads it
    duration: int  # seconds
    seconds = 0.0  # to wait

    def allow_request(self, request: Request, view: Any) -> bool:
        """Whether the call is within the rate. With the cache down every call is: returning a node must always work."""
        if (request.method in SAFE_METHODS) is not self.safe:
            return True
        counted = self.get_cache_key(request, view)
        try:
            self.seconds = counter.wait(counted, most=self.num_requests, seconds=self.duration)
        except RedisError:
            log.exception("rate limits are off: the cache does not answer")
        return not self.seconds

    def wait(self) -> float:
        """Until a further call is within the rate, seconds."""
        return self.seconds

    def get_cache_key(self, request: Request, view: Any) -> str:
        """Whose calls are counted together."""
        principal = find_principal(request)
        return f"throttle:{self.scope}:{principal.actor if principal else self.get_ident(request)}"


def refusal(throttles: list[Any], request: Request, seconds: int) -> str:
    """What a caller over its rate reads: the rate, and how long to wait."""
    safe = request.method in SAFE_METHODS
    rate = next(throttle for throttle in throttles if throttle.safe is safe)
    span = SPANS.get(rate.duration, f"in {rate.duration} seconds")
    return f"Too many requests: {rate.num_requests} {span} are allowed. Try again in {seconds} seconds."


class Reads(FairUse):
    """Calls that change nothing."""

    scope = "read"
    rate = "1200/min"
    safe = True


class Writes(FairUse):
    """Calls that change something."""

    scope = "write"
    rate = "300/min"
    safe = False


class Launches(FairUse):
    """Orders, in place of `Writes`: they cost more than other calls, since nodes are prepared and wiped for each."""

    scope = "launch"
    safe = False

    def get_rate(self) -> str:
        """As set for this installation."""
        return str(settings.LAUNCH_RATE)
