"""What is asked of one miner, in units and not in any firmware's words, and how it says no."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Verb = Literal["sleep", "wake", "limit"]

LONGEST_WORDS = 120  # characters of what a miner said that are shown to anybody
TIMEOUT = 3.0  # seconds
MOST_WATTS = 100_000  # more is no single miner
MOST_TERAHASHES = 100_000


class MinerError(Exception):
    """One clear sentence for staff, with at most 120 printable characters of what the miner said."""


class MinerUnreachable(MinerError):
    """It did not answer in time, or what it answered cannot be used; a later attempt may succeed."""


class MinerRefused(MinerError):
    """It answers, and says no; or its firmware has no such command. Trying again cannot help."""


class MinerBusy(MinerRefused):
    """Somebody else is changing it at this moment; a later attempt may succeed."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Where a miner answers, for at most `timeout` seconds for each exchange, and with which login, if it wants one."""

    address: str
    port: int = 4028
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = TIMEOUT

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Identity:
    """What it says that it is: "Antminer S21", "LuxOS", "2025.4.8"."""

    model: str
    firmware: str
    version: str


@dataclass(frozen=True)
class MinerState:
    """What it says of itself now; None for what its firmware neither measures nor estimates."""

    asleep: bool
    watts: int | None
    terahashes: float | None


class Driver(Protocol):
    """One miner. Every verb may be repeated, and returns as soon as the miner has taken the command: its power follows
    within seconds (down) or minutes (up), so who told it has to look. All raise MinerError."""

    async def identify(self) -> Identity:
        """Asks it."""

    async def verbs(self) -> frozenset[Verb]:
        """What this very miner can be told through this driver."""

    async def state(self) -> MinerState:
        """One look."""

    async def sleep(self) -> None:
        """Stops hashing and, where the hardware can, the power supply of the boards. It stays on the network."""

    async def wake(self) -> None:
        """Begins to hash again."""

    async def limit(self, watts: int) -> int:
        """Draws at most so much while it hashes. Returns the watts that it chose, which may be fewer."""


def words(said: object) -> str:
    """What a stranger's device said, fit to be shown: printable, on one line, short."""
    text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in str(said)[:LONGEST_WORDS])
    return text.strip()


def number(row: Mapping[str, object], key: str, *, most: float, where: object) -> float:
    """
    A figure of an answer, between 0 and `most`.

    :raises MinerUnreachable: if there is none, or it is none
    """
    said = row.get(key)
    try:
        figure = float(said) if isinstance(said, int | float | str) and not isinstance(said, bool) else -1.0
    except (ValueError, OverflowError):
        figure = -1.0
    if not 0 <= figure <= most:  # false for what is not a number, too
        raise MinerUnreachable(f"{where} answers what cannot be used: {key} is “{words(said)}”.")
    return figure
