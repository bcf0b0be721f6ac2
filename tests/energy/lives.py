"""
A site's dispatcher, its customers, its miners and its clock, in small; and what must hold whatever they do.

One thing happens after the other: the site's workers are here too. What is switched off or paused is looked at when
it is done, and all that was written down after each step.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import IllegalMove
from energy import carrying_out, curtailing, ordering
from energy.dispatching import plan_due
from energy.miners import MinerRefused
from energy.miners.fake import MACHINES
from energy.models import Command, Feed, FeedKind, Miner, Reading, SitePolicy
from leasing import operations, schedule, switching
from leasing.models import Claim, Interruption, Lease, Machine, Standby, Transition
from leasing.power.fake import BOARDS, Board
from leasing.provisioners import provisioner_for
from leasing.provisioners.fake import Fake
from leasing.states import INTERRUPTION_OPEN, POWER, LeaseState, MachineState
from marketplace.models import Node, PlanKind
from marketplace.queries import BadPeriod
from tests import factories
from tests.energy.conftest import a_feed, machine
from tests.energy.dispatched import USD, a_planned_site
from tests.factories import HOUR, NOON
from tests.leasing.conftest import order, work_all
from tests.leasing.interrupted import TERMS

STAFF, TENANT = "user:us_dispatcher", "user:us_tests"
MINUTE = timedelta(minutes=1)
LIVE = (LeaseState.SCHEDULED, LeaseState.PROVISIONING, LeaseState.ACTIVE, LeaseState.PAUSED)
OFF = {"GracefulShutdown", "ForceOff"}
BUDGET = {"interruptions_per_30_days": 2, "interruption_seconds_per_30_days": 3 * 3600}
REFUSED = (
    ordering.CannotCommand, curtailing.BadEvent, operations.CannotInterrupt, operations.NodesTaken, BadPeriod,
    operations.WindowRefused, operations.BookedBehind, IllegalMove,
)  # fmt: skip


class Broken(AssertionError):
    """A promise was not kept."""


@dataclass
class Watched(Board):
    """A board that tells when its node is switched off."""

    hears: Callable[[], None] = lambda: None

    def tell(self, word: str, state: Any) -> None:
        """As any board."""
        if word in OFF:
            self.hears()
        super().tell(word, state)


class Life:
    """A step is a word and a number, which says which of the things that the word may mean."""

    def __init__(self, *, nodes: int = 3) -> None:
        fake = provisioner_for("fake")
        assert isinstance(fake, Fake)
        self.world, self.now, self.site = fake.world, NOON, factories.a_site()
        self.world.reset()
        MACHINES.clear()
        BOARDS.clear()
        kinds = a_planned_site(self.site)
        self.policy = SitePolicy.objects.create(site=self.site, most_watts_per_step=10**9)
        self.policy.classes.set(kinds)
        self.grid, self.price = a_feed(FeedKind.GRID_AVAILABLE, site=self.site), Feed.objects.get(slug="macon-price")
        pool = factories.a_pool(nodes=0)
        for number in range(nodes):
            address = f"https://10.0.0.{number + 2}"
            node = factories.a_node(pool, bmc_address=address)
            BOARDS[address] = Watched(hears=lambda node=node: self.switched_off(node))  # type: ignore[misc]
        self.offers = [
            factories.an_offer(pool, factories.a_plan(PlanKind.SURPLUS, **{**TERMS, **BUDGET})),
            factories.an_offer(pool, factories.a_plan(PlanKind.RESERVED)),
            factories.an_offer(pool),
        ]
        self.acme, self.shown = factories.an_organization(), ""

    def step(self, what: str, number: int) -> None:
        """Something happens, or is refused; and every promise is looked at."""
        with suppress(*REFUSED), transaction.atomic():
            STEPS[what](self, number)
        self.check()

    # What customers do.

    def order(self, number: int) -> None:
        """One node: surplus or on demand from now on, or reserved from some full hour on."""
        offer, full = self.offers[number % 3], self.now.replace(minute=0, second=0, microsecond=0) + HOUR
        starts_at, ends_at = self.now, None
        if offer == self.offers[1]:
            starts_at = full + number // 3 % 4 * HOUR
            ends_at = starts_at + (1 + number // 12 % 5) * HOUR
        order(self.acme, offer, starts_at=starts_at, ends_at=ends_at, now=self.now)
        work_all(offer, now=self.now)

    def leave(self, number: int) -> None:
        """A lease is returned."""
        if lease := self.one(Lease.objects.filter(state__in=LIVE), number):
            operations.end(lease=lease, reason="returned", actor=TENANT, now=self.now)

    def change(self, number: int) -> None:
        """A reserved lease ends later, or earlier."""
        lease = self.one(Lease.objects.filter(state__in=LIVE, ends_at__isnull=False), number // 2)
        if lease and lease.ends_at and number % 2:
            price = "nothing"
            operations.extend(lease=lease, ends_at=lease.ends_at + HOUR, actor=TENANT, price=price, now=self.now)
        elif lease and lease.ends_at:
            operations.shorten(lease=lease, ends_at=lease.ends_at - HOUR, actor=TENANT, now=self.now)

    def answer(self, number: int) -> None:
        """A tenant answers an interruption; or there is power after all."""
        row = self.one(Interruption.objects.filter(state__in=sorted(INTERRUPTION_OPEN)), number // 4)
        if row and number % 4 == 0:
            operations.ask_for_more(interruption=row, seconds=600, actor=TENANT, now=self.now)
        elif row:
            acts = (operations.ready, operations.power_back, operations.call_off)
            acts[number % 4 - 1](interruption=row, actor=TENANT, now=self.now)

    # What the site's figures, plans and people do.

    def figures(self, number: int) -> None:
        """Energy gets dear or cheap, or the grid brings less or more."""
        feed, value = (self.price, number % 150 * USD) if number % 2 else (self.grid, number % 60 * 1000)
        Reading.objects.filter(feed=feed, starts_at__gte=self.now).delete()
        until = self.now + 48 * HOUR
        Reading.objects.create(
            feed=feed, starts_at=self.now, ends_at=until, value=value, source="tests", fetched_at=self.now
        )

    def plan(self, number: int) -> None:
        """The quarter of an hour's plan."""
        plan_due(now=self.now)

    def decide(self, number: int) -> None:
        """Staff says yes or no, or takes something back."""
        acts = (ordering.approve, ordering.approve, ordering.decline, ordering.undo)
        if command := self.one(Command.objects.order_by("-pk"), number // 4 % 3):
            acts[number % 4](command=command, actor=STAFF, now=self.now)

    def switch(self, number: int) -> None:
        """Automatic mode on or off."""
        self.policy.automatic = not self.policy.automatic
        self.policy.save()

    def show(self, number: int) -> None:
        """A grid event is shown: of those who lease, it may name surplus leases alone."""
        percent, hours, after = (100, 60, 25)[number % 3], (3, 2, 1)[number // 3 % 3], (0, 0, 2)[number // 9 % 3] * HOUR
        starts_at = self.now + after
        found = curtailing.preview(site=self.site, percent=percent, hours=hours, starts_at=starts_at, now=self.now)
        for row in found.commands:
            nodes = row["target"].get("nodes", [])
            if self.claims(found.starts_at, found.ends_at).filter(node__public_id__in=nodes).exists():
                raise Broken("a plan names a node that somebody leases")
        self.shown = found.token

    def confirm(self, number: int) -> None:
        """What was shown last is confirmed, soon or late."""
        if self.shown:
            curtailing.confirm(token=self.shown, actor=STAFF, now=self.now)

    def event(self, number: int) -> None:
        """Shown, confirmed, and begun."""
        self.show(number)
        self.confirm(number)
        self.work(number // 27)

    def call_off(self, number: int) -> None:
        """A grid event is over before its time."""
        if command := self.one(Command.objects.exclude(event="").order_by("-pk"), number % 5):
            curtailing.call_off(event=command.event, actor=STAFF, now=self.now)

    # What machines and time do.

    def miner(self, number: int) -> None:
        """A miner refuses, or takes a command and does nothing, or does as it is told."""
        found = self.one(Miner.objects.all(), number // 3)
        assert found is not None
        machine(found).always_broken = MinerRefused("It is locked.") if number % 3 == 0 else None
        machine(found).deaf_to = frozenset({"sleep", "wake"} if number % 3 == 1 else ())

    def board(self, number: int) -> None:
        """A node's controller ignores what it is told, or does not any more."""
        board = list(BOARDS.values())[number // 2 % len(BOARDS)]
        board.deaf_to = frozenset(OFF | {"On"} if number % 2 else ())

    def wait(self, number: int) -> None:
        """Time passes, and nobody works."""
        self.now += (31 * MINUTE, HOUR, 9 * MINUTE, MINUTE)[number % 4]

    def work(self, number: int) -> None:
        """All sweeps and the site's workers, until little moves any more; after a short or a long time."""
        self.now += (timedelta(), MINUTE, 5 * MINUTE, 20 * MINUTE)[number % 4]
        for _ in range(2):
            for command in carrying_out.due(now=self.now):
                carrying_out.carry_out(command=command, now=self.now)
            carrying_out.settle(now=self.now)
            schedule.run_due(now=self.now)
            work_all(self.offers[0], now=self.now)
            while standby := switching.take(site=self.site, now=self.now):
                switching.apply(standby=standby, error=switching._acted(standby), now=self.now)

    # What must hold.

    def switched_off(self, node: Node) -> None:
        """Its board hears so: nobody may have it, or get it before it would be back."""
        until = max(Standby.objects.filter(maintenance__node=node).values_list("ends_at", flat=True))
        if self.claims(self.now, until).filter(node=node).exists():
            raise Broken("a node is switched off under a lease")

    def check(self) -> None:
        """All that was written down so far."""
        if Command.objects.filter(lease__isnull=False).exclude(lease__offer__plan__kind=PlanKind.SURPLUS).exists():
            raise Broken("a command names a firm lease")
        paused = Transition.objects.filter(new=LeaseState.PAUSED, reason=POWER).select_related("lease__terms")
        if paused.exclude(lease__offer__plan__kind=PlanKind.SURPLUS).exists():
            raise Broken("a firm lease was paused for power")
        for one in paused:
            row = one.lease.interruptions.get(paused_at=one.at)
            noticed = row.begins_at >= row.noticed_at + timedelta(seconds=one.lease.terms.notice_seconds)
            if not noticed or (one.at < row.begins_at and row.ready_at != one.at):
                raise Broken("a lease was paused before its notice")
        for lease in Lease.objects.filter(interruptions__paused_at__isnull=False).distinct():
            self.check_budget(lease)
        self.check_tenancies()

    def check_budget(self, lease: Lease) -> None:
        """By what was meant: workers that sleep over a planned end may take longer. A life is shorter than 30 days."""
        rows = lease.interruptions.filter(paused_at__isnull=False)
        ends = [min(row.over_at or row.ends_at, row.ends_at) for row in rows]
        meant = sum((end - (row.paused_at or end) for row, end in zip(rows, ends, strict=True)), timedelta())
        if len(rows) > BUDGET["interruptions_per_30_days"]:
            raise Broken("a lease was paused more often than its budget allows")
        if meant > timedelta(seconds=BUDGET["interruption_seconds_per_30_days"]):
            raise Broken("a lease was paused for longer than its budget allows")

    def check_tenancies(self) -> None:
        """What really runs on nodes of firm leases."""
        firm = Machine.objects.filter(state=MachineState.READY, lease__state=LeaseState.ACTIVE)
        for public_id in firm.exclude(lease__offer__plan__kind=PlanKind.SURPLUS).values_list("public_id", flat=True):
            if self.world.machines[public_id].state != "running":
                raise Broken("a firm lease does not run")

    def claims(self, begin: datetime, end: datetime) -> Any:
        """Of leases, in this time."""
        return Claim.objects.filter(lease__isnull=False, released_at=None, period__overlap=(begin, end))

    def one(self, rows: Any, number: int) -> Any:
        """One of them, or None."""
        found = list(rows if rows.ordered else rows.order_by("pk"))
        return found[number % len(found)] if found else None


STEPS: Mapping[str, Callable[[Life, int], None]] = {
    name: getattr(Life, name)
    for name in (
        "order", "leave", "change", "answer", "figures", "plan", "decide", "switch", "show", "confirm", "event",
        "call_off", "miner", "board", "wait", "work",
    )
}  # fmt: skip
Steps = Sequence[tuple[str, int]]
