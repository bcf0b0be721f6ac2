"""What tests and demonstrations ask of the stand-in, over HTTP: what is really drawn, and who misbehaves from now on.

GET  /_standin/meter                  {"watts": all, "miners": {address: watts}}
GET  /_standin/miners/ADDRESS         {"asleep", "drawn", "told", "said"}: watts, and the commands that it was given
POST /_standin/behaviour              {"behaviour": "lying", "miners": [address, …]}; without miners, all
"""

from functools import partial
from typing import Any

from standins import control
from standins.miners.machine import Behaviour
from standins.miners.serving import Fleet


def serve(fleet: Fleet, port: int) -> int:
    """Answer from a thread of its own; returns the port."""
    return control.serve(partial(_read, fleet), partial(_change, fleet), port)


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
