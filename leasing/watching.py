"""
A site's own eyes: one process looks at all of a site's nodes over connections that it keeps, and writes one batch each
15 s. It needs nothing from outside but the database, and while that does not answer it keeps what it saw, in order.

Two of them for one site do no harm: looks and samples are written once, whoever brings them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection

from accounts import clock, failpoints
from leasing import health
from leasing.health import Eyed, Look, nodes_of
from leasing.provisioners import inspector_for
from leasing.provisioners.base import Host, Reading

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
        self.unwritten: deque[list[Look]] = deque(maxlen=KEPT)
        self.offset = timedelta()  # of the database's clock from this one
        self.database = ThreadPoolExecutor(1)  # one thread, one connection

    async def run(self) -> None:
        """Look, write, again."""
        try:
            while True:
                await self.refresh()
                await asyncio.sleep(self.every - datetime.now(UTC).timestamp() % self.every)
                await self.turn()
        finally:
            for group in self.groups.values():
                group.task.cancel()
            self.database.shutdown(wait=False)

    async def refresh(self) -> None:
        """Look up which nodes there are, and set the clock by the database's. Without an answer all stays as it is."""
        before = datetime.now(UTC)
        found = await self._ask(lambda: (nodes_of(self.slugs), clock.now()))
        if found is None:
            return
        self.nodes, now = found
        self.offset = now - before
        if abs(self.offset) > SKEW:
            log.warning("This clock is %s off the database's, which counts.", self.offset)
        self._regroup()

    def _regroup(self) -> None:
        """Begin a watch at each place at which nodes answer; renew those whose nodes differ; end the others."""
        places: dict[Place, list[Host]] = {}
        for eyed in self.nodes.values():
            host = eyed.host
            places.setdefault((host.provisioner, host.address, host.port, host.host_key), []).append(host)
        wanted = {place: tuple(sorted(hosts, key=lambda host: host.node_id)) for place, hosts in places.items()}
        for place in [place for place, group in self.groups.items() if wanted.get(place) != group.hosts]:
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
        if looks:
            self.unwritten.append(looks)
        failpoints.reached("looks.taken")
        await self.write()

    def _newest(self, eyed: Eyed, now: datetime) -> Reading:
        node_id = eyed.host.node_id
        reading = self.heard.get(node_id)
        if reading is not None and now - reading.at < SILENT_AFTER * timedelta(seconds=self.every):
            return reading
        return Reading(node_id=node_id, at=now, reached=False, detail="nothing was heard of it")

    async def write(self) -> None:
        """Write the turns that are not written yet, oldest first, as far as the database takes them."""
        while self.unwritten:
            looks = self.unwritten[0]
            if await self._ask(partial(_write, looks)) is None:
                return
            self.unwritten.popleft()

    async def _ask(self, question: Callable[[], T]) -> T | None:
        """The answer from the database; None while it does not answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.database, question)
        except (DatabaseError, InterfaceError) as error:
            log.warning("The database does not answer; %d turns are kept: %s", len(self.unwritten), error)
            await asyncio.get_running_loop().run_in_executor(self.database, connection.close)
            return None


def _write(looks: Sequence[Look]) -> bool:
    health.write(looks, now=clock.now())
    failpoints.reached("looks.written")
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
