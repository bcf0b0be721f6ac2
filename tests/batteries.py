"""A site's battery as a real process, for any suite: `with running() as battery: …` in a fixture."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.devices import Device, started


@dataclass(frozen=True, kw_only=True)
class Battery(Device):
    """A running stand-in."""

    address: str

    def behave(self, behaviour: str) -> None:
        """How it answers from now on (standins/batteries/machine.py)."""
        self.ask("behaviour", {"behaviour": behaviour})

    def hold(self, permille: int) -> None:
        """Fill or empty it."""
        self.ask("charge", {"permille": permille})

    def look(self) -> dict[str, Any]:
        """From outside: what it really gives, holds, and was told."""
        return self.ask("battery")


@contextmanager
def running(*options: str, speed: float = 1.0) -> Iterator[Battery]:
    """Start the process and end it with the block."""
    with started("batteries", "--speed", str(speed), *options) as words:
        yield Battery(address=words[2], port=int(words[4]), control=words[-1])
