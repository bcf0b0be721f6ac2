"""What is asked of a node's management controller (BMC): power and boot source, and how it says no."""

from collections.abc import Callable
from typing import Literal, Protocol

PowerState = Literal["on", "off", "changing"]
BootSource = Literal["network", "disk", "other"]
"""From where a host starts: PXE on its first network card, its first disk, or whatever the controller calls else."""

Ours = Callable[[], bool]
"""Whether who switches may still do so. Asked right before each command: a controller knows no epochs, and a worker
that slept must not switch off the next tenant's host."""

WITHIN = 120.0  # seconds in which a host must have changed its power state


class PowerError(Exception):
    """One clear sentence for staff."""


class PowerUnreachable(PowerError):
    """The controller did not answer in time, or only with a fault of its own; a later attempt may succeed."""


class PowerRefused(PowerError):
    """It refuses our login, or shows another certificate than the one that is trusted: trying again cannot help."""


class Overtaken(PowerError):
    """Somebody else has taken the work over meanwhile; the controller was told nothing."""

    def __init__(self) -> None:
        super().__init__("Another worker has taken over; the BMC was told nothing.")


class Power(Protocol):
    """The power of one host. Every verb looks first and may be repeated. It returns only once the wanted power state
    was read back, and raises PowerError where that is not so `within` the given seconds."""

    def state(self) -> PowerState:
        """Whether the host has power now."""

    def on(self, *, within: float = WITHIN) -> None:
        """Ensures that it is on. Its operating system may take minutes more to answer."""

    def off(self, *, grace: float = 0.0, within: float = WITHIN) -> None:
        """Ensures that it is off: at once; or its operating system is asked first, and has `grace` seconds."""

    def cycle(self, *, within: float = WITHIN) -> None:
        """Off, hard, and on again. Both are read back: a host that never lost power is not taken for restarted."""

    def boot_source(self) -> BootSource:
        """From where it starts next."""

    def boot_from(self, source: Literal["network", "disk"], *, once: bool = True) -> None:
        """From where it shall start: the next time only, or always."""
