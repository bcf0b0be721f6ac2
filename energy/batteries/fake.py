"""A battery in memory, for tests: it keeps the promises of the contract, or breaks them as told."""

from dataclasses import dataclass, field

from energy.batteries.base import BatteryError, BatteryState, Identity, Reach


@dataclass
class Cells:
    """One battery. `said` is what it was told; a `deaf` one takes it and does nothing; `broken` is what it answers."""

    permille: int = 500
    watts: int = 0
    told_watts: int | None = None
    reverts_in: int | None = None
    most: int = 4_000_000
    said: list[tuple[str, int]] = field(default_factory=list)
    deaf: bool = False
    broken: BatteryError | None = None

    def take(self, word: str, watts: int | None, seconds: int) -> None:
        """Obeys at once, unless it is deaf or broken."""
        if self.broken:
            raise self.broken
        self.said.append((word, watts or 0))
        self.told_watts, self.reverts_in = watts, seconds
        if not self.deaf:
            self.watts = watts or 0


BATTERIES: dict[tuple[str, int], Cells] = {}
"""By address and port; one that nobody has seen yet is half full and does nothing."""


class FakeBattery:
    """Serves the shared `BATTERIES`."""

    def __init__(self, reach: Reach) -> None:
        self._cells = BATTERIES.setdefault((reach.address, reach.port), Cells())

    async def identify(self) -> Identity:
        """A name of its own."""
        return Identity("Fake", "fake", "1")

    async def state(self) -> BatteryState:
        """Power follows at once; the energy in it does not: tests say what it holds."""
        cells = self._cells
        if cells.broken:
            raise cells.broken
        return BatteryState(
            permille=cells.permille, watts=cells.watts, told_watts=cells.told_watts, reverts_in=cells.reverts_in,
            most_given=cells.most, most_taken=cells.most,
        )  # fmt: skip

    async def set_power(self, watts: int, *, seconds: int) -> None:
        """At once."""
        self._cells.take("set", watts, seconds)

    async def release(self) -> None:
        """At once, too."""
        self._cells.take("release", None, 0)
