"""The sandbox node host: all simulated nodes in one process, each holding one tenancy at most."""

import asyncio
import logging
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from standins.nodes import health, wiping
from standins.nodes.door import Door
from standins.nodes.furnish import begin, first_start, furnish
from standins.nodes.processes import kill_all
from standins.nodes.state import USER, Record, Refused, State, host_key, public_line

Request = dict[str, Any]
log = logging.getLogger(__name__)


class NodeHost:
    """Obeys the verbs of the control side; each takes the request and returns what is answered, or raises Refused."""

    def __init__(self, state: State, address: str) -> None:
        self.state = state
        self.address = address
        self.doors: dict[str, Door] = {}
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.verbs = {
            "ensure": self.ensure,
            "check": self.check,
            "pause": self.pause,
            "resume": self.resume,
            "revoke": self.revoke,
            "wipe": self.wipe,
            "observe": self.observe,
        }

    async def start(self) -> None:
        """Opens again every tenancy that was open when the process ended."""
        for record in self.state.records():
            if record.open:
                try:
                    await self._open(record)
                except Refused as refusal:
                    log.error("%s: %s", record.machine, refusal)

    async def obey(self, verb: str, request: Request) -> Any:
        """One command; commands of one node wait for each other, and an old epoch is refused."""
        if verb not in self.verbs:
            raise Refused("ProvisionerError", f"{verb!r} is not a command; known are {', '.join(self.verbs)}.")
        async with self.locks[request["node"]]:
            if "epoch" in request:
                self.state.fence(request["machine"], int(request["epoch"]))
            return await self.verbs[verb](request)

    async def ensure(self, request: Request) -> dict[str, Any]:
        """Makes or completes the tenancy and opens it with exactly the wanted keys."""
        record = self.state.load(request["machine"]) or begin(self.state, request, self.address)
        record.facts, record.label = request["facts"], request["label"]
        record.keys = [" ".join(line.split()[:2]) for line in request["keys"]]
        await asyncio.to_thread(furnish, self.state, record)
        await self._open(record)
        record.open = True
        self.state.save(record)
        if request["startup_script"] and not record.started:
            await first_start(self.state, record, request["startup_script"])
        key = host_key(self.state.tenancy(record.machine) / "host_key")
        return {"host": self.address, "port": record.port, "user": USER, "host_key": public_line(key)}

    async def resume(self, request: Request) -> dict[str, Any]:
        """Opens a paused tenancy again."""
        self._existing(request)
        return await self.ensure(request)

    async def check(self, request: Request) -> list[health.Row]:
        """Door and GPU report, as the tenant would meet them."""
        record = self.state.load(request["machine"])
        if record is None or not record.open:
            return [("running", False, "the tenancy is not open")]
        return [await health.answers(self.address, record), await health.gpus(self.state, record)]

    async def pause(self, request: Request) -> None:
        """Closes the door and ends the processes; files, key and port stay."""
        await self._shut(self._existing(request))

    async def revoke(self, request: Request) -> None:
        """Admits nobody any more and ends everything that runs."""
        record = self.state.load(request["machine"])
        if record:
            record.keys = []
            await self._shut(record)

    async def wipe(self, request: Request) -> dict[str, Any]:
        """Destroys what is there under the name, then looks for it."""
        machine, started = request["machine"], datetime.now(UTC)
        record = self.state.load(machine)
        if record:
            await self._shut(record)
        private, home = self.state.tenancy(machine), self.state.home(machine).parent
        known = record is not None or private.exists() or home.exists()
        canary = wiping.Canary(home / "canary", record.canary.encode() if record else b"")
        canary.hold()
        alive = await kill_all(machine, record.uid if record else None)
        await asyncio.to_thread(wiping.destroy, home)
        await asyncio.to_thread(wiping.destroy, private)
        checks = [
            ("processes", not alive, f"still alive: {alive}" if alive else "none left"),
            canary.verdict(),
            wiping.absent("home", home),
            wiping.absent("host_key", private),
            wiping.closed(self.address, record.port if record else None),
        ]
        times = {"started_at": started.isoformat(), "completed_at": datetime.now(UTC).isoformat()}
        return {"method": wiping.METHOD if known else wiping.NOTHING, "checks": checks, **times}

    async def observe(self, request: Request) -> str:
        """absent, partial, running or paused."""
        machine = request["machine"]
        record, home = self.state.load(machine), self.state.home(machine)
        if record is None:
            return "partial" if self.state.tenancy(machine).exists() or home.parent.exists() else "absent"
        if record.open != (machine in self.doors) or not home.exists():
            return "partial"
        return "running" if record.open else "paused"

    async def _open(self, record: Record) -> None:
        """The record's door, opened if it is not. Raises Refused when a stranger has its port."""
        door = self.doors.get(record.machine)
        if door:
            door.update(record)
            return
        door = Door(self.state, record)
        try:
            await door.open(self.address)
        except OSError as error:
            raise Refused(
                "ProvisionerError", f"Port {record.port} of {record.machine} cannot be opened: {error}"
            ) from error
        self.doors[record.machine] = door

    async def _shut(self, record: Record) -> None:
        """Closes the door and ends the processes; it stays closed after a restart."""
        record.open = False
        self.state.save(record)
        door = self.doors.pop(record.machine, None)
        if door:
            door.close()
        alive = await kill_all(record.machine, record.uid)
        if alive:
            raise Refused("ProvisionerError", f"{record.machine}: processes {alive} cannot be killed.")

    def _existing(self, request: Request) -> Record:
        """The record, or Refused when the node holds nothing under this name."""
        record = self.state.load(request["machine"])
        if record is None:
            raise Refused("HostUnfit", f"Node {request['node']} holds nothing named {request['machine']}.")
        return record
