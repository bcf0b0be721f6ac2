"""
A site's own eyes: one process looks at all of a site's nodes over connections that it keeps, and writes one batch each
15 s. It needs nothing from outside but the database, and while that does not answer it keeps what it saw, in order.

Two of them for one site do no harm: looks and samples are written once, whoever brings them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from accounts import clock, failpoints
from leasing import health
from leasing.health import Eyed, Look, nodes_of
from leasing.provisioners import inspector_for
from leasing.provisioners.base import Host, Reading
from leasing.telemetry import samples
from leasing.telemetry.partitions import SLOT, floor
from leasing.telemetry.samples import Numbers

log = logging.getLogger(__name__)
failpoints.register("looks.taken", "looks.written")
T = TypeVar("T")
Place = tuple[str, str, int, str]  # provisioner, address, port, host key: nodes that answer at one place share a watch

KEPT = 4 * 60 * 4  # turns that are kept while the database does not answer: four hours
SILENT_AFTER = 2  # turns without a word about a node; then it was not reached
PATHS_AT_ONCE = 256
PATH_SECONDS = 5.0
SKEW = timedelta(seconds=5)  # a clock that is further off is reported; the database's counts


@dataclass(frozen=True)
class Turn:
    """One look at every node, and the samples that are new in it, all of one 15-second slot."""

    looks: list[Look]
    samples: list[Reading]


@dataclass(frozen=True)
class Group:
    """The watch of one place."""

    hosts: tuple[Host, ...]
    task: "asyncio.Task[None]"


class Watch:
    """Looks at the nodes of some sites (of all, without any) until it is cancelled."""

    def __init__(self, slugs: Sequence[str], *, every: float) -> None:
        self.slugs, self.every = slugs, every
        self.nodes: dict[str, Eyed] = {}
        self.heard: dict[str, Reading] = {}
        self.groups: dict[Place, Group] = {}
        self.unwritten: deque[Turn] = deque(maxlen=KEPT)
        self.news = asyncio.Event()
        self.numbers: Numbers = {}  # of GPUs that samples were written of
        self.offset = timedelta()  # of the database's clock from this one
        self.database = ThreadPoolExecutor(1)  # one thread, one connection

    async def run(self) -> None:
        """Look, and beside it write: a database that hangs holds up no look."""
        await self.refresh()
        beside = [asyncio.create_task(self._refresh_for_ever()), asyncio.create_task(self._write_for_ever())]
        try:
            while True:
                await asyncio.sleep(self.every - datetime.now(UTC).timestamp() % self.every)
                await self.turn()
        finally:
            for task in [*beside, *(group.task for group in self.groups.values())]:
                task.cancel()
            self.database.submit(_hang_up)
            self.database.shutdown(wait=False)

    async def _refresh_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            with _going_on():
                await self.refresh()

    async def _write_for_ever(self) -> None:
        while True:
            await self.news.wait()
            self.news.clear()
            with _going_on():
                await self.write()

    async def refresh(self) -> None:
        """Look up which nodes there are, and set the clock by the database's. Without an answer all stays as it is."""
        found = await self._ask(lambda: (nodes_of(self.slugs), datetime.now(UTC), clock.now()))
        if found is None:
            return
        self.nodes, asked, now = found
        self.offset = now - asked
        if abs(self.offset) > SKEW:
            log.warning("This clock is %s off the database's, which counts.", self.offset)
        self._regroup()

    def _regroup(self) -> None:
        """Begin a watch at each place at which nodes answer; renew what ended or whose nodes differ; end the others."""
        places: dict[Place, list[Host]] = {}
        for eyed in self.nodes.values():
            host = eyed.host
            places.setdefault((host.provisioner, host.address, host.port, host.host_key), []).append(host)
        wanted = {place: tuple(sorted(hosts, key=lambda host: host.node_id)) for place, hosts in places.items()}
        for place, group in list(self.groups.items()):
            if wanted.get(place) != group.hosts or group.task.done():
                self.groups.pop(place).task.cancel()
        for place in wanted.keys() - self.groups.keys():
            watch = inspector_for(place[0]).watch(wanted[place], self.hear, every=self.every)
            self.groups[place] = Group(wanted[place], asyncio.create_task(_kept(place, watch)))

    def hear(self, reading: Reading) -> None:
        """Take a reading, in the database's time."""
        self.heard[reading.node_id] = replace(reading, at=reading.at + self.offset)

    async def turn(self) -> None:
        """One look at each node: what was heard of it since the last turn, and whether its tenant's SSH answers."""
        now = datetime.now(UTC) + self.offset
        eyed = list(self.nodes.values())
        paths = await _paths([row.endpoint for row in eyed])
        looks = [Look(row.watched, self._newest(row, now), path) for row, path in zip(eyed, paths, strict=True)]
        fresh = now - timedelta(seconds=self.every)
        slot = floor(now, SLOT)
        if looks:
            read = [replace(look.reading, at=slot) for look in looks if look.reading.at > fresh]
            self.unwritten.append(Turn(looks, read))
        failpoints.reached("looks.taken")
        self.news.set()

    def _newest(self, eyed: Eyed, now: datetime) -> Reading:
        node_id = eyed.host.node_id
        reading = self.heard.get(node_id)
        if reading is not None and now - reading.at < SILENT_AFTER * timedelta(seconds=self.every):
            return reading
        return Reading(node_id=node_id, at=now, reached=False, detail="nothing was heard of it")

    async def write(self) -> None:
        """Write the turns that are not written yet, oldest first, as far as the database takes them."""
        while self.unwritten:
            turn = self.unwritten.popleft()
            if await self._ask(partial(_write, turn, self.numbers)) is None:
                self.unwritten.appendleft(turn)
                return

    async def _ask(self, question: Callable[[], T]) -> T | None:
        """The answer from the database; None while it does not answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.database, question)
        except (OperationalError, InterfaceError) as error:
            log.warning("The database does not answer; %d turns are kept: %s", len(self.unwritten), error)
            await asyncio.get_running_loop().run_in_executor(self.database, _hang_up)
            return None


@contextmanager
def _going_on() -> Iterator[None]:
    """What goes wrong is told, and ends nothing: the next turn tries again."""
    try:
        yield
    except Exception:
        log.exception("The watch goes on over what it knows.")


def _hang_up() -> None:
    """Close this thread's connection; the next question opens another."""
    connection.close()


def _write(turn: Turn, numbers: Numbers) -> bool:
    """Write a turn, whole or in part: all of it may be written again. What the database refuses for good is dropped."""
    try:
        health.write(turn.looks, now=clock.now())
        failpoints.reached("looks.written")
        samples.write(turn.samples, known=numbers)
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError:
        log.exception("The database refuses a turn of %d looks.", len(turn.looks))
    return True


async def _kept(place: Place, watch: Coroutine[None, None, None]) -> None:
    """A watch whose own trouble is told and ends nobody else's."""
    try:
        await watch
    except Exception:
        log.exception("The watch at %s:%s ended.", place[1], place[2])


async def _paths(endpoints: Iterable[tuple[str, int] | None]) -> list[bool | None]:
    """Whether an SSH server greets at each endpoint; None where there is none."""
    gate = asyncio.Semaphore(PATHS_AT_ONCE)

    async def one(endpoint: tuple[str, int] | None) -> bool | None:
        if endpoint is None:
            return None
        async with gate:
            return await _greets(*endpoint)

    return await asyncio.gather(*map(one, endpoints))


async def _greets(host: str, port: int) -> bool:
    writer = None
    try:
        async with asyncio.timeout(PATH_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            return (await reader.readline()).startswith(b"SSH-2.0")
    except (OSError, TimeoutError, ValueError):
        return False
    finally:
        if writer is not None:
            writer.close()
