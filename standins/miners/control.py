"""What tests and demonstrations ask of the stand-in, over HTTP: what is really drawn, and who misbehaves from now on.

GET  /_standin/meter                  {"watts": all, "miners": {address: watts}}
GET  /_standin/miners/ADDRESS         {"asleep", "drawn", "told", "said"}: watts, and the commands that it was given
POST /_standin/behaviour              {"behaviour": "lying", "miners": [address, …]}; without miners, all
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standins.miners.machine import Behaviour
from standins.miners.serving import Fleet


def serve(fleet: Fleet, port: int) -> int:
    """Answer from a thread of its own; returns the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(_read(fleet, self.path))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            self._reply(_change(fleet, self.path, body))

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def _reply(self, found: dict[str, Any] | None) -> None:
            self.send_response(200 if found is not None else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def _read(fleet: Fleet, path: str) -> dict[str, Any] | None:
    now = fleet.now()
    if path == "/_standin/meter":
        drawn = {address: round(machine.drawn(now)) for address, machine in fleet.machines.items()}
        return {"watts": sum(drawn.values()), "miners": drawn}
    machine = fleet.machines.get(path.removeprefix("/_standin/miners/"))
    if machine is None:
        return None
    told = {"drawn": round(machine.drawn(now)), "told": round(machine.told(now))}
    return {"asleep": machine.asleep, "said": machine.said, **told}


def _change(fleet: Fleet, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    if path != "/_standin/behaviour":
        return None
    meant = body.get("miners") or list(fleet.machines)
    for address in meant:
        fleet.machines[address].behaviour = Behaviour(body["behaviour"])
    return {"changed": len(meant)}
