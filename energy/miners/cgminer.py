"""
Firmware that speaks the common TCP API of cgminer without a session.

| firmware | state | sleep, wake | limit |
| --- | --- | --- | --- |
| BOSminer (Braiins OS) | `summary`, `tunerstatus` | `pause`, `resume` | no: it is gRPC's |
| Whatsminer (API 2) | `summary`, with its power | no: encrypted, with a token; `pyasic_rs` has it | no |
| stock Antminer, Avalon and others | `summary`, no power | no | no |

https://docs.braiins.com/os/plus-en/Development/1_api.html
"""

from energy.miners.base import (
    MOST_TERAHASHES,
    MOST_WATTS,
    Identity,
    MinerRefused,
    MinerState,
    MinerUnreachable,
    Reach,
    Verb,
    number,
    words,
)
from energy.miners.wire import Row, ask, ask_together, first

FIRMWARE = ("BOSminer+", "BOSminer", "BOSer", "BTMiner", "BMMiner", "CGMiner", "cgminer", "Miner")
PAUSING = ("BOSminer+", "BOSminer", "BOSer")


class CGMiner:
    """A miner that speaks it."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def identify(self) -> Identity:
        """`version`, whose keys name the program."""
        said = first(await ask(self._reach, "version"), "VERSION", where=self._reach)
        firmware = next((name for name in FIRMWARE if name in said), "")
        return Identity(words(said.get("Type", "")), firmware, words(said.get(firmware, "")))

    async def verbs(self) -> frozenset[Verb]:
        """See the table above."""
        pauses = (await self.identify()).firmware in PAUSING
        return frozenset({"sleep", "wake"}) if pauses else frozenset()

    async def state(self) -> MinerState:
        """The API has no word for asleep: a miner that does not hash is."""
        said = await ask_together(self._reach, "summary", "tunerstatus")
        if (summary := said["summary"]) is None:
            raise MinerUnreachable(f"{self._reach} does not tell its summary.")
        row = first(summary, "SUMMARY", where=self._reach)
        terahashes = self._terahashes(row)
        return MinerState(asleep=terahashes == 0, watts=self._watts(row, said["tunerstatus"]), terahashes=terahashes)

    async def sleep(self) -> None:
        """`pause`."""
        await ask(self._reach, "pause")

    async def wake(self) -> None:
        """`resume`."""
        await ask(self._reach, "resume")

    async def limit(self, watts: int) -> int:
        """Not in this API."""
        raise MinerRefused(f"{self._reach} has no command for {watts} W in the common API.")

    def _terahashes(self, row: Row) -> float:
        for key, to_tera in (("MHS 5s", 1e6), ("GHS 5s", 1e3), ("HS RT", 1e6), ("MHS av", 1e6), ("GHS av", 1e3)):
            if key in row:
                return number(row, key, most=MOST_TERAHASHES * to_tera, where=self._reach) / to_tera
        raise MinerUnreachable(f"{self._reach} does not tell its hash rate.")

    def _watts(self, summary: Row, tuner: Row | None) -> int | None:
        if "Power" in summary:
            return round(number(summary, "Power", most=MOST_WATTS, where=self._reach))
        if tuner is None:
            return None
        row = first(tuner, "TUNERSTATUS", where=self._reach)
        return round(number(row, "ApproximateMinerPowerConsumption", most=MOST_WATTS, where=self._reach))
