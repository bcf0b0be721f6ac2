"""One miner: what it is told, what it draws, what it says that it draws; and how it misbehaves."""

from enum import StrEnum

from standins.miners.kinds import Kind

SESSION_SECONDS = 60  # a session of LuxOS lives for so long after its last use


class Behaviour(StrEnum):
    """How it answers. All but HONEST are faults that somebody met, or an attacker would choose."""

    HONEST = "honest"
    SLOW = "slow"  # each answer takes longer than anybody waits
    REFUSING = "refusing"  # commands are answered with an error; reading works
    BUSY = "busy"  # somebody else has its session
    SILENT = "silent"  # takes connections and never answers
    DEAD = "dead"  # closes connections at once
    HALF = "half"  # half of the answer, then the end of the stream
    GARBAGE = "garbage"  # bytes that are nothing
    ENDLESS = "endless"  # brackets without end
    STUBBORN = "stubborn"  # takes "sleep", shows it, and draws and tells full power
    LYING = "lying"  # takes "sleep", shows it, tells standby, and draws full power


DRAWING = (Behaviour.STUBBORN, Behaviour.LYING)


class Machine:
    """Times are seconds of the stand-in's clock."""

    __slots__ = ("_changed_at", "_from", "asleep", "behaviour", "kind", "limit", "said", "session", "session_until")

    def __init__(self, kind: Kind) -> None:
        self.kind, self.limit, self.behaviour = kind, kind.watts, Behaviour.HONEST
        self.asleep, self._from, self._changed_at = False, float(kind.watts), -1e9
        self.session, self.session_until = "", 0.0
        self.said: list[str] = []

    def told(self, now: float) -> float:
        """The watts that it tells."""
        return self._modelled(now) if self.behaviour == Behaviour.LYING else self.drawn(now)

    def drawn(self, now: float) -> float:
        """The watts that a meter in front of it shows."""
        return float(self.limit) if self.behaviour in DRAWING else self._modelled(now)

    def share(self, now: float) -> float:
        """How much of its full power it tells: its hash rate follows."""
        return max(0.0, (self.told(now) - self.kind.standby) / (self.kind.watts - self.kind.standby))

    def change(self, *, asleep: bool, now: float) -> bool:
        """Go to sleep or wake up; False if it refuses. Asked for what it does already, it does nothing."""
        if self.behaviour == Behaviour.REFUSING:
            return False
        if asleep and not self.asleep and now - self._changed_at < self.kind.stays_on:
            return False
        if asleep != self.asleep:
            self._from, self._changed_at, self.asleep = self._modelled(now), now, asleep
        return True

    def _modelled(self, now: float) -> float:
        goal = float(self.kind.standby if self.asleep else self.limit)
        since = now - self._changed_at - (0 if self.asleep else self.kind.boots)
        share = min(1.0, max(0.0, since / (self.kind.falls if self.asleep else self.kind.rises)))
        return self._from + (goal - self._from) * share
