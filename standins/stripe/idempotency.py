"""Idempotency keys: the same key and parameters replay the first answer, whatever it was."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from standins.stripe.errors import ApiError
from standins.stripe.store import JSON, Store

Answer = tuple[int, JSON]


class KeysInUse:
    """The keys of requests that are running now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[str | None] = set()

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        """Keep the key for this request. Raises ApiError 409 while another has it."""
        with self._lock:
            if key is not None and key in self._keys:
                raise _in_use(key)
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


def _in_use(key: str) -> ApiError:
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later."
    )
    return ApiError(409, message, type="idempotency_error", code="idempotency_key_in_use")


def saved(store: Store, key: str, endpoint: str, params: JSON) -> Answer | None:
    """The first answer for this key, or None. Raises ApiError 400 when endpoint or parameters are not the first's."""
    rows = store.execute("SELECT * FROM answers WHERE key = ?", key)
    if not rows:
        return None
    [first] = rows
    if first["endpoint"] != endpoint:
        same = f"for the same endpoint they were first used for ('{first['endpoint']}' vs '{endpoint}')"
    elif first["fingerprint"] != _fingerprint(params):
        same = "with the same parameters they were first used with"
    else:
        return first["status"], json.loads(first["body"])
    message = (
        f"Keys for idempotent requests can only be used {same}. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    raise ApiError(400, message, type="idempotency_error")


def save(store: Store, key: str, endpoint: str, params: JSON, answer: Answer) -> None:
    """Keep the answer with its key."""
    status, body = answer
    values = (key, endpoint, _fingerprint(params), status, json.dumps(body))
    store.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", *values)


def forget(store: Store) -> None:
    """What Stripe does to keys older than a day: the same key then makes a new request."""
    store.execute("DELETE FROM answers")


def _fingerprint(params: JSON) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
