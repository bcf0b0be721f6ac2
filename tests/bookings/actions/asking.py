"""Asking for a price, keeping nodes for it, and ordering."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing import keeping
from billing.models import Quote
from marketplace.models import NodeCalendar
from tests.billing.conftest import a_quote, place
from tests.bookings.actions.action import Action, nodes_of, one_of
from tests.bookings.desk import Desk
from tests.bookings.notes import CLEANING, HOUR, KEPT, Hold, Offered, Said, Wish, full_hour
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
class Keep(Ask):
    """Nodes for a quote, for ten minutes, instead of what its customer's quote before kept."""

    def do(self, world: World, key: Any) -> Said:
        quote = keeping.hold_nodes(quote=self.quote(world), now=world.now)
        held = NodeCalendar.objects.filter(held_for=quote.public_id).values_list("pk", flat=True)
        return Said(key=quote.public_id, nodes=frozenset(held))

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        wish = self.wish(now)
        assert wish.ends_at is not None
        before = next((quote for quote, hold in desk.holds.items() if hold.who == self.who), "")
        lapsed_at = desk.holds[before].lapses_at if before else now + KEPT
        elsewhere = {node for hold in desk.live_holds(now, but=before) for node in hold.nodes}
        free = desk.free(wish.starts_at, wish.ends_at + CLEANING, now=now, quote=before) - elsewhere
        against = {"nodes"} if len(free) < self.nodes else set()
        if desk.most_at_once(wish, None) + self.nodes > desk.customers[self.who].most_nodes:
            against.add("limit")
        if lapsed_at <= now < lapsed_at + KEPT:  # not ordered: others go first, as long as it was kept
            against.add("limit")
        if not desk.accepts(said, against):
            return
        desk.check_nodes(said.nodes, wish, free)
        desk.holds.pop(before, None)
        until = min(now + KEPT, wish.starts_at)
        kept_until = min(until, lapsed_at) if lapsed_at > now else until  # in place of another: no longer than that
        desk.quotes[said.key] = Offered(wish, until)
        desk.holds[said.key] = Hold(self.who, said.nodes, wish.starts_at, wish.ends_at + CLEANING, kept_until)


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
