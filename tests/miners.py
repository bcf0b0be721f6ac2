"""A site's miners as a real process, for any suite: `with running("s21:3,s19:2") as rack: …` in a fixture."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Rack:
    """A running stand-in: its miners' addresses in the order of its fleet, their port, and its control address."""

    first: IPv4Address
    count: int
    port: int
    control: str

    @property
    def addresses(self) -> list[str]:
        """All of them."""
        return [str(self.first + number) for number in range(self.count)]

    def behave(self, behaviour: str, *miners: str) -> None:
        """How these miners answer from now on (standins/miners/machine.py); without any, how all do."""
        self._ask("behaviour", {"behaviour": behaviour, "miners": list(miners)})

    def metered(self) -> dict[str, int]:
        """The watts that each really draws."""
        drawn: dict[str, int] = self._ask("meter")["miners"]
        return drawn

    def look(self, miner: str) -> dict[str, Any]:
        """One miner from outside: whether it is asleep, what it draws and tells, and what it was told."""
        return self._ask(f"miners/{miner}")

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.control}/_standin/{path}", data=data)) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found


@contextmanager
def running(fleet: str, *, speed: float = 1.0, host: str = "", port: int = 0) -> Iterator[Rack]:
    """Start the process and end it with the block. A `host` is the address of its only miner."""
    argv = [sys.executable, "-m", "standins.miners", "--fleet", fleet, "--speed", str(speed), "--port", str(port)]
    argv += ["--host", host, "--first", host] if host else []
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        words = process.stdout.readline().replace(",", "").split()
        assert "miners" in words, "the stand-in did not start"
        yield Rack(IPv4Address(words[3]), int(words[0]), int(words[6]), words[-1])
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
