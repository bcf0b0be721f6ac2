"""What is written down at the desk: wishes, bookings, holds, quotes, who waits, and what customers may spend."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
CLEANING = timedelta(minutes=15)
SHORTEST = timedelta(minutes=1)  # on demand
GUARANTEE = timedelta(days=7)
KEPT = timedelta(minutes=10)  # a quote's price, and the nodes that it holds
MICROS_PER_NODE_SECOND = 1_000  # $3.60 an hour
ALWAYS = datetime.max.replace(tzinfo=UTC)

Months = Counter[tuple[int, int]]


class Disagrees(AssertionError):
    """The product said something that the desk would not."""


@dataclass(frozen=True)
class Wish:
    """Nodes for a window, open-ended without an end."""

    who: int
    nodes: int
    starts_at: datetime
    ends_at: datetime | None
    fabric: bool = False
    project: str = ""

    @property
    def micros(self) -> int:
        """What is kept aside for it: all of a window, the first hour of what has no end."""
        length = self.ends_at - self.starts_at if self.ends_at else HOUR
        return self.nodes * (length // SECOND) * MICROS_PER_NODE_SECOND


@dataclass(frozen=True)
class Said:
    """What the product answered: in one word `why` not (empty: done), and what was made of it."""

    why: str = ""
    key: Any = None
    nodes: frozenset[int] = frozenset()
    starts_at: datetime | None = None


@dataclass
class Booking:
    """Who has which nodes from when to when, cleaning included; `ends_at` is what the tenant was told."""

    who: int
    nodes: frozenset[int]
    starts_at: datetime
    ends_at: datetime
    taken_until: datetime
    open_ended: bool = False
    fabric: bool = False
    project: str = ""
    begun: datetime | None = None  # the meter runs since
    stopped: datetime | None = None
    step: timedelta | None = None  # by which it extends itself

    @property
    def live(self) -> bool:
        """Whether it has its nodes still, or will have."""
        return self.stopped is None

    def seconds(self, now: datetime) -> int:
        """For which it was in the tenant's hands, up to its agreed end."""
        if self.begun is None:
            return 0
        last = self.stopped or now
        until = last if self.open_ended else min(last, self.ends_at)
        return max(0, (until - self.begun) // SECOND)

    def due_micros(self, now: datetime) -> int:
        """What it costs so far."""
        return len(self.nodes) * self.seconds(now) * MICROS_PER_NODE_SECOND

    def claims_micros(self, now: datetime) -> int:
        """What of its customer's money it has used or keeps."""
        if not self.live:
            return self.due_micros(now)
        length = HOUR if self.open_ended else self.ends_at - self.starts_at
        return max(self.due_micros(now), len(self.nodes) * (length // SECOND) * MICROS_PER_NODE_SECOND)

    def spends(self) -> Months:
        """The same of a window, month by month."""
        if self.live:
            return by_month(len(self.nodes), self.begun or self.starts_at, self.ends_at)
        return by_month(len(self.nodes), self.begun, self.stopped) if self.begun and self.stopped else Months()

    def move(self, nodes: frozenset[int], starts_at: datetime, ends_at: datetime) -> None:
        """Give it other nodes and another window."""
        self.nodes, self.starts_at, self.ends_at, self.taken_until = nodes, starts_at, ends_at, ends_at + CLEANING


def by_month(nodes: int, begin: datetime, end: datetime) -> Months:
    """What nodes cost from `begin` to `end`, micro-dollars by month."""
    found = Months()
    while begin < end:
        following = (begin.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=32)).replace(day=1)
        found[begin.year, begin.month] += nodes * ((min(end, following) - begin) // SECOND) * MICROS_PER_NODE_SECOND
        begin = following
    return found


def full_hour(now: datetime) -> datetime:
    """The one that began last."""
    return now.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Hold:
    """Nodes that are kept for a quote until a moment, for a period with its cleaning."""

    who: int
    nodes: frozenset[int]
    starts_at: datetime
    taken_until: datetime
    lapses_at: datetime


@dataclass
class Offered:
    """A quote: its price is kept until a moment, and it becomes one lease at most."""

    wish: Wish
    expires_at: datetime
    lease: int | None = None


@dataclass
class Wait:
    """
    One in line, for a length of time that lies anywhere from the earliest to the latest moment: to get a lease, or to
    be told, with a quote that holds the nodes.
    """

    who: int
    nodes: int
    length: timedelta
    earliest_at: datetime
    latest_at: datetime
    tells: bool = False
    fabric: bool = False
    end: str = ""  # how it ended: filled, expired or cancelled

    @property
    def waits(self) -> bool:
        """Whether it is in line still."""
        return not self.end

    def at(self, starts_at: datetime) -> Wish:
        """It, from a moment on."""
        return Wish(self.who, self.nodes, starts_at, starts_at + self.length, self.fabric)


@dataclass(frozen=True)
class Budget:
    """Micro-dollars a month, of one project or ("") of all."""

    project: str
    micros: int


@dataclass(frozen=True)
class Customer:
    """What one can pay and may have."""

    micros: int
    most_nodes: int = 256
    budgets: tuple[Budget, ...] = ()
