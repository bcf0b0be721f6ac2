"""Asking for a price, keeping nodes for it, and ordering."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing import keeping
from billing.models import Quote
from tests.billing.conftest import a_quote, place
from tests.bookings.actions.action import Action, held_for, nodes_of, one_of
from tests.bookings.desk import Desk
from tests.bookings.notes import HOUR, KEPT, Offered, Said, Wish, full_hour
from tests.bookings.world import World


@dataclass(frozen=True)
class Ask(Action):
    """For a price: of a window ahead, or (`hours` 0) of nodes from the order on."""

    who: int
    nodes: int
    ahead: int
    hours: int
    fabric: bool = False

    def wish(self, now: datetime) -> Wish:
        """What it asks for, as of now."""
        if not self.hours:
            return Wish(self.who, self.nodes, now, None, self.fabric and self.nodes > 1)
        starts_at = full_hour(now) + self.ahead * HOUR
        return Wish(self.who, self.nodes, starts_at, starts_at + self.hours * HOUR, self.fabric and self.nodes > 1)

    def quote(self, world: World) -> Quote:
        """A new quote for it."""
        wish, offer = self.wish(world.now), world.reserved if self.hours else world.on_demand
        window = {"starts_at": wish.starts_at, "ends_at": wish.ends_at} if self.hours else {}
        customer = world.customers[self.who]
        return a_quote(customer, offer, now=world.now, nodes=self.nodes, same_fabric=self.fabric, **window)

    def possible(self, desk: Desk, said: Said, wish: Wish) -> bool:
        """No fabric group can be larger than it is."""
        in_stock = desk.largest_group({*desk.nodes} - desk.out)
        return desk.accepts(said, {"impossible"} if wish.fabric and wish.nodes > in_stock else ())

    def do(self, world: World, key: Any) -> Said:
        return Said(key=self.quote(world).public_id)

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        wish = self.wish(now)
        if self.possible(desk, said, wish):
            desk.quotes[said.key] = Offered(wish, min(now + KEPT, wish.starts_at) if wish.ends_at else now + KEPT)


@dataclass(frozen=True)
class Order(Ask):
    """Ask for a price and take it at once."""

    project: str = ""

    def wish(self, now: datetime) -> Wish:
        asked = super().wish(now)
        return Wish(asked.who, asked.nodes, asked.starts_at, asked.ends_at, asked.fabric, self.project)

    def do(self, world: World, key: Any) -> Said:
        return ordered(self.quote(world), world, self.project)

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        wish = self.wish(now)
        if said.why == "impossible" or (wish.fabric and wish.nodes > desk.largest_group({*desk.nodes} - desk.out)):
            self.possible(desk, said, wish)
        else:
            desk.order(wish, said, now)


@dataclass(frozen=True)
class TakeOver(Action):
    """Order all nodes from the first whole hour of time that was handed back: what was kept for it may come back."""

    who: int
    freed: int
    hours: int

    def target(self, desk: Desk) -> Any:
        return one_of([freed.since for freed in desk.freed if freed.fee_micros], self.freed)

    def order(self, since: datetime, now: datetime) -> Order:
        """As soon as may be."""
        ahead = -((full_hour(now) - since) // HOUR)
        return Order(self.who, 4, max(1, ahead), self.hours)

    def do(self, world: World, key: Any) -> Said:
        return self.order(key, world.now).do(world, key)

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        self.order(key, now).judge(desk, key, said, now)


@dataclass(frozen=True)
class Keep(Ask):
    """Nodes for a quote, for ten minutes, instead of what its customer's quote before kept."""

    def do(self, world: World, key: Any) -> Said:
        quote = keeping.hold_nodes(quote=self.quote(world), now=world.now)
        return Said(key=quote.public_id, nodes=held_for(quote))

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        desk.keep(self.wish(now), said, now)


@dataclass(frozen=True)
class Take(Action):
    """A quote that was asked for before: exactly the nodes that it holds, else whichever are free."""

    quote: int
    project: str = ""

    def target(self, desk: Desk) -> Any:
        return one_of([*desk.quotes][-6:], self.quote)

    def do(self, world: World, key: Any) -> Said:
        quote = Quote.objects.select_related("organization", "offer").get(public_id=key)
        return ordered(quote, world, self.project)

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        offered = desk.quotes[key]
        if offered.lease or offered.expires_at <= now:
            desk.accepts(said, {"used" if offered.lease else "expired"})
            return
        asked = offered.wish
        starts_at = asked.starts_at if asked.ends_at else now
        wish = Wish(asked.who, asked.nodes, starts_at, asked.ends_at, asked.fabric, self.project)
        desk.order(wish, said, now, quote=key)
        offered.lease = said.key


def ordered(quote: Quote, world: World, project: str) -> Said:
    """What an order of the quote came to."""
    lease = place(quote, now=world.now, project=project)
    return Said(key=lease.pk, nodes=nodes_of(lease))
