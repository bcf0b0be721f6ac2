"""Webhooks: signed, kept until delivered, retried with growing pauses, from one thread."""

import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from sqlite3 import Row
from urllib.parse import urlsplit

from standins.stripe.faults import WEBHOOK, Faults
from standins.stripe.store import JSON, Store

log = logging.getLogger(__name__)
_GIVE_UP_SECONDS = 3 * 24 * 3600
_LONGEST_PAUSE_SECONDS = 300.0
_TIMEOUT_SECONDS = 10.0
_IDLE_SECONDS = 15.0


@dataclass
class Endpoint:
    """Where events go (nowhere while `url` is None), the signing secret, and the pause before the first retry."""

    url: str | None
    secret: str
    retry_seconds: float = 1.0


def signature(secret: str, body: bytes, at: int) -> str:
    """The Stripe-Signature header: HMAC-SHA256 over the time (seconds since 1970), a dot and the raw body."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


class Deliverer(threading.Thread):
    """Sends what is due. `tick` runs between deliveries, at least every quarter of a minute."""

    def __init__(
        self, store: Store, faults: Faults, endpoint: Endpoint, tick: Callable[[], None], clock: Callable[[], int]
    ) -> None:
        super().__init__(daemon=True, name="webhooks")
        self.store, self.faults, self.endpoint, self.tick, self.clock = store, faults, endpoint, tick, clock
        self._changed = threading.Condition()
        self._woken = self._stopping = False

    def announce(self, event: JSON) -> None:
        """Queue the event, inside the transaction that made it; a webhook fault decides how."""
        endpoints = self._listening(event["type"])
        if not endpoints:
            return
        if "pending_webhooks" in event:
            self.store.put(event | {"pending_webhooks": len(endpoints)})
        fault = self.faults.take("POST", WEBHOOK, event["type"])
        mode = fault.mode if fault else ""
        state = {"reorder": "held", "drop": "dropped"}.get(mode, "pending")
        for endpoint in endpoints:
            if mode == "forge":
                self.queue(event["id"], endpoint, forged=True)
            for _ in range(2 if mode == "duplicate" else 1):
                self.queue(event["id"], endpoint, state=state, pause=fault.seconds if fault and mode == "delay" else 0)

    def _listening(self, type: str) -> list[str]:
        """The endpoints that want such events: "" is the one given at the start, the others were made through the
        API."""
        made = self.store.newest(
            "webhook_endpoint",
            lambda item: item["status"] == "enabled" and not {"*", type}.isdisjoint(item["enabled_events"]),
        )
        return [""] * (self.endpoint.url is not None) + [item["id"] for item in made]

    def _endpoint_of(self, endpoint: str) -> Endpoint | None:
        if not endpoint:
            return self.endpoint if self.endpoint.url else None
        found = self.store.find(endpoint)
        if found is None or found.get("deleted"):
            return None
        secret = (self.store.find(f"private_{endpoint}") or {}).get("secret", "")
        return Endpoint(found["url"], secret, self.endpoint.retry_seconds)

    def queue(
        self, event: str, endpoint: str = "", *, state: str = "pending", forged: bool = False, pause: float = 0
    ) -> None:
        """Add one delivery, due after `pause` seconds."""
        now = time.time()
        values = (event, endpoint, state, forged, now, now + pause)
        names = "event, endpoint, state, forged, attempts, started_at, due_at"
        self.store.execute(f"INSERT INTO sendings ({names}) VALUES (?, ?, ?, ?, 0, ?, ?)", *values)

    def wake(self) -> None:
        """Look again, now."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def stop(self) -> None:
        """End the thread after the delivery it is at."""
        self._stopping = True
        self.wake()
        self.join(_TIMEOUT_SECONDS + 1)

    def run(self) -> None:
        """Deliver until stopped."""
        while not self._stopping:
            try:
                self.tick()
                due_at = self._deliver_next()
            except Exception:
                # One bad moment, such as a full disk, must not end deliveries for good.
                log.exception("webhooks")
                due_at = time.time() + 1
            with self._changed:
                if not self._woken:
                    self._changed.wait(min(max(due_at - time.time(), 0), _IDLE_SECONDS))
                self._woken = False

    def _deliver_next(self) -> float:
        """Send the first delivery if it is due; when to look again (seconds since 1970)."""
        sql = "SELECT * FROM sendings WHERE state = 'pending' ORDER BY due_at, id LIMIT 1"
        with self.store.transaction():
            first = next(iter(self.store.execute(sql)), None)
            event = self.store.find(first["event"]) if first else None
            target = self._endpoint_of(first["endpoint"]) if first else None
            if first is not None and target is None and first["endpoint"]:
                # Its endpoint was deleted; the others must not wait behind it.
                self.store.execute("UPDATE sendings SET state = 'failed' WHERE id = ?", first["id"])
                return time.time()
        if first is None or event is None or target is None:
            return time.time() + _IDLE_SECONDS
        if first["due_at"] > time.time():
            return float(first["due_at"])
        status, error = self._send(target, event, forged=bool(first["forged"]))
        log.info("webhook %s %s to %s: %s", event["id"], event["type"], target.url, status or error)
        with self.store.transaction():
            self._note(first, event, status, error)
        return time.time()

    def _send(self, target: Endpoint, event: JSON, *, forged: bool) -> tuple[int | None, str | None]:
        """(status, None) when the receiver answered, (None, why) when it did not."""
        event = event | {"created": 0} if forged else event
        secret = "whsec_" + secrets.token_hex(16) if forged else target.secret
        body = json.dumps(event, indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (stand-in)",
            "Stripe-Signature": signature(secret, body, self.clock()),
        }
        parts = urlsplit(target.url or "")
        connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = connect(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("POST", parts._replace(scheme="", netloc="").geturl() or "/", body, headers)
            return connection.getresponse().status, None
        except (OSError, HTTPException) as failure:
            return None, f"{type(failure).__name__}: {failure}"
        finally:
            connection.close()

    def _note(self, row: Row, event: JSON, status: int | None, error: str | None) -> None:
        """Record the attempt; a later delivery lets those go that were held for it."""
        now, attempts = time.time(), row["attempts"] + 1
        delivered = status is not None and 200 <= status < 300
        over = row["forged"] or now - row["started_at"] > _GIVE_UP_SECONDS
        state = "delivered" if delivered else "failed" if over else "pending"
        pause = min(self.endpoint.retry_seconds * 2 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)
        sql = "UPDATE sendings SET state = ?, attempts = ?, due_at = ?, status = ?, error = ? WHERE id = ?"
        self.store.execute(sql, state, attempts, now + pause, status, error, row["id"])
        if delivered:
            fresh = self.store.find(event["id"]) or event
            if "pending_webhooks" in fresh:
                self.store.put(fresh | {"pending_webhooks": max(0, fresh["pending_webhooks"] - 1)})
            sql = "UPDATE sendings SET state = 'pending', due_at = ? WHERE state = 'held' AND id < ?"
            self.store.execute(sql, now, row["id"])
