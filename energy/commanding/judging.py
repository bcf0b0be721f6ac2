"""What came of a command: what was heard from a miner, and a meter's figure where there is one, as one verdict."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from energy.miners import MinerState
from energy.models import Outcome, Source

DRAWS = 0.1  # one that draws more than this part of its power above standby is not asleep
LONGEST_DETAIL = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was wanted of one miner, and what its class draws. `rising`: woken so lately that it may still boot."""

    miner_id: int
    asleep: bool
    watts: int
    standby_watts: int
    rising: bool = False

    @property
    def most_asleep(self) -> float:
        """More watts than these are no sleep."""
        return self.standby_watts + DRAWS * (self.watts - self.standby_watts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What it answered: why it did not take the command, if it did not, and how it looked at last."""

    refusal: str = ""
    state: MinerState | None = None
    silence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerRead:
    """The verdict on one miner. `load_watts` is what it has to be counted with from now on, by the word of `source`."""

    miner_id: int
    asleep: bool
    outcome: Outcome
    load_watts: int
    source: Source
    read_asleep: bool | None
    terahashes: float | None
    detail: str
    at: datetime


@dataclass(frozen=True)
class Report:
    """A command's outcome: every miner that was told something, and what the classes that it was for draw now."""

    reads: tuple[MinerRead, ...]
    target_watts: int
    load_watts: int

    @property
    def met(self) -> bool:
        """Whether they draw no more than they may."""
        return self.load_watts <= self.target_watts

    @property
    def counts(self) -> dict[str, int]:
        """How many of each outcome."""
        found = Counter(read.outcome.value for read in self.reads)
        return {outcome.value: found[outcome.value] for outcome in Outcome}


def judge(asked: Asked, heard: Heard, *, metered: int | None, at: datetime) -> MinerRead:
    """
    The one verdict. Nobody is believed to draw less than the best source says; who said nothing draws its nameplate.

    What wakes counts in full at once: its power comes later, and comes.
    """
    watts, source = _watts(asked, heard, metered)
    outcome, detail = _outcome(asked, heard, watts)
    if not asked.asleep and (asked.rising or outcome != Outcome.OBEYED):
        watts, source = max(watts, asked.watts), source if watts >= asked.watts else Source.NAMEPLATE
    state = heard.state
    return MinerRead(
        miner_id=asked.miner_id,
        asleep=asked.asleep,
        outcome=outcome,
        load_watts=watts,
        source=source,
        read_asleep=state.asleep if state else None,
        terahashes=state.terahashes if state else None,
        detail=detail[:LONGEST_DETAIL],
        at=at,
    )


def _watts(asked: Asked, heard: Heard, metered: int | None) -> tuple[int, Source]:
    if metered is not None:
        return metered, Source.METER
    if heard.state is None:
        return asked.watts, Source.NAMEPLATE
    if heard.state.watts is not None:
        return heard.state.watts, Source.MINER
    return (asked.standby_watts if heard.state.asleep else asked.watts), Source.NAMEPLATE


def _outcome(asked: Asked, heard: Heard, watts: int) -> tuple[Outcome, str]:
    state = heard.state
    if state is None:
        return Outcome.UNREACHABLE, heard.refusal or heard.silence
    if asked.asleep:
        done = state.asleep and watts <= asked.most_asleep
        says = "says that it sleeps" if state.asleep else "is awake"
    else:
        done = not state.asleep or (asked.rising and not heard.refusal)
        says = "sleeps"
    if done:
        return Outcome.OBEYED, ""
    if heard.refusal:
        return Outcome.REFUSED, heard.refusal
    return Outcome.LIED, f"It took the command, {says} and draws {watts:,} W."
