"""A customer's client of the API: JSON over HTTP with a token."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]


class Wrong(Exception):
    """The first thing that is not as promised; the message says what was expected and what was found."""


class Api:
    """`base_url` is the site's address; `token` begins with gl_live_."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base = f"{base_url}/api/v1/"
        self.token = token

    def get(self, path: str) -> Json:
        """The answer's JSON. Raises Wrong for any error answer, with what it says."""
        return self._call("GET", path)

    def post(self, path: str, body: Json | None = None, *, key: str = "") -> Json:
        """As `get`; `key` is sent as the Idempotency-Key."""
        return self._call("POST", path, body or {}, key)

    def every(self, path: str) -> Iterator[Json]:
        """The rows of all pages of a list."""
        address: str | None = path
        while address:
            page = self.get(address)
            yield from page["results"]
            address = page["next"]

    def wait(self, path: str, done: Callable[[Json], bool], *, seconds: float, see: Callable[[Json], None]) -> Json:
        """Ask until `done`; `see` hears each answer. Raises Wrong when it takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.get(path)
            see(answer)
            if done(answer):
                return answer
            if time.monotonic() > deadline:
                raise Wrong(f"{path} did not get there within {seconds:.0f} s; it says {json.dumps(answer)[:600]}")
            time.sleep(0.25)

    def _call(self, method: str, path: str, body: Json | None = None, key: str = "") -> Json:
        try:
            with urllib.request.urlopen(self._request(method, path, body, key), timeout=30) as answer:
                content: Json = json.load(answer)
                return content
        except urllib.error.HTTPError as error:
            raise Wrong(f"{method} {path} answered {error.code}: {_detail(error)}") from error
        except urllib.error.URLError as error:
            raise Wrong(f"{method} {path} could not be sent: {error.reason}") from error

    def _request(self, method: str, path: str, body: Json | None = None, key: str = "") -> urllib.request.Request:
        address = path if path.startswith("http") else self.base + path
        request = urllib.request.Request(address, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if key:
            request.add_header("Idempotency-Key", key)
        return request


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return error.reason
