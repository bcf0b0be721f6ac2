"""What is asked of a site's battery, in watts and per cent and not in any maker's words, and how it says no."""

from dataclasses import dataclass
from typing import Protocol

TIMEOUT = 3.0  # seconds


class BatteryError(Exception):
    """One clear sentence for staff."""


class BatteryUnreachable(BatteryError):
    """It did not answer in time, or what it answered cannot be used; a later attempt may succeed."""


class BatteryRefused(BatteryError):
    """It answers, and says no; or it cannot be told this. Trying again at once cannot help."""


class BatteryBusy(BatteryRefused):
    """It says that it is busy; a later attempt may succeed."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Where a battery answers, as which unit behind that address, for at most `timeout` seconds for each exchange."""

    address: str
    port: int = 502
    unit: int = 1
    timeout: float = TIMEOUT

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Identity:
    """What it says that it is."""

    maker: str
    model: str
    version: str


@dataclass(frozen=True, kw_only=True)
class BatteryState:
    """
    What it says of itself now. `watts` are at its terminals: above 0 it gives, below 0 it is charged. `told_watts` is
    the power that it was told; None: it goes by its own control, as it will again in `reverts_in` seconds.
    """

    permille: int  # state of charge
    watts: int
    told_watts: int | None
    reverts_in: int | None
    most_given: int  # watts
    most_taken: int  # watts
    fault: str = ""

    @property
    def commanded(self) -> bool:
        """Whether it does what somebody told it, and not as it likes."""
        return self.told_watts is not None


class Driver(Protocol):
    """One battery. Every verb may be repeated, and returns as soon as the battery has taken the command: its power
    follows within seconds, so who told it has to look. All raise BatteryError."""

    async def identify(self) -> Identity:
        """Asks it."""

    async def state(self) -> BatteryState:
        """One look."""

    async def set_power(self, watts: int, *, seconds: int) -> None:
        """
        Gives so many watts (below 0: is charged with them), no more, until it is told something else; for `seconds` at
        most, then it goes by its own control again, whoever told it being there or not.
        """

    async def release(self) -> None:
        """Goes by its own control again, at once."""
