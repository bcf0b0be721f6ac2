"""
What a booking desk with pencil and paper would say: a list of periods for each node. It knows nothing of how the
product keeps its calendar, and decides every wish anew from the whole list.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

CLEANING = timedelta(minutes=15)


@dataclass
class Booking:
    """Who has which nodes from when to when, cleaning included; `ends_at` is what the tenant was told."""

    nodes: frozenset[int]
    starts_at: datetime
    ends_at: datetime
    taken_until: datetime
    micros_per_node_second: int
    open_ended: bool
    begun: datetime | None = None  # the meter runs since
    stopped: datetime | None = None

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
        return max(0, (until - self.begun) // timedelta(seconds=1))


@dataclass(frozen=True)
class Hold:
    """Nodes that are kept for a quote until a moment, for a period with its cleaning."""

    who: int
    nodes: frozenset[int]
    starts_at: datetime
    taken_until: datetime
    lapses_at: datetime


@dataclass
class Desk:
    """The nodes, what is booked on them, and which are out of stock."""

    nodes: frozenset[int]
    bookings: dict[int, Booking] = field(default_factory=dict)  # by the lease's key
    works: dict[int, Booking] = field(default_factory=dict)  # planned maintenance, by its key
    out: set[int] = field(default_factory=set)
    holds: dict[str, Hold] = field(default_factory=dict)  # by the quote's public id

    def free(self, starts_at: datetime, until: datetime, *, now: datetime, quote: str = "") -> set[int]:
        """Nodes on which nothing is booked in a period, nor held for another quote, and that are in stock."""
        others = [hold for hold in self.live_holds(now, but=quote) if hold.starts_at < until]
        held = {node for hold in others if starts_at < hold.taken_until for node in hold.nodes}
        return {node for node in self.nodes - self.out - held if not any(self.touching(node, starts_at, until))}

    def next_behind(self, nodes: Iterable[int], after: datetime, *, now: datetime) -> datetime | None:
        """When the first booking or hold of any of the nodes begins, from a moment on."""
        begins = [taken.starts_at for node in nodes for taken in self._on(node) if taken.starts_at >= after]
        begins += [hold.starts_at for hold in self.live_holds(now) if hold.nodes & {*nodes} and hold.starts_at >= after]
        return min(begins, default=None)

    def live_holds(self, now: datetime, *, but: str = "") -> list[Hold]:
        """What is held now, for other quotes than this one."""
        return [hold for quote, hold in self.holds.items() if quote != but and hold.lapses_at > now]

    def double(self) -> list[tuple[int, Booking, Booking]]:
        """Pairs of bookings that have one node at once: there must be none."""
        found = []
        for node in self.nodes:
            rows = sorted(self._on(node), key=lambda taken: taken.starts_at)
            found += [(node, one, two) for one, two in pairwise(rows) if two.starts_at < one.taken_until]
        return found

    def due_micros(self, now: datetime) -> int:
        """What all of them cost so far."""
        rows = self.bookings.values()
        return sum(row.micros_per_node_second * row.seconds(now) * len(row.nodes) for row in rows)

    def _on(self, node: int) -> list[Booking]:
        rows = [*self.bookings.values(), *self.works.values()]
        return [row for row in rows if node in row.nodes and row.starts_at < row.taken_until]

    def touching(self, node: int, starts_at: datetime, until: datetime) -> Iterable[Booking]:
        return (row for row in self._on(node) if row.starts_at < until and starts_at < row.taken_until)
