"""What tests and demonstrations ask of the stand-in, over HTTP: what is really given, and how it misbehaves.

GET  /_standin/battery      {"watts", "shown_watts", "permille", "told", "reverts_in", "said"}; watts above 0 come out
POST /_standin/behaviour    {"behaviour": "lying"}
POST /_standin/charge       {"permille": 300}
"""

from functools import partial
from typing import Any

from standins import control
from standins.batteries.machine import Behaviour
from standins.batteries.serving import Battery


def serve(battery: Battery, port: int) -> int:
    """Answer from a thread of its own; returns the port."""
    return control.serve(partial(_read, battery), partial(_change, battery), port)


def _read(battery: Battery, path: str) -> dict[str, Any] | None:
    return _look(battery) if path == "/_standin/battery" else None


def _look(battery: Battery) -> dict[str, Any]:
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
    return _look(battery)
