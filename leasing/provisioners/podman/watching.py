"""One watched host: a kept connection over which its own loop reports, and a word at each turn while there is none."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import cast

import asyncssh

from leasing.provisioners.base import Host, Observation, Reading, Unreachable
from leasing.provisioners.podman import gpus
from leasing.provisioners.podman.command import parcel
from leasing.provisioners.ssh import FAILURES, explained, pinned

QUERY_SECONDS = 12.0  # at most that long a host asks its GPUs, and says nothing
LATE_SECONDS = 3.0  # a host that says nothing for so much longer than it may is not reached
LONGEST_PAUSE = 4  # turns between two attempts to connect
LINE = "sh -c " + shlex.quote(
    'umask 077; d=$(mktemp -d /run/gridlease.XXXXXX) && tar -xC "$d" -f - || exit 70; exec sh "$d/watch.sh" </dev/null'
)
Report = list[list[str]]


class Watched:
    """Pushes one Reading of the host each turn (`every` seconds) until it is cancelled."""

    def __init__(self, host: Host, push: Callable[[Reading], None], every: float) -> None:
        self.host, self.push, self.every = host, push, every
        self.memory = gpus.Memory(host.facts)
        self.boot_id = self.kernel = ""  # the last boot, and the stamp of its newest message, that were heard of
        self.heard = False

    async def forever(self) -> None:
        """Listens; when that fails says so at each turn, and tries again after one, two, then every four turns."""
        pause = 1
        while True:
            began = asyncio.get_running_loop().time()
            self.heard = False
            try:
                await self._listen()
            except FAILURES as error:
                detail = str(explained(self.host, error))
            except asyncio.IncompleteReadError:
                detail = f"Node {self.host.node_id} broke off its report."
            pause = 1 if self.heard else min(pause * 2, LONGEST_PAUSE)
            self._unreached(detail)
            await asyncio.sleep(max(0.0, began + self.every - asyncio.get_running_loop().time()))
            for _ in range(pause - 1):
                self._unreached(detail)
                await asyncio.sleep(self.every)

    async def _listen(self) -> None:
        """Pushes the host's reports as they come. Never returns; raises what broke the connection."""
        async with self._loop() as loop:
            report: Report = []
            patience = max(self.every, QUERY_SECONDS) + LATE_SECONDS
            while True:
                line = await asyncio.wait_for(loop.stdout.readuntil(b"\n"), patience)
                fields = line.decode(errors="replace").rstrip("\n").split("\t")
                if fields == ["end"]:
                    self._reached(report)
                    report = []
                else:
                    report.append(fields)

    @asynccontextmanager
    async def _loop(self) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
        """The host's loop, running on it."""
        host = self.host
        given = {"every": str(self.every), "boot": self.boot_id, "since": self.kernel}
        async with asyncssh.connect(
            host.address, host.port, username=host.user, client_keys=[host.identity], **pinned(host.host_key)
        ) as connection:
            loop = await connection.create_process(LINE, encoding=None)
            loop.stdin.write(parcel(given))
            loop.stdin.write_eof()
            yield loop

    def _reached(self, report: Report) -> None:
        told = {fields[0]: fields[1] for fields in report if len(fields) == 2}
        if "boot" not in told:
            raise Unreachable(f"Node {self.host.node_id} sent a report that cannot be read.")
        self.heard = True
        self.boot_id, self.kernel = told["boot"], told.get("kernel", "")
        self.push(
            Reading(
                node_id=self.host.node_id,
                at=datetime.now(UTC),
                reached=True,
                boot_id=self.boot_id,
                tenancy=cast(Observation, told.get("tenancy", "absent")),
                gpus=self.memory.readings(report),
            )
        )

    def _unreached(self, detail: str) -> None:
        self.push(Reading(node_id=self.host.node_id, at=datetime.now(UTC), reached=False, detail=detail))
