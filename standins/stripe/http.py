"""One request and one response, and the server that carries them on 127.0.0.1."""

import json
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger(__name__)
_LONGEST_BODY_BYTES = 1 << 20


@dataclass(frozen=True)
class Request:
    """`path` without the query; `body` raw; `headers` look up without regard to case."""

    method: str
    path: str
    query: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Response:
    """What is sent back; with `close` nothing is, and the connection ends."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False


def json_response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(status, json.dumps(body, indent=2).encode(), headers=headers or {})


class Server(ThreadingHTTPServer):
    """Hands every request to `serve`, each connection in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, serve: Callable[[Request], Response]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.serve = serve


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    # Headers and body leave in one segment; two of them would wait 40 ms for each other.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LONGEST_BODY_BYTES:
            self.send_error(413)
            return
        parts = urlsplit(self.path)
        body = self.rfile.read(length)
        response = self.server.serve(Request(self.command, parts.path, parts.query, self.headers, body))
        log.info("%s %s %s", self.command, parts.path, "closed" if response.close else response.status)
        if response.close:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are logged by do_GET."""
