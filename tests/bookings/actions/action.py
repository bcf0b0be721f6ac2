"""One thing that somebody does, and what can be answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing import budgets, checkout, keeping, limits, quotes, waiting
from billing.models import Quote
from leasing import operations
from leasing.models import Claim, Lease
from leasing.operations.maintaining import WindowTaken
from marketplace.models import NodeCalendar
from tests.bookings.desk import Desk
from tests.bookings.notes import Said
from tests.bookings.world import World

REFUSALS: dict[type[Exception], str] = {
    operations.NodesTaken: "nodes",
    checkout.InsufficientFunds: "funds",
    checkout.RunsDry: "funds",
    budgets.BudgetExceeded: "budget",
    limits.NodeLimitReached: "limit",
    quotes.QuoteUsed: "used",
    quotes.QuoteExpired: "expired",
    checkout.QuoteRefused: "impossible",
    operations.BookedBehind: "behind",
    operations.WindowRefused: "refused",
    WindowTaken: "taken",
    waiting.NotWaiting: "over",
    waiting.TooManyWait: "many",
    keeping.CannotHold: "limit",
    keeping.HeldLately: "limit",
}
ACTOR = "user:us_tests"
STAFF = "user:us_staff"


@dataclass(frozen=True)
class Action:
    """One thing that somebody does."""

    def target(self, desk: Desk) -> Any:
        """The key of what it is done to, as the desk stands; 0 where it makes something new, None: there is nothing."""
        return 0

    def do(self, world: World, key: Any) -> Said:
        """Do it with the product, and read what came of it."""
        raise NotImplementedError

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        """
        Write it down on the desk.

        :raises Disagrees: if the product had to answer otherwise
        """
        raise NotImplementedError

    def tried(self, world: World, key: Any) -> Said:
        """Do it; the refusals that there are for it are answers like any other."""
        try:
            return self.do(world, key)
        except tuple(REFUSALS) as refusal:
            return Said(REFUSALS[type(refusal)])


def nodes_of(lease: Lease) -> frozenset[int]:
    """Which nodes it has."""
    return frozenset(Claim.objects.filter(lease=lease, released_at=None).values_list("node_id", flat=True))


def held_for(quote: Quote) -> frozenset[int]:
    """Which nodes are held for it."""
    return frozenset(NodeCalendar.objects.filter(held_for=quote.public_id).values_list("pk", flat=True))


def one_of(keys: Sequence[Any], number: int) -> Any:
    """The one with that number, counted through; None of none."""
    return keys[number % len(keys)] if keys else None
