"""Stand-ins of a site's devices as real processes: what racks of miners and batteries have in common."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standins import control

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Device:
    """A running stand-in: the port at which it answers, and its control address."""

    port: int
    control: str

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One of its controls; with a body, to change something."""
        return control.ask(self.control, path, body)


@contextmanager
def started(standin: str, *options: str) -> Iterator[list[str]]:
    """Start the process `standins.…` and end it with the block; yields the words with which it says where it is."""
    argv = [sys.executable, "-m", f"standins.{standin}", *options]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        words = process.stdout.readline().replace(",", "").split()
        assert "control" in words, "the stand-in did not start"
        yield words
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
