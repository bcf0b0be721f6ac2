"""What leases that run open-ended will cost, beside what is committed for their next time already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing.queries.commitments import REACH
from marketplace.money import SECONDS_PER_HOUR

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Running:
    """A lease that runs open-ended, with what is committed for its next time already: an hour when it is ordered."""

    micros_per_hour: int
    ahead_micros: int

    def beyond(self, length: timedelta) -> int:
        """What it costs in a time from now on, beside what is committed."""
        return max(0, self.micros_per_hour * (length // SECOND) // SECONDS_PER_HOUR - self.ahead_micros)

    @property
    def grows_after(self) -> timedelta:
        """When its commitment begins to grow: it is paused that much before it has used what is committed."""
        covered = timedelta(seconds=self.ahead_micros * SECONDS_PER_HOUR // self.micros_per_hour)
        return max(timedelta(), covered - REACH)


def reached_after(burning: Sequence[Running], *, left_micros: int) -> timedelta:
    """After how long they have committed what is left, each from when on its commitment grows."""
    burn, at, left = 0, timedelta(), left_micros
    for one in sorted(burning, key=lambda one: one.grows_after):
        grown = burn * ((one.grows_after - at) // SECOND) // SECONDS_PER_HOUR
        if grown > left:
            break
        burn, at, left = burn + one.micros_per_hour, one.grows_after, left - grown
    return at + timedelta(seconds=left * SECONDS_PER_HOUR // burn)
