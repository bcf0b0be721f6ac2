"""
What is sent, and how it is signed: Standard Webhooks 1.0.0.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from accounts.models import Event, WebhookEndpoint
from accounts.seal import seal, unseal

PREFIX = "whsec_"
SECRET_BYTES = 32
PURPOSE = "webhook"


def new_secret() -> str:
    """A fresh secret, as its receiver keeps it."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sealed(secret: str) -> str:
    """The secret as it is stored."""
    return seal(secret, purpose=PURPOSE)


def body(event: Event) -> bytes:
    """The event as `GET /api/v1/events` shows it, in the envelope of the specification."""
    data: dict[str, Any] = {
        "id": event.public_id,
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "data": event.data,
        "at": _written(event.at),
    }
    envelope = {"type": event.kind, "timestamp": _written(event.at), "data": data}
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()


def headers(*, endpoint: WebhookEndpoint, id: str, body: bytes, now: datetime) -> dict[str, str]:
    """
    The headers of one try. `id` is the same for every try of an event, so that a receiver acts on it once. While a
    secret is being replaced, the former one signs too.

    :raises Unsealable: if the secret cannot be read any more
    """
    timestamp = str(int(now.timestamp()))
    known = [endpoint.secret]
    if endpoint.former_until and now < endpoint.former_until:
        known.append(endpoint.former_secret)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Gridlease-Webhooks",
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signatures([unseal(one, purpose=PURPOSE) for one in known], id, timestamp, body),
    }


def signatures(known: Sequence[str], id: str, timestamp: str, body: bytes) -> str:
    """One signature for each secret, separated by spaces."""
    signed = f"{id}.{timestamp}.".encode() + body
    digests = (hmac.digest(b64decode(secret.removeprefix(PREFIX)), signed, "sha256") for secret in known)
    return " ".join(f"v1,{b64encode(digest).decode()}" for digest in digests)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
