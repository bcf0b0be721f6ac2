"""The logs of a tenancy: what the node host did to it, and what its startup script printed."""

import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from standins.nodes.state import Record, State

KEPT = 64 << 10  # bytes that are told


def note(state: State, machine: str, text: str) -> None:
    """Appends a line to the console log, as long as there is a tenancy to have one."""
    with suppress(FileNotFoundError):
        with (state.tenancy(machine) / "console.log").open("a") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC simulated node: {text}\n")


def read(state: State, record: Record, log: str) -> str:
    """The newest 64 KiB of "startup" or "console"; what is not text is replaced."""
    if log == "console":
        return _newest(state.tenancy(record.machine) / "console.log", os.getuid())
    return _newest(state.home(record.machine) / "startup.log", os.getuid() if record.uid is None else record.uid)


def _newest(path: Path, owner: int) -> str:
    """The end of a regular file of this owner's; "" for anything else: the home's files are the tenant's to swap."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != owner:
            return ""
        file.seek(max(0, seen.st_size - KEPT))
        return file.read(KEPT).decode(errors="replace")
