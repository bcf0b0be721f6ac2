"""A receiver of webhooks on this machine, good or evil by the path that is called."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import Any

ANSWERS = {"ok": 200, "moved": 302, "broken": 500, "gone": 410, "busy": 429, "long": 200, "binary": 200}
BODIES = {"long": b"x" * 100_000, "binary": b"\xff\x00<b>", "broken": b"a stack trace"}


def the_documented_check() -> Any:
    """`verify` of docs/webhooks.md: what customers copy is what the tests run."""
    page = Path(__file__).parents[2].joinpath("docs", "webhooks.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["verify"]


@dataclass
class Receiver:
    """Where it listens, and what it was sent."""

    port: int = 0
    received: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    served: threading.Event = field(default_factory=threading.Event)  # what a slow answer waits for

    def url(self, path: str = "ok", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/{path}"

    def of(self, path: str) -> list[dict[str, str]]:
        """Headers of what was sent to a path."""
        return [headers for found, headers, _ in self.received if found == path]


class Server(ThreadingHTTPServer):
    """It does not wait for those whom it let hang, and says nothing of who hung up."""

    block_on_close = False
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def receiving(tls: SSLContext | None = None) -> Iterator[Receiver]:
    """Listen while the block runs."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path = self.path.strip("/")
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append((path, headers, body))
            getattr(self, path.split("?")[0], self._answer)()

        def _answer(self) -> None:
            path = self.path.strip("/")
            self.send_response(ANSWERS[path])
            self.send_header("Location", receiver.url("ok"))
            if path == "busy":
                self.send_header("Retry-After", "600")
            self.end_headers()
            self.wfile.write(BODIES.get(path, b"thanks"))

        def slow(self) -> None:
            receiver.served.wait(5)
            with suppress(OSError):
                self.send_response(200)
                self.end_headers()

        def hang_up(self) -> None:
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.served.set()
        server.shutdown()
        server.server_close()
