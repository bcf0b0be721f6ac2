"""Idempotency keys: the same key and parameters replay the first answer, whatever it was."""

import hashlib
import json

from standins.stripe.errors import ApiError
from standins.stripe.store import JSON, Store

Answer = tuple[int, JSON]
_KEPT_SECONDS = 24 * 3600


def in_use(key: str | None) -> ApiError:
    """Stripe's 409 for a key whose first request is still running."""
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later."
    )
    return ApiError(409, message, type="idempotency_error", code="idempotency_key_in_use")


def saved(store: Store, key: str, endpoint: str, params: JSON, now: int) -> tuple[Answer, str] | None:
    """The first answer for this key and the request that got it, or None (also after a day).

    Raises ApiError 400 when endpoint or parameters are not the first's.
    """
    rows = store.execute("SELECT * FROM replies WHERE key = ? AND at > ?", key, now - _KEPT_SECONDS)
    if not rows:
        return None
    [first] = rows
    if first["endpoint"] != endpoint:
        same = f"for the same endpoint they were first used for ('{first['endpoint']}' vs '{endpoint}')"
    elif first["fingerprint"] != _fingerprint(params):
        same = "with the same parameters they were first used with"
    else:
        return (first["status"], json.loads(first["body"])), str(first["request"])
    message = (
        f"Keys for idempotent requests can only be used {same}. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    raise ApiError(400, message, type="idempotency_error")


def save(store: Store, key: str, endpoint: str, params: JSON, answer: Answer, now: int, request: str) -> None:
    """Keep the answer with its key."""
    status, body = answer
    values = (key, now, endpoint, _fingerprint(params), status, json.dumps(body), request)
    store.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?)", *values)


def forget(store: Store) -> None:
    """What Stripe does to keys older than a day: the same key then makes a new request."""
    store.execute("DELETE FROM replies")


def _fingerprint(params: JSON) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
