"""Watching the nodes of one sandbox node host over one connection that is kept.

Each turn is asked for with an empty line; a JSON line for each node comes back, and an empty one at the end. Cheap by
design: a turn is read in large pieces, and nothing is awaited node by node.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import asyncssh

from leasing.provisioners.base import GPUReading, Host, Reading
from leasing.provisioners.ssh import FAILURES, explained, pinned

PIECE = 1 << 20  # bytes
TURN_SECONDS = 10.0  # a turn has this time, or the whole interval if that is longer
SILENT = "The node host answers, but this node does not."


class Watch:
    """The nodes behind one door: their hosts differ in name and facts alone."""

    def __init__(self, hosts: Sequence[Host], push: Callable[[Reading], None]) -> None:
        self.hosts = hosts
        self.push = push
        self.line = AsyncExitStack()
        self.process: asyncssh.SSHClientProcess[bytes] | None = None

    async def keep(self, *, every: float) -> None:
        """A turn every `every` seconds until cancelled."""
        clock = asyncio.get_running_loop().time
        due = clock()
        try:
            while True:
                await self._turn(seconds=max(every, TURN_SECONDS))
                due = max(due + every, clock())
                await asyncio.sleep(due - clock())
        finally:
            await self._hang_up()

    async def _turn(self, *, seconds: float) -> None:
        """One Reading of each host, whatever happens."""
        unheard = {host.node_id: host for host in self.hosts}
        trouble: Exception | None = None
        try:
            async with asyncio.timeout(seconds):
                process = self.process or await self._call()
                await self._listen(process, unheard)
        except FAILURES as error:
            trouble = error
            await self._hang_up()
        at = datetime.now(UTC)
        for node_id, host in unheard.items():
            detail = str(explained(host, trouble)) if trouble else SILENT
            self.push(Reading(node_id, at, reached=False, detail=detail))

    async def _call(self) -> asyncssh.SSHClientProcess[bytes]:
        """Connects, and says which nodes are watched."""
        host = self.hosts[0]
        asked = asyncssh.connect(
            host.address, host.port, username=host.user, client_keys=[host.identity], **pinned(host.host_key)
        )
        connected = await self.line.enter_async_context(asked)
        self.line.callback(connected.abort)  # a peer that is gone takes no farewell
        self.process = await connected.create_process("watch", encoding=None)
        self.process.stdin.write(b"".join(_nodes(self.hosts)))
        return self.process

    async def _listen(self, process: asyncssh.SSHClientProcess[bytes], unheard: dict[str, Host]) -> None:
        """Asks for a turn and pushes what comes, until its end. Raises OSError when the other side ends."""
        process.stdin.write(b"\n")
        rest = b""
        while piece := await process.stdout.read(PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            at = datetime.now(UTC)
            for line in lines:
                if not line:
                    return
                reading = _reading(line, at)
                unheard.pop(reading.node_id, None)
                self.push(reading)
        raise ConnectionResetError("the node host ended the watch")

    async def _hang_up(self) -> None:
        self.process = None
        await self.line.aclose()


def _nodes(hosts: Sequence[Host]) -> Iterator[bytes]:
    """One line for all nodes with the same facts."""
    alike = defaultdict(list)
    for host in hosts:
        alike[json.dumps(dict(host.facts), sort_keys=True)].append(host.node_id)
    for facts, nodes in alike.items():
        yield json.dumps({"facts": json.loads(facts), "nodes": nodes}).encode() + b"\n"


def _reading(line: bytes, at: datetime) -> Reading:
    """What a node's line says. Raises OSError for one that says nothing."""
    try:
        node_id, boot_id, tenancy, gpus = json.loads(line)
        return Reading(
            node_id, at, reached=True, boot_id=boot_id, tenancy=tenancy, gpus=tuple(GPUReading(*gpu) for gpu in gpus)
        )
    except (ValueError, TypeError) as error:
        raise ConnectionAbortedError(f"not a sandbox node host's line: {line[:100]!r}") from error
