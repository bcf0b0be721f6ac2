"""Staff plan work on a node, and call it off."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leasing.models import Maintenance
from leasing.operations.maintaining import cancel_maintenance, plan_maintenance
from marketplace.models import Node
from tests.bookings.actions.action import STAFF, Action, one_of
from tests.bookings.desk import Desk
from tests.bookings.notes import HOUR, Booking, Said
from tests.bookings.world import World


@dataclass(frozen=True)
class PlanWork(Action):
    """Staff take a node for a window: if and only if nobody has it then."""

    node: int
    ahead: int
    hours: int

    def target(self, desk: Desk) -> Any:
        return one_of(sorted(desk.nodes), self.node)

    def do(self, world: World, key: Any) -> Said:
        wish: dict[str, Any] = {"kind": "hardware", "reason": "A fan.", "actor": STAFF, "now": world.now}
        wish |= {"starts_at": world.now + self.ahead * HOUR, "ends_at": world.now + (self.ahead + self.hours) * HOUR}
        return Said(key=plan_maintenance(node=Node.objects.get(pk=key), **wish).pk)

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        starts_at, ends_at = now + self.ahead * HOUR, now + (self.ahead + self.hours) * HOUR
        holds = [hold for hold in desk.live_holds(now) if key in hold.nodes and hold.starts_at < ends_at]
        taken = any(starts_at < hold.taken_until for hold in holds) or any(desk.touching(key, starts_at, ends_at))
        if desk.accepts(said, {"taken"} if taken else ()):
            desk.works[said.key] = Booking(-1, frozenset({key}), starts_at, ends_at, ends_at)
            desk.renew_on(key, now)


@dataclass(frozen=True)
class CallOff(Action):
    """Work that staff have planned, until it begins."""

    work: int

    def target(self, desk: Desk) -> Any:
        return one_of([key for key, row in desk.works.items() if row.live], self.work)

    def do(self, world: World, key: Any) -> Said:
        work = Maintenance.objects.get(pk=key)
        return Said("" if cancel_maintenance(maintenance=work, actor=STAFF, now=world.now) else "over")

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        row = desk.works[key]
        if desk.accepts(said, () if row.live and row.begun is None else {"over"}):
            row.stopped, row.taken_until = now, row.starts_at
            desk.renew_on(min(row.nodes), now)
