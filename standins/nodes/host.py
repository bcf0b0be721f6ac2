"""The sandbox node host: all simulated nodes in one process, each holding one tenancy at most."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from standins.nodes import console, gpu, hardware, health, wiping
from standins.nodes.faults import Faults
from standins.nodes.furnish import SCRATCH, announce, begin, first_start, furnish
from standins.nodes.processes import kill_all
from standins.nodes.state import USER, Record, Refused, State, host_key, public_line
from standins.nodes.telemetry import Meter
from standins.nodes.tenancies import Tenancies

Request = dict[str, Any]


class NodeHost:
    """Obeys the verbs of the control side; each takes the request and returns what is answered, or raises Refused."""

    def __init__(self, state: State, address: str) -> None:
        self.state = state
        self.address = address
        self.tenancies = Tenancies(state, address)
        self.faults = Faults(state.root / "faults")
        self.meters: dict[str, Meter] = {}
        self.verbs = {
            "ensure": self.ensure,
            "check": self.check,
            "pause": self.pause,
            "resume": self.resume,
            "revoke": self.revoke,
            "wipe": self.wipe,
            "observe": self.observe,
            "service": self.service,
            "log": self.log,
            "greet": self.greet,
            "inspect": self.inspect,
            "measure": self.measure,
            "break": self.break_,
        }

    async def obey(self, verb: str, request: Request) -> Any:
        """One command; commands of one node wait for each other, and an old epoch is refused."""
        if verb not in self.verbs:
            raise Refused("ProvisionerError", f"{verb!r} is not a command; known are {', '.join(self.verbs)}.")
        node = request["node"]
        async with self.tenancies.locks[node]:
            if self.faults.of(node).silent and verb != "break":
                raise Refused("Unreachable", f"Node {node} does not answer: it was silenced.")
            if "epoch" in request:
                self.state.fence(request["machine"], int(request["epoch"]))
            return await self.verbs[verb](request)

    async def ensure(self, request: Request) -> dict[str, Any]:
        """Makes or completes the tenancy and opens it with exactly the wanted keys, until its deadline."""
        record = self.state.load(request["machine"]) or begin(self.state, request, self.address)
        record.facts, record.label = request["facts"], request["label"]
        record.keys = [" ".join(line.split()[:2]) for line in request["keys"]]
        left = request["seconds_left"]
        record.deadline = None if left is None else time.time() + left
        lost = self.faults.of(record.node).lost
        await asyncio.to_thread(furnish, self.state, record, request["environment"], request["peers"], lost)
        announce(self.state, record, request["interruption"])
        await self.tenancies.open(record)
        record.open = True
        self.state.save(record)
        self.tenancies.arm(record)
        if request["startup_script"] and not record.started:
            await first_start(self.state, record, request["startup_script"])
        key = host_key(self.state.tenancy(record.machine) / "host_key")
        return {"host": self.address, "port": record.port, "user": USER, "host_key": public_line(key)}

    async def resume(self, request: Request) -> dict[str, Any]:
        """Opens a paused tenancy again."""
        self._existing(request)
        return await self.ensure(request)

    async def service(self, request: Request) -> dict[str, Any]:
        """Ends all that runs, makes the home anew as far as it is asked for, and opens the tenancy again."""
        record, what = self._existing(request), request["what"]
        await self.tenancies.shut(record, what)
        if what == "gpu_reset":
            console.note(self.state, record.machine, "the GPUs were reset")
        elif what in {"rebuild", "rebuild_all"}:
            kept = SCRATCH if what == "rebuild" else ""
            await asyncio.to_thread(wiping.clear, self.state.home(record.machine), keep=kept)
            record.started = False
            self.state.save(record)
            console.note(self.state, record.machine, f"the home was made anew; kept: {kept or 'nothing'}")
        return await self.ensure(request)

    async def check(self, request: Request) -> list[health.Row]:
        """Door and GPU report, as the tenant would meet them."""
        record = self.state.load(request["machine"])
        if record is None or not record.open:
            return [("running", False, "the tenancy is not open")]
        return [await health.answers(self.address, record), await health.gpus(self.state, record)]

    async def pause(self, request: Request) -> None:
        """Closes the door and ends the processes; files, key and port stay."""
        await self.tenancies.shut(self._existing(request), "paused")

    async def revoke(self, request: Request) -> None:
        """Admits nobody any more and ends everything that runs."""
        record = self.state.load(request["machine"])
        if record:
            record.keys = []
            await self.tenancies.shut(record, "access was taken away")

    async def wipe(self, request: Request) -> dict[str, Any]:
        """Destroys what is there under the name, then looks for it."""
        machine, started = request["machine"], datetime.now(UTC)
        record = self.state.load(machine)
        if record:
            await self.tenancies.shut(record, "wiped")
        self.tenancies.disarm(machine)
        private, home = self.state.tenancy(machine), self.state.home(machine).parent
        known = record is not None or private.exists() or home.exists()
        canaries = wiping.Canaries(home, record.canary if record else "")
        alive = await kill_all(machine, record.uid if record else None)
        await asyncio.to_thread(wiping.destroy, home)
        await asyncio.to_thread(wiping.destroy, private)
        checks = [
            ("processes", not alive, f"still alive: {alive}" if alive else "none left"),
            *canaries.verdicts(),
            wiping.absent("home", home),
            wiping.absent("environment", self.state.environment(machine)),
            wiping.absent("host_key", private),
            wiping.absent("logs", private / "console.log"),
            wiping.closed(self.address, record.port if record else None),
        ]
        times = {"started_at": started.isoformat(), "completed_at": datetime.now(UTC).isoformat()}
        return {"method": wiping.METHOD if known else wiping.NOTHING, "checks": checks, **times}

    async def observe(self, request: Request) -> str:
        """absent, partial, running or paused."""
        machine = request["machine"]
        record = self.state.load(machine)
        if record is None:
            there = self.state.tenancy(machine).exists() or self.state.home(machine).parent.exists()
            return "partial" if there else "absent"
        return self.condition(record)

    def condition(self, record: Record) -> str:
        """partial, running or paused."""
        if record.open != (record.machine in self.tenancies.doors) or not self.state.home(record.machine).exists():
            return "partial"
        return "running" if record.open else "paused"

    async def log(self, request: Request) -> str:
        """What the startup script or the tenancy's console said."""
        record = self.state.load(request["machine"])
        return console.read(self.state, record, request["log"]) if record else ""

    async def greet(self, request: Request) -> str:
        """Nothing but the answer: who hears it has been admitted."""
        return "simulated node"

    async def inspect(self, request: Request) -> dict[str, Any]:
        """The parts that the node would have."""
        return hardware.inventory(request["node"], request["facts"], self.faults)

    async def measure(self, request: Request) -> dict[str, float]:
        """The figures that the node would reach."""
        return hardware.measures(request["facts"])

    async def break_(self, request: Request) -> None:
        """Breaks something, for a test; see `faults`."""
        fault = self.faults.change(request)
        record = self.state.held_by(request["node"])
        if record and request["what"] == "reboot":
            await self.tenancies.drop(record, "the node was restarted")
        elif record:
            gpu.install(self.state.tools(record.machine), record.node, record.facts, fault.lost)

    def meter(self, node: str, facts: hardware.Facts) -> Meter:
        """The node's meter, which goes on counting where another watch left it."""
        known = self.meters.get(node)
        if known is None or known.facts != facts:
            known = self.meters[node] = Meter(node, facts)
        return known

    def _existing(self, request: Request) -> Record:
        """The record, or Refused when the node holds nothing under this name."""
        record = self.state.load(request["machine"])
        if record is None:
            raise Refused("HostUnfit", f"Node {request['node']} holds nothing named {request['machine']}.")
        return record
