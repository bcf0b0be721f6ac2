"""A watch of hosts in the background of a test: what it said so far, and waiting for what it is to say."""

import asyncio
import threading
from collections.abc import Callable
from typing import Self

from leasing.provisioners.base import Host, Inspector, Reading
from tests.hosts import wait_until

EVERY = 0.5  # seconds


class Watch:
    """Runs between `__enter__` and `__exit__`; a watch that ended by itself is an error."""

    def __init__(self, inspector: Inspector, *hosts: Host) -> None:
        self.inspector, self.hosts = inspector, hosts
        self.readings: list[Reading] = []
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.started = threading.Event()

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.ensure_future(self.inspector.watch(self.hosts, self.readings.append, every=EVERY))
        self.started.set()
        await asyncio.wait([self.task])

    def __enter__(self) -> Self:
        self.thread.start()
        self.started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(30)
        assert self.task.cancelled(), "the watch ended by itself"

    def hears(self, wanted: Callable[[Reading], bool], *, seconds: float = 30) -> Reading:
        """The first reading from now on that is as wanted; fails when none comes in time."""
        known = len(self.readings)
        wait_until(lambda: any(wanted(reading) for reading in self.readings[known:]), seconds=seconds)
        return next(reading for reading in self.readings[known:] if wanted(reading))
