"""A miner in memory, for tests: it keeps the promises of the contract, or breaks them as told."""

from dataclasses import dataclass, field

from energy.miners.base import Identity, MinerError, MinerState, MinerUnreachable, Reach, Verb


@dataclass
class Machine:
    """One miner. `said` is what it was told; `deaf_to` what it takes and does not do; `broken` what it answers."""

    watts: int = 3500
    terahashes: float = 200.0
    asleep: bool = False
    said: list[str] = field(default_factory=list)
    deaf_to: frozenset[str] = frozenset()
    broken: list[MinerError] = field(default_factory=list)
    always_broken: MinerError | None = None

    def answer(self) -> None:
        """Raises what is scripted next, if anything is."""
        if self.always_broken:
            raise self.always_broken
        if self.broken:
            raise self.broken.pop(0)

    def take(self, word: str, *, asleep: bool) -> None:
        """Obeys, unless it is deaf to the word."""
        self.answer()
        self.said.append(word)
        if word not in self.deaf_to:
            self.asleep = asleep


MACHINES: dict[tuple[str, int], Machine] = {}
"""By address and port; one that nobody has seen yet is awake."""

STANDBY = 50  # watts


class FakeMiner:
    """Serves the shared `MACHINES`."""

    def __init__(self, reach: Reach) -> None:
        self._machine = MACHINES.setdefault((reach.address, reach.port), Machine())

    async def identify(self) -> Identity:
        """A name of its own."""
        self._machine.answer()
        return Identity("Fake", "fake", "1")

    async def verbs(self) -> frozenset[Verb]:
        """All of them."""
        return frozenset({"sleep", "wake", "limit"})

    async def state(self) -> MinerState:
        """Power follows at once."""
        machine = self._machine
        machine.answer()
        return MinerState(
            machine.asleep, STANDBY if machine.asleep else machine.watts, 0.0 if machine.asleep else machine.terahashes
        )

    async def sleep(self) -> None:
        """At once."""
        self._machine.take("sleep", asleep=True)

    async def wake(self) -> None:
        """At once, too."""
        self._machine.take("wake", asleep=False)

    async def limit(self, watts: int) -> int:
        """Any watts."""
        self._machine.answer()
        self._machine.watts = watts
        return watts


def silent() -> MinerUnreachable:
    """What a miner that is dead or hung makes us say."""
    return MinerUnreachable("The miner does not answer: scripted.")
