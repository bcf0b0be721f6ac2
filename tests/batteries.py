"""A site's battery as a real process, for any suite: `with running() as battery: …` in a fixture."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Battery:
    """A running stand-in: where it answers, and its control address."""

    address: str
    port: int
    control: str

    def behave(self, behaviour: str) -> None:
        """How it answers from now on (standins/batteries/machine.py)."""
        self._ask("behaviour", {"behaviour": behaviour})

    def hold(self, permille: int) -> None:
        """Fill or empty it."""
        self._ask("charge", {"permille": permille})

    def look(self) -> dict[str, Any]:
        """From outside: what it really gives, holds, and was told."""
        return self._ask("battery")

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.control}/_standin/{path}", data=data)) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found


@contextmanager
def running(*options: str, speed: float = 1.0) -> Iterator[Battery]:
    """Start the process and end it with the block."""
    argv = [sys.executable, "-m", "standins.batteries", "--speed", str(speed), *options]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        words = process.stdout.readline().replace(",", "").split()
        assert "battery" in words, "the stand-in did not start"
        yield Battery(words[2], int(words[4]), words[-1])
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
