"""What tests and demonstrations ask of the stand-in, over HTTP: what is really given, and how it misbehaves.

GET  /_standin/battery      {"watts", "shown_watts", "permille", "told", "reverts_in", "said"}; watts above 0 come out
POST /_standin/behaviour    {"behaviour": "lying"}
POST /_standin/charge       {"permille": 300}
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standins.batteries.machine import Behaviour
from standins.batteries.serving import Battery


def serve(battery: Battery, port: int) -> int:
    """Answer from a thread of its own; returns the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(_read(battery) if self.path == "/_standin/battery" else None)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            self._reply(_change(battery, self.path, body))

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def _reply(self, found: dict[str, Any] | None) -> None:
            self.send_response(200 if found is not None else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def _read(battery: Battery) -> dict[str, Any]:
    battery.pass_time()
    machine = battery.machine
    return {
        "watts": round(machine.watts), "shown_watts": round(machine.shown_watts), "permille": machine.permille,
        "told": machine.told, "reverts_in": machine.reverts_in, "said": machine.said,
    }  # fmt: skip


def _change(battery: Battery, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    battery.pass_time()
    if path == "/_standin/behaviour":
        battery.machine.behaviour = Behaviour(body["behaviour"])
    elif path == "/_standin/charge":
        battery.machine.stored_wh = battery.machine.kind.watt_hours * body["permille"] / 1000
    else:
        return None
    return _read(battery)
