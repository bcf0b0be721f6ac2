"""One battery: what it is told, what it gives or takes, what it holds, what it says; and how it misbehaves."""

from dataclasses import dataclass, field
from enum import StrEnum

STEP = 0.25  # seconds, of which an advance is made
MOST_STEPS = 40_000  # a longer absence is made of longer ones
LAG = 0.01  # of what is told: nearer is there


class Behaviour(StrEnum):
    """How it answers. All but HONEST are faults that somebody met."""

    HONEST = "honest"
    SLOW = "slow"  # each answer takes longer than anybody waits
    REFUSING = "refusing"  # writing is answered with an error; reading works
    BUSY = "busy"  # all is answered with "busy"
    SILENT = "silent"  # takes connections and never answers
    DEAD = "dead"  # closes connections at once
    HALF = "half"  # half of the answer, then the end of the stream
    GARBAGE = "garbage"  # bytes that are nothing
    OTHERS = "others"  # the answer to somebody else's question
    FORGETFUL = "forgetful"  # says that it wrote, and keeps nothing
    STUBBORN = "stubborn"  # keeps and shows what it is told, and does not do it
    LYING = "lying"  # the same, and says that its power is what it was told


IDLE = (Behaviour.STUBBORN, Behaviour.LYING)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What it can do. `ramp` is the part of its power by which it changes in a second; of a MWh it keeps `efficiency`
    each way; below `reserve_permille` it gives nothing. One that is told `in_percent` knows no watts."""

    watts: int
    watt_hours: int
    efficiency: float = 0.94
    ramp: float = 0.1
    reserve_permille: int = 50
    in_percent: bool = False


@dataclass
class Machine:
    """Times are seconds of the stand-in's clock; watts above 0 come out of it."""

    kind: Kind
    stored_wh: float
    now: float
    behaviour: Behaviour = Behaviour.HONEST
    watts: float = 0.0
    told: int | None = None  # None: by its own control, which rests
    seconds: int = 0  # of its reversion timer; 0: none
    reverts_at: float | None = None
    said: list[int | None] = field(default_factory=list)

    @property
    def permille(self) -> float:
        """State of charge."""
        return 1000 * self.stored_wh / self.kind.watt_hours

    @property
    def shown_watts(self) -> float:
        """What it says of its power."""
        return self._reachable(self.told or 0) if self.behaviour == Behaviour.LYING else self.watts

    @property
    def reverts_in(self) -> int:
        """Seconds that are left on its timer."""
        return 0 if self.reverts_at is None else max(0, round(self.reverts_at - self.now))

    def tell(self, watts: int | None, seconds: int) -> None:
        """Take a command, or with None go by its own control."""
        self.said.append(watts)
        if self.behaviour != Behaviour.FORGETFUL:
            self.told, self.seconds = watts, seconds
            self.reverts_at = self.now + seconds if seconds and watts is not None else None

    def advance(self, now: float) -> None:
        """Let time pass: the timer, the ramp, and the energy that moves."""
        while self.now < now:
            step = min(max(STEP, (now - self.now) / MOST_STEPS), now - self.now)
            self.now += step
            if self.reverts_at is not None and self.now >= self.reverts_at:
                self.told, self.reverts_at = None, None
            self._move(step)

    def _move(self, seconds: float) -> None:
        wanted = 0 if self.told is None or self.behaviour in IDLE else self.told
        goal, most = self._reachable(wanted), self.kind.watts * self.kind.ramp * seconds
        self.watts += min(max(goal - self.watts, -most), most)
        self.watts = self._reachable(self.watts)
        hours, kept = seconds / 3600, self.kind.efficiency
        self.stored_wh -= self.watts * hours * (kept if self.watts < 0 else 1 / kept)
        self.stored_wh = min(max(self.stored_wh, 0.0), float(self.kind.watt_hours))

    def _reachable(self, watts: float) -> float:
        """What of it can be done: nothing out of an empty one, nothing into a full one."""
        empty, full = self.permille <= self.kind.reserve_permille, self.stored_wh >= self.kind.watt_hours - LAG
        return 0.0 if (watts > 0 and empty) or (watts < 0 and full) else watts
