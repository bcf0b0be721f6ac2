"""A site's miners as a real process, for any suite: `with running("s21:3,s19:2") as rack: …` in a fixture."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from tests.devices import Device, started


@dataclass(frozen=True, kw_only=True)
class Rack(Device):
    """A running stand-in: its miners' addresses in the order of its fleet; they all have its port."""

    first: IPv4Address
    count: int

    @property
    def addresses(self) -> list[str]:
        """All of them."""
        return [str(self.first + number) for number in range(self.count)]

    def behave(self, behaviour: str, *miners: str) -> None:
        """How these miners answer from now on (standins/miners/machine.py); without any, how all do."""
        self.ask("behaviour", {"behaviour": behaviour, "miners": list(miners)})

    def metered(self) -> dict[str, int]:
        """The watts that each really draws."""
        drawn: dict[str, int] = self.ask("meter")["miners"]
        return drawn

    def look(self, miner: str) -> dict[str, Any]:
        """One miner from outside: whether it is asleep, what it draws and tells, and what it was told."""
        return self.ask(f"miners/{miner}")


@contextmanager
def running(fleet: str, *, speed: float = 1.0, host: str = "", port: int = 0) -> Iterator[Rack]:
    """Start the process and end it with the block. A `host` is the address of its only miner."""
    options = ["--fleet", fleet, "--speed", str(speed), "--port", str(port)]
    options += ["--host", host, "--first", host] if host else []
    with started("miners", *options) as words:
        yield Rack(first=IPv4Address(words[3]), count=int(words[0]), port=int(words[6]), control=words[-1])
