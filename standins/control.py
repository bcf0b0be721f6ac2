"""What tests and demonstrations ask of a stand-in, over HTTP at 127.0.0.1, beside the door that the product uses."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

Said = dict[str, Any]
Read = Callable[[str], Said | None]
Change = Callable[[str, Said], Said | None]


def ask(control: str, path: str, body: Said | None = None) -> Said:
    """What a stand-in whose control is at that address answers under /_standin/; with a body, to change something."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{control}/_standin/{path}", data=data)) as answer:
        found: Said = json.loads(answer.read())
    return found


def serve(read: Read, change: Change, port: int) -> int:
    """Answer each GET with `read` of its path, each POST with `change` of its path and body, both as JSON; where they
    know no such path, with 404. From a thread of its own; returns the port, which 0 lets the system pick."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(read(self.path))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            self._reply(change(self.path, body))

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def _reply(self, found: Said | None) -> None:
            self.send_response(200 if found is not None else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
