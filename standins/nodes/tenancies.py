"""The doors and deadlines of all tenancies of this process."""

import asyncio
import logging
import time
from collections import defaultdict

from standins.nodes import console
from standins.nodes.door import Door
from standins.nodes.processes import kill_all
from standins.nodes.state import Record, Refused, State

AGAIN_SECONDS = 5.0  # after a deadline whose tenancy could not be closed
log = logging.getLogger(__name__)


class Tenancies:
    """Opens and shuts tenancies, by order of the verbs and by their own deadlines. `locks` are held node by node."""

    def __init__(self, state: State, address: str) -> None:
        self.state = state
        self.address = address
        self.doors: dict[str, Door] = {}
        self.alarms: dict[str, asyncio.TimerHandle] = {}
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.expiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Goes on where the process ended: deadlines by the wall clock, and the doors that were open before them."""
        for record in self.state.records():
            self.arm(record)
            if record.open and (record.deadline is None or record.deadline > time.time()):
                try:
                    await self.open(record)
                except Refused as refusal:
                    log.error("%s: %s", record.machine, refusal)

    async def open(self, record: Record) -> None:
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
        console.note(self.state, record.machine, "opened")

    async def shut(self, record: Record, why: str) -> None:
        """Closes the door and ends the processes; it stays closed after a restart. Raises Refused if one lives on."""
        record.open = False
        self.state.save(record)
        await self.drop(record, why)

    async def drop(self, record: Record, why: str) -> None:
        """The same for a node that loses its power: the record still says that it should be open."""
        console.note(self.state, record.machine, f"closed: {why}")
        door = self.doors.pop(record.machine, None)
        if door:
            door.close()
        alive = await kill_all(record.machine, record.uid)
        if alive:
            raise Refused("ProvisionerError", f"{record.machine}: processes {alive} cannot be killed.")

    def arm(self, record: Record) -> None:
        """Sets the tenancy's alarm to its deadline, on the loop's clock, which nobody sets; or takes it away."""
        self.disarm(record.machine)
        if record.deadline is not None:
            self._set(record.machine, max(0.0, record.deadline - time.time()))

    def disarm(self, machine: str) -> None:
        """No deadline any more."""
        alarm = self.alarms.pop(machine, None)
        if alarm:
            alarm.cancel()

    def _set(self, machine: str, seconds: float) -> None:
        self.alarms[machine] = asyncio.get_running_loop().call_later(seconds, self._ring, machine)

    def _ring(self, machine: str) -> None:
        del self.alarms[machine]
        task = asyncio.ensure_future(self._expire(machine))
        self.expiring.add(task)
        task.add_done_callback(self.expiring.discard)

    async def _expire(self, machine: str) -> None:
        """Takes access away, unless somebody set the alarm anew or wiped the machine while this waited for its turn."""
        record = self.state.load(machine)
        if record is None:
            return
        async with self.locks[record.node]:
            record = self.state.load(machine)
            if record is None or record.deadline is None or machine in self.alarms:
                return
            record.keys = []
            try:
                await self.shut(record, "the deadline has passed")
            except Refused as refusal:
                log.error("%s: %s", machine, refusal)
                self._set(machine, AGAIN_SECONDS)
