"""How fast one may call: Stripe's limit for each endpoint (when switched on), and one call at a time on one thing."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from standins.stripe.errors import ApiError


class RateLimit:
    """So many requests a second for each endpoint; none while `per_second` is None."""

    def __init__(self) -> None:
        self.per_second: int | None = None
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = defaultdict(deque)

    def count(self, endpoint: str) -> None:
        """Raises ApiError 429 for a request too many in the last second."""
        if self.per_second is None:
            return
        now = time.monotonic()
        with self._lock:
            calls = self._calls[endpoint]
            while calls and calls[0] <= now - 1:
                calls.popleft()
            if len(calls) >= self.per_second:
                raise rate_limited("endpoint-rate")
            calls.append(now)


class InFlight:
    """What is being worked on now: a second request for the same is refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    @contextmanager
    def hold(self, name: str | None, refusal: ApiError) -> Iterator[None]:
        """Keep the name for this request; None holds nothing. Raises the refusal while another request has it."""
        if name is None:
            yield
            return
        with self._lock:
            if name in self._names:
                raise refusal
            self._names.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._names.discard(name)


def rate_limited(reason: str) -> ApiError:
    """Stripe's 429; `reason` is the value of its Stripe-Rate-Limited-Reason header."""
    refusal = ApiError(429, "Request rate limit exceeded.", code="rate_limit")
    refusal.headers["Stripe-Rate-Limited-Reason"] = reason
    return refusal
