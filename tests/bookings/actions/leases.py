"""What is done to a lease: more time, less time, another window, an end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing import extending, handing_back, moving
from leasing import operations
from leasing.models import Lease
from tests.billing.conftest import a_quote
from tests.bookings.actions.action import ACTOR, Action, nodes_of, one_of
from tests.bookings.desk import Desk
from tests.bookings.fees import kept_percent
from tests.bookings.notes import CLEANING, HOUR, Booking, Disagrees, Said, Wish, full_hour
from tests.bookings.world import World


@dataclass(frozen=True)
class OfLease(Action):
    """Something done to a lease: one that is live, or with a high number any."""

    lease: int

    def target(self, desk: Desk) -> Any:
        live = [key for key, row in desk.bookings.items() if row.live]
        return one_of(live if self.lease < 90 and live else [*desk.bookings], self.lease)


@dataclass(frozen=True)
class HandBack(OfLease):
    """Always accepted, twice too. What it costs is on the list."""

    def do(self, world: World, key: Any) -> Said:
        handing_back.hand_back(lease=of(key), actor=ACTOR, now=world.now)
        return Said()

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        row = desk.bookings[key]
        desk.accepts(said, ())
        desk.hand_back(key, max(row.starts_at, now), now)
        desk.stop(row, now)


@dataclass(frozen=True)
class OtherEnd(OfLease):
    """Hours more or less than the lease has when one decides on it."""

    hours: int

    def target(self, desk: Desk) -> Any:
        key = super().target(desk)
        return key and (key, desk.bookings[key].ends_at)

    def refused(self, desk: Desk, row: Booking, ends_at: datetime, said: Said, now: datetime) -> bool:
        """Whether its end cannot be moved, or is there already."""
        if row.ends_at == ends_at and not row.open_ended:
            return desk.accepts(said, ()) or True
        if row.open_ended or not row.live:
            return desk.accepts(said, {"refused"}) or True
        return False


@dataclass(frozen=True)
class Extend(OtherEnd):
    """More time on the same nodes, if nobody is booked behind before that and its customer can pay for it."""

    def do(self, world: World, key: Any) -> Said:
        lease, end = key
        extending.extend(lease=of(lease), ends_at=end + self.hours * HOUR, actor=ACTOR, now=world.now)
        return Said()

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        row, ends_at = desk.bookings[key[0]], key[1] + self.hours * HOUR
        if not self.refused(desk, row, ends_at, said, now):
            extended(desk, row, ends_at, said, now)


@dataclass(frozen=True)
class Shorten(OtherEnd):
    """An earlier end, an hour after the start and after now at the earliest: the rest is free for others."""

    def do(self, world: World, key: Any) -> Said:
        lease, end = key
        handing_back.shorten(lease=of(lease), ends_at=end - self.hours * HOUR, actor=ACTOR, now=world.now)
        return Said()

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        row, ends_at = desk.bookings[key[0]], key[1] - self.hours * HOUR
        if self.refused(desk, row, ends_at, said, now):
            return
        fits = now < ends_at < row.ends_at and ends_at - row.starts_at >= HOUR
        if desk.accepts(said, () if fits else {"refused"}):
            desk.hand_back(key[0], ends_at, now)
            row.move(row.nodes, row.starts_at, ends_at)
            row.step = None  # it would take back what was just handed back


@dataclass(frozen=True)
class ExtendItself(OfLease):
    """From now on by a step before each end, or (0) no more."""

    hours: int

    def do(self, world: World, key: Any) -> Said:
        seconds = self.hours * 3600 or None
        operations.extend_itself(
            lease=of(key), seconds=seconds, max_micros_per_node_hour=None, actor=ACTOR, now=world.now
        )
        return Said()

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        row = desk.bookings[key]
        over = not row.live or row.open_ended or row.ends_at <= now
        if desk.accepts(said, {"refused"} if over and self.hours else ()):
            row.step = self.hours * HOUR or None


@dataclass(frozen=True)
class Move(OfLease):
    """Another window while cancelling is free: had if and only if as many nodes are free then, its own among them."""

    ahead: int
    hours: int

    def do(self, world: World, key: Any) -> Said:
        lease = of(key)
        starts_at = full_hour(world.now) + self.ahead * HOUR
        window: dict[str, Any] = {"starts_at": starts_at, "ends_at": starts_at + self.hours * HOUR}
        which: dict[str, Any] = {"nodes": lease.node_count, "same_fabric": lease.same_fabric}
        quote = a_quote(lease.organization, world.reserved, now=world.now, **which, **window)
        with transaction.atomic():
            moving.move(lease=lease, quote=quote, actor=ACTOR, now=world.now)
            return Said(nodes=nodes_of(lease))

    def judge(self, desk: Desk, key: Any, said: Said, now: datetime) -> None:
        row = desk.bookings[key]
        starts_at = full_hour(now) + self.ahead * HOUR
        wish = Wish(row.who, len(row.nodes), starts_at, starts_at + self.hours * HOUR, row.fabric, row.project)
        if wish.fabric and wish.nodes > desk.largest_group({*desk.nodes} - desk.out):
            desk.accepts(said, {"impossible"})
            return
        there = (wish.starts_at, wish.ends_at) == (row.starts_at, row.ends_at)
        begun = row.open_ended or row.starts_at <= now
        if not row.live or begun or there or kept_percent(row, now):
            desk.accepts(said, {"refused"})
            return
        assert wish.ends_at is not None
        beside = Desk(desk.nodes, desk.customers, {**desk.bookings}, desk.works, holds=desk.holds, out=desk.out)
        del beside.bookings[key]
        quote = desk.keeping(wish, "", now)
        free = beside.free(starts_at, wish.ends_at + CLEANING, now=now, quote=quote)
        against = desk.against(wish, free, now, beside=row, given_up=row.claims_micros(now))
        if desk.accepts(said, against):
            desk.check_nodes(said.nodes, wish, free)
            hold = desk.holds.pop(quote, None)
            if wish.fabric:
                free = desk.group_for(wish, said.nodes, free, row.nodes, hold.nodes if hold else frozenset())
            prefers(said.nodes, free, row.nodes, hold.nodes if hold else frozenset())
            row.move(said.nodes, wish.starts_at, wish.ends_at)
            for offered in desk.quotes.values():
                if offered.lease == key:  # the lease stands on another quote from now on
                    offered.lease, offered.expires_at = None, now


def prefers(nodes: frozenset[int], free: set[int], own: frozenset[int], held: frozenset[int]) -> None:
    """
    The nodes that it has come first, and then those that are held for its customer.

    :raises Disagrees: if it got others in their place
    """
    for first in (own & free, (own | held) & free):
        if not (first <= nodes or nodes <= first):
            raise Disagrees(f"{set(first)} come first, and it got {set(nodes)}")


def extended(desk: Desk, row: Booking, ends_at: datetime, said: Said, now: datetime) -> None:
    """A live lease with an end goes on, if nothing speaks against it; over what its customer keeps there too."""
    if row.ends_at <= now or ends_at <= row.ends_at:
        desk.accepts(said, {"refused"})
        return
    more = Wish(row.who, len(row.nodes), row.ends_at, ends_at, project=row.project)
    against = desk.against(more, {*row.nodes}, now, beside=row)
    own = desk.keeping(more, "", now)
    if desk.next_behind(row.nodes, row.taken_until, now=now, but=row, quote=own) < ends_at + CLEANING:
        against.add("behind")
    if desk.accepts(said, against):
        row.move(row.nodes, row.starts_at, ends_at)
        if own and desk.holds[own].nodes & row.nodes and desk.holds[own].starts_at < row.taken_until:
            del desk.holds[own]


def of(key: int) -> Lease:
    """A lease as it is now."""
    return Lease.objects.select_related("organization").get(pk=key)
