"""
The card processor's stand-in in this process: its time is that of whoever drives it, its cardholders do as they are
told, and it can be emptied between two lives. The product talks to it over HTTP, as to the processor.
"""

import json
import re
import tempfile
import threading
from datetime import datetime
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import stripe

from standins.stripe import disputes, due, idempotency, refunds
from standins.stripe.app import App
from standins.stripe.http import Request, Response, Server
from standins.stripe.store import JSON, Store
from standins.stripe.webhooks import Endpoint, signature

KEY, SECRET = "sk_test_lives", "whsec_lives"
FIELD = re.compile(rb'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"')
OVER = ("won", "lost", "warning_closed")  # disputes in which nothing is left to decide


def signed(event: JSON, at: datetime, *, secret: str = SECRET) -> tuple[bytes, str]:
    """An event as it is delivered at a moment: its body, and the header with its signature."""
    body = json.dumps(event).encode()
    return body, signature(secret, body, int(at.timestamp()))


class Standin:
    """Served at `url` until `close`. Nothing is delivered: what happened is read by looking, or told by the driver."""

    app: App

    def __init__(self) -> None:
        self._server = Server(0, self._serve)
        self._state = tempfile.TemporaryDirectory(prefix="gridlease-stripe-")
        self._lives = 0
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.empty()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        stripe.HTTPClient.INITIAL_DELAY = 0.0  # the SDK's own retries wait for nobody here

    def empty(self) -> None:
        """It knows of nothing and nobody, and works."""
        if self._lives:
            self.app.store.close()
        self._lives += 1
        store = Store(Path(self._state.name) / f"{self._lives}")
        self.app = App(store, Endpoint(None, ""), self.url)

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self.app.store.close()
        self._state.cleanup()

    def at(self, moment: datetime) -> None:
        """It is that time there, and what is due by then has happened."""
        with self.app.store.transaction():
            self.app.clock.move(int(moment.timestamp()))
            due.run(self.app.world())

    def pay(self, url: str, *, card: str, agrees: bool = True) -> None:
        """Somebody types a card on a page, and answers the bank if it asks."""
        found = self._visit("GET", url)
        if found.status != 200:
            return
        typed = {name.decode(): value.decode() for name, value in FIELD.findall(found.body)}
        typed |= {"number": card, "expiry": "12 / 40", "cvc": "123", "name": "Ada", "email": "ada@example.com"}
        there = self._visit("POST", url, typed).headers.get("Location", "")
        if "/3ds/" in there:
            self.answer(there, agrees=agrees)

    def answer(self, url: str, *, agrees: bool = True) -> None:
        """The card's owner answers the bank."""
        self._visit("POST", url, {"answer": "yes" if agrees else "no"})

    def dispute(self, charge: str, reason: str = "fraudulent") -> None:
        """The card's owner disputes a charge."""
        with self.app.store.transaction():
            disputes.open_by_hand(self.app.world(), charge, reason)

    def decide(self, verdict: str) -> None:
        """The banks decide on every dispute that is open: won or lost."""
        with self.app.store.transaction():
            for one in self.app.store.newest(
                "dispute", lambda one: one["status"] not in ("won", "lost", "warning_closed")
            ):
                disputes.decide(self.app.world(), one["id"], verdict)

    def settle_refunds(self) -> None:
        """End the refunds that end later."""
        with self.app.store.transaction():
            refunds.settle(self.app.world())

    def forget_keys(self) -> None:
        """What a day does to idempotency keys."""
        with self.app.store.transaction():
            idempotency.forget(self.app.store)

    def fault(self, path: str, mode: str, times: int) -> None:
        """The next calls to a path go wrong."""
        self.app.faults.add({"path": path, "mode": mode, "times": times})

    def heal(self) -> None:
        """From now on everything works."""
        self.app.faults.clear()

    def all(self, kind: str) -> list[JSON]:
        """Every object of a kind, newest first."""
        with self.app.store.transaction():
            return self.app.store.newest(kind)

    def _serve(self, request: Request) -> Response:
        return self.app.serve(request)

    def _visit(self, method: str, url: str, form: dict[str, Any] | None = None) -> Response:
        parts = urlsplit(url)
        body = urlencode(form or {}).encode()
        return self.app.serve(Request(method, parts.path, parts.query, Message(), body))
