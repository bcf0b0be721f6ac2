"""The web server as ./run starts it, and clients that keep their connections."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from config import parts

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Web:
    """A server that answers at `port` of this machine."""

    port: int
    process: int

    def cpu_seconds(self) -> float:
        """What its processes have used so far."""
        return cpu_seconds(self.process)


@contextmanager
def web(*, workers: int = 1) -> Iterator[Web]:
    """The server, with so many processes, as ./run starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    allowed = f"localhost,127.0.0.1,localhost:{port}"
    server = subprocess.Popen(
        parts.granian(port, workers=workers), env=os.environ | {"ALLOWED_HOSTS": allowed}, stdout=subprocess.DEVNULL
    )
    try:
        _wait(port)
        yield Web(port, server.pid)
    finally:
        server.terminate()
        server.wait()


def cpu_seconds(process: int) -> float:
    """What a process and all that it started have used so far, those that are over too."""
    while True:
        with suppress(FileNotFoundError, ProcessLookupError):  # one is over meanwhile: its parent has its time by now
            return sum(_cpu_seconds(one) for one in _tree(process))


def _wait(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("The web server does not answer.")


def _tree(process: int) -> Iterator[int]:
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS
