"""The Stripe stand-in as a real process, for any suite: `with running(tmp_path) as stripe: …` in a fixture."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPRedirectHandler, Request, build_opener

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")
KEY = "sk_test_standin"
SECRET = "whsec_standin"


class _Stay(HTTPRedirectHandler):
    """A redirect is the answer: where it leads may not be served by anybody."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = build_opener(_Stay)


@dataclass
class Page:
    """What a browser sees: `fields` name -> value, `errors` field -> message, `location` of a redirect."""

    status: int
    location: str | None
    text: str
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str = ""
        self.fields: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self._error = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = found.get("action", "")
        if tag == "input":
            self.fields[found["name"]] = found.get("value", "")
        self._error = found.get("id", "").removesuffix("-error") if found.get("class") == "error" else ""

    def handle_endtag(self, tag: str) -> None:
        self._error = ""

    def handle_data(self, data: str) -> None:
        if self._error:
            self.errors[self._error] = data.strip()


@dataclass
class StripeStandin:
    """A running stand-in at `url`."""

    url: str
    process: subprocess.Popen[str]

    def open(self, checkout_url: str) -> Page:
        """The hosted page, as a browser's GET."""
        return _visit(Request(checkout_url))

    def pay(self, checkout_url: str, *, card: str = "4242 4242 4242 4242", **typed: str) -> Page:
        """Fill in the hosted page's form and send it; `typed` overrides email, expiry, cvc or name."""
        page = self.open(checkout_url)
        if page.status != 200:
            return page
        wanted = {"number": card, "expiry": "12 / 40", "cvc": "123", "name": "Ada Lovelace", **typed}
        if not page.fields["email"]:
            wanted.setdefault("email", "ada@example.com")
        unknown = wanted.keys() - page.fields.keys()
        assert not unknown, f"the form has no {unknown}"
        body = urlencode({**page.fields, **wanted}).encode()
        return _visit(Request(urljoin(checkout_url, page.action), data=body))

    def control(self, method: str, name: str, body: Any = None) -> Any:
        """One of the stand-in's controls under /_standin/."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/_standin/{name}", data=data, method=method)
        with _OPENER.open(request, timeout=10) as answer:
            return json.load(answer)

    def faults(self, *, path: str, mode: str, times: int = 1, **more: Any) -> None:
        """Make the next `times` requests to the path go wrong, or webhooks (path "webhook"); modes in faults.py."""
        self.control("POST", "faults", {"path": path, "mode": mode, "times": times, **more})

    def heal(self) -> None:
        """End all faults."""
        self.control("DELETE", "faults")

    def webhook(self, url: str | None, secret: str = SECRET) -> None:
        """Send events to this address from now on."""
        self.control("POST", "webhook", {"url": url, "secret": secret})

    def deliveries(self) -> list[dict[str, Any]]:
        """Every webhook delivery so far: event, type, state, attempts, status, error, forged."""
        found: list[dict[str, Any]] = self.control("GET", "deliveries")
        return found

    def deliver(self, event: str) -> None:
        """Send one event again."""
        self.control("POST", f"deliver/{event}")

    def answer_the_bank(self, challenge_url: str, *, yes: bool = True) -> Page:
        """The page on which a cardholder confirms (or refuses) a payment or the saving of a card."""
        assert self.open(challenge_url).status == 200
        return _visit(Request(challenge_url, data=urlencode({"answer": "yes" if yes else "no"}).encode()))

    def clock(self, now: int | None) -> None:
        """Move the stand-in's time (seconds since 1970; None for the computer's) and do what is due by then."""
        self.control("POST", "clock", {"now": now})

    def dispute(self, charge: str, reason: str = "fraudulent") -> dict[str, Any]:
        """A cardholder disputes a charge; reason "inquiry" only asks, "warning" is an early fraud warning."""
        made: dict[str, Any] = self.control("POST", "dispute", {"charge": charge, "reason": reason})
        return made

    def end_dispute(self, dispute: str, status: str) -> None:
        """The bank decides: won or lost."""
        self.control("POST", f"end_dispute/{dispute}", {"status": status})

    def rate_limit(self, per_second: int | None) -> None:
        """So many requests a second for each endpoint; None for any number."""
        self.control("POST", "rate_limit", {"per_second": per_second})

    def restricted_key(self, key: str, **permissions: str) -> None:
        """A key rk_test_… that may only read or write the resources named."""
        self.control("POST", "restricted_key", {"key": key, "permissions": permissions})

    def settle(self) -> None:
        """End the refunds that Stripe ends later."""
        self.control("POST", "settle")

    def forget_keys(self) -> None:
        """What a day does to idempotency keys."""
        self.control("POST", "forget_keys")


def _visit(request: Request) -> Page:
    try:
        answer = _OPENER.open(request, timeout=10)
    except HTTPError as refused:
        answer = refused
    with answer:
        text = answer.read().decode()
        reader = _Reader()
        reader.feed(text)
        location = answer.headers.get("Location")
        return Page(answer.status, location, text, reader.action, reader.fields, reader.errors)


@contextmanager
def running(
    state: Path, *, port: int = 0, webhook_url: str | None = None, retry_seconds: float = 0.05
) -> Iterator[StripeStandin]:
    """Start the process on a free port with its state in the directory, and end it with SIGTERM."""
    command = [sys.executable, "-m", "standins.stripe", "--port", str(port), "--state", str(state)]
    command += ["--webhook-retry-seconds", str(retry_seconds)]
    if webhook_url:
        command += ["--webhook-url", webhook_url, "--webhook-secret", SECRET]
    log = state / "stripe.log"
    state.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert " at http" in line, log.read_text()
        yield StripeStandin(line.rsplit(" ", 1)[1].strip(), process)
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


def wait_for(condition: Callable[[], T], *, seconds: float = 10) -> T:
    """The condition's first true value. Fails after the given time."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.02)
    return value
