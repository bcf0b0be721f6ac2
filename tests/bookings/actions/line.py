"""Standing in line, being served and leaving."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing import filling, waiting
from billing.models import Mode, StandingOrder
from leasing.operations import Setup
from marketplace.models import PlanKind
from tests import factories
from tests.bookings.actions.action import ACTOR, Action, held_for, nodes_of, one_of
from tests.bookings.desk import Desk
from tests.bookings.notes import HOUR, SECOND, Said, Wait, full_hour
from tests.bookings.world import World

MOST_WAITING = 20


@dataclass(frozen=True)
class Join(Action):
    """Stand in line for a window anywhere within some hours: to get it, or (`tells`) a quote that holds its nodes."""

    who: int
    nodes: int
    ahead: int
    hours: int
    room: int
    tells: bool = False
    fabric: bool = False

    def do(self, world: World, key: Any) -> Said:
        customer, waits = world.customers[self.who], self.waits(world.now)
        wish = waiting.Wish(
            mode=Mode.TELL if self.tells else Mode.BOOK,
            nodes=self.nodes,
            same_fabric=self.fabric,
            criteria={"plan": PlanKind.RESERVED.value},
            length_seconds=waits.length // SECOND,
            earliest_at=waits.earliest_at,
            latest_at=waits.latest_at,
            max_micros_per_node_hour=factories.MICROS_PER_NODE_HOUR,
        )
        setup = None if self.tells else Setup("waited for", [factories.a_key(customer)], factories.an_image())
        joins: dict[str, Any] = {"organization": customer, "actor": ACTOR, "created_by": None, "name": "waited for"}
        return Said(key=waiting.join(**joins, wish=wish, setup=setup, now=world.now).pk)

    def waits(self, now: datetime) -> Wait:
        """What it waits for, as of now."""
        earliest_at, length = full_hour(now) + self.ahead * HOUR, self.hours * HOUR
        latest_at, fabric = earliest_at + length + self.room * HOUR, self.fabric and self.nodes > 1
        return Wait(self.who, self.nodes, length, earliest_at, latest_at, self.tells, fabric)

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        line = sum(other.waits for other in desk.line.values() if other.who == self.who)
        if desk.accepts(said, {"many"} if line >= MOST_WAITING else ()):
            desk.line[said.key] = self.waits(now)


@dataclass(frozen=True)
class InLine(Action):
    """Something done to a standing order."""

    order: int

    def target(self, desk: Desk) -> Any:
        waits = [key for key, row in desk.line.items() if row.waits]
        return one_of(waits if self.order < 90 and waits else [*desk.line], self.order)


@dataclass(frozen=True)
class Leave(InLine):
    """Who was served or has waited in vain cannot leave the line any more; leaving twice does nothing."""

    def do(self, world: World, key: Any) -> Said:
        waiting.cancel(order=StandingOrder.objects.get(pk=key), actor=ACTOR, now=world.now)
        return Said()

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        row = desk.line[key]
        if desk.accepts(said, {"over"} if row.end in {"filled", "expired"} else ()):
            row.end = "cancelled"


@dataclass(frozen=True)
class Serve(InLine):
    """The sweep comes to one in line. That it gets what is free is looked at when nothing else goes on."""

    def do(self, world: World, key: Any) -> Said:
        order = filling.in_line().filter(pk=key).first()
        return served(order, world.now) if order else Said("later")

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        if not said.why:
            desk.fill(desk.line[key], said, now)


def served(order: StandingOrder, now: datetime) -> Said:
    """What the sweep did for one in line."""
    filling.fill(order=order, now=now)
    order.refresh_from_db()
    if order.quote is not None:
        return Said(key=order.quote.public_id, nodes=held_for(order.quote), starts_at=order.quote.starts_at)
    if order.lease is None:
        return Said("later")
    return Said(key=order.lease.pk, nodes=nodes_of(order.lease), starts_at=order.lease.starts_at)
