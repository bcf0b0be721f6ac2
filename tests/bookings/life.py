"""What time does to the product and to the desk, and how the two are compared."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import permutations
from typing import Any

from django.db import connection

from accounts.models import Event
from billing import extending, filling, handing_back, metering, reselling, standing
from billing.invariants import broken
from billing.models import AccountKind, Entry, LedgerAccount, StandingOrder, StandingOrderState
from billing.queries import wallet
from leasing import operations, schedule
from leasing.models import Claim, Lease, MachineTransition, Maintenance, MaintenanceState
from leasing.operations.maintaining import finish_maintenance
from leasing.states import LeaseState
from marketplace.models import Node, NodeCalendar, NodeTransition
from marketplace.queries import free_windows, terms_of
from marketplace.states import IN_STOCK
from tests.bookings.actions.action import STAFF, Action
from tests.bookings.actions.leases import extended
from tests.bookings.actions.line import served
from tests.bookings.desk import Desk
from tests.bookings.notes import CLEANING, HOUR, Booking, Disagrees, Said, full_hour
from tests.bookings.world import World
from tests.leasing.conftest import enrol_all, work_all
from tests.together import deadlocks, overlaps, together

OF_FREED_TIME = ("cancellation", "early_return", "resale_credit")


class Life(World):
    """Keeps the product and the desk side by side."""

    def __init__(self, told: Callable[[str], object] = str) -> None:
        """`told` hears of everything that is done."""
        super().__init__()
        self.told = told

    def step(self, actions: Sequence[Action]) -> None:
        """
        Let things be done, several of them at once. What came of it must be what some order of them gives at the desk.
        """
        aimed = [(action, key) for action in actions if (key := action.target(self.desk)) is not None]
        if not aimed:
            return
        self.told(f"{self.now:%d %H:%M} {aimed}")
        said = self.answers(aimed)
        self.desk = self.explained(aimed, said)
        if not all(answer.why for answer in said):
            self.compare()
            self.settle()
        self.compare()

    def answers(self, aimed: Sequence[tuple[Action, Any]]) -> list[Said]:
        """What the product says. One alone is done on this connection."""
        if len(aimed) == 1:
            ((action, key),) = aimed
            return [action.tried(self, key)]
        before = deadlocks()
        said = together(len(aimed), lambda number: aimed[number][0].tried(self, aimed[number][1]))
        for answer in said:
            if isinstance(answer, Exception):
                raise answer
        assert deadlocks() == before
        return [answer for answer in said if isinstance(answer, Said)]

    def explained(self, aimed: Sequence[tuple[Action, Any]], said: Sequence[Said]) -> Desk:
        """The desk after them, in an order in which it would have said the same, claimed the same and held the same."""
        done, against = list(zip(aimed, said, strict=True)), []
        for order in permutations(done):
            desk = deepcopy(self.desk)
            try:
                for (action, key), answer in order:
                    action.judge(desk, key, answer, self.now)
                self.check_claims(desk)
                self.check_holds(desk)
                self.check_fees(desk)
            except Disagrees as why:
                against.append(str(why))
            else:
                return desk
        raise Disagrees(f"no order explains {done}: " + "; ".join(against))

    def settle(self) -> None:
        """What the sweeps and the site's workers do, until nothing is left to do at this moment."""
        while self.sweep():
            pass
        self.settle_desk()
        for freed in reselling.due(now=self.now):
            reselling.credit(hand_back=freed, now=self.now)
        self.desk.credit(self.now)
        for row in self.open_ended():
            operations.renew(lease=Lease.objects.get(pk=row), now=self.now)
            self.desk.renew(self.desk.bookings[row], self.now)
        self.extend()
        self.fill()
        for organization in standing.at_stake():
            standing.enforce(organization=organization, now=self.now)

    def sweep(self) -> bool:
        """Once all that the sweeps of leases and the workers do. Whether that has moved a machine or a node."""
        before = self.moves()
        schedule.run_due(now=self.now)
        work_all(self.reserved, now=self.now)
        self.finish_works()
        enrol_all(now=self.now)  # nodes are looked at before they serve again, and once in a while
        return self.moves() > before

    def moves(self) -> int:
        """How often machines and nodes have moved."""
        return MachineTransition.objects.count() + NodeTransition.objects.count()

    def finish_works(self) -> None:
        """Staff do their work in the time that they planned."""
        for work in Maintenance.objects.filter(state=MaintenanceState.UNDER_WAY, ends_at__lte=self.now):
            finish_maintenance(maintenance=work, actor=STAFF, now=self.now)

    def settle_desk(self) -> None:
        """The same at the desk."""
        for row in [*self.desk.bookings.values(), *self.desk.works.values()]:
            if row.live and row.begun is None and row.starts_at <= self.now:
                row.begun = self.now
            if row.live and row.ends_at <= self.now:
                row.stopped = self.now
        self.desk.cleaned(self.now)
        self.desk.out = set(Node.objects.exclude(state__in=IN_STOCK).values_list("pk", flat=True))

    def open_ended(self) -> list[int]:
        """Keys of leases that run without an end."""
        return sorted(key for key, row in self.desk.bookings.items() if row.open_ended and row.live)

    def extend(self) -> None:
        """Those that extend themselves do, an hour before their end, if nothing speaks against it."""
        due = extending.due(now=self.now)
        rows = self.desk.bookings.items()
        assert [lease.pk for lease in due] == sorted(key for key, row in rows if self.is_due(row))
        for lease in due:
            row = self.desk.bookings[lease.pk]
            assert row.step is not None and lease.ends_at == row.ends_at
            extending.extend_by_itself(lease=lease, now=self.now)
            why = "" if Lease.objects.get(pk=lease.pk).ends_at != row.ends_at else "any"
            if why:
                why = self.why_not(row)
            extended(self.desk, row, row.ends_at + row.step, Said(why), self.now)

    def is_due(self, row: Booking) -> bool:
        """Whether its time has come."""
        return row.step is not None and row.live and row.ends_at - HOUR <= self.now < row.ends_at

    def why_not(self, row: Booking) -> str:
        """A reason why it cannot be extended by its step."""
        for why in ("behind", "funds", "limit", "budget", "refused"):
            try:
                extended(deepcopy(self.desk), row, row.ends_at + (row.step or HOUR), Said(why), self.now)
            except Disagrees:
                continue
            return why
        raise Disagrees(f"{row} was not extended, and nothing is against it")

    def fill(self) -> None:
        """
        Those in line, oldest first: each gets its nodes if and only if there is a window, and it can pay or is only to
        be told.
        """
        for order in list(filling.in_line()):
            row = self.desk.line[order.pk]
            starts = self.desk.starts_for(row, self.now)
            said = served(order, self.now)
            if not said.why:
                assert said.starts_at == starts[0]
                self.desk.fill(row, said, self.now)
            elif order.state == StandingOrderState.EXPIRED:
                row.end = "expired"
                assert row.latest_at - row.length <= self.now
            elif starts:
                assert self.desk.unserved(row, starts[0], self.now), "nodes were free for who waits, and it could pay"

    def compare(self) -> None:
        """All that must hold, and that product and desk say the same."""
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        assert overlaps() == 0 and self.desk.double() == []
        self.check_claims(self.desk)
        self.check_holds(self.desk)
        self.check_fees(self.desk)
        for lease in Lease.objects.all():
            self.check_lease(lease, self.desk.bookings[lease.pk])

    def check_claims(self, desk: Desk) -> None:
        """
        Node by node, what is claimed from now on.

        :raises Disagrees: if the desk has it otherwise
        """
        for calendar in NodeCalendar.objects.order_by("pk"):
            known = self.from_now((row.starts_at, row.taken_until) for row in desk.on(calendar.pk))
            live = Claim.objects.filter(node_id=calendar.pk, released_at=None).values_list("period", flat=True)
            if any(period.upper <= self.now for period in calendar.busy):
                raise Disagrees(f"node {calendar.pk} keeps what is past: {calendar.busy}")
            if self.from_now((period.lower, period.upper) for period in live) != known:
                raise Disagrees(f"node {calendar.pk} has {list(live)}, not {known}")

    def check_holds(self, desk: Desk) -> None:
        """
        Which quotes hold which nodes.

        :raises Disagrees: if the desk has it otherwise
        """
        kept = NodeCalendar.objects.filter(held_until__gt=self.now).exclude(held_for="")
        held = set(kept.values_list("held_for", "pk"))
        known = {(row, node) for row, hold in desk.holds.items() if hold.lapses_at > self.now for node in hold.nodes}
        if held != known:
            raise Disagrees(f"held are {held}, not {known}")

    def check_fees(self, desk: Desk) -> None:
        """
        What is posted for time that was handed back: of which lease, why, when and how much.

        :raises Disagrees: if the desk has it otherwise
        """
        wallets = Entry.objects.filter(account__kind=AccountKind.WALLET, posting__kind__in=OF_FREED_TIME)
        posted = Counter(wallets.values_list("posting__lease", "posting__kind", "posting__at", "amount_micros"))
        known = Counter((row.lease, row.kind, row.at, -row.fee_micros) for row in desk.freed if row.fee_micros)
        known.update((row.lease, "resale_credit", at, micros) for row in desk.freed for at, micros in row.credits)
        if posted != known:
            raise Disagrees(f"posted and not written down {posted - known}, the other way round {known - posted}")

    def from_now(self, periods: Iterable[tuple[Any, Any]]) -> set[tuple[Any, Any]]:
        """What of periods lies ahead."""
        return {(max(begin, self.now), end) for begin, end in periods if end > self.now}

    def check_lease(self, lease: Lease, row: Booking) -> None:
        """Its state, its window, and what its customer was promised."""
        if row.live:
            states = {LeaseState.ACTIVE} if row.begun else {LeaseState.SCHEDULED, LeaseState.PROVISIONING}
            assert lease.guaranteed_until == row.ends_at and lease.ends_at == (None if row.open_ended else row.ends_at)
        elif row.begun:
            states = {LeaseState.ENDED, LeaseState.RECLAIMING}
        else:
            states = {LeaseState.CANCELLED}
        assert lease.state in states and lease.starts_at == row.starts_at, f"{lease} is {lease.state}, {row}"

    def check_books(self) -> None:
        """
        Everything that `check_invariants` looks at; revenue is the desk's list of seconds, at the price, with the fees.
        Each customer has what the desk says, and is told beforehand what handing back costs.
        """
        assert list(broken(now=self.now)) == []
        self.check_line()
        for key, row in self.desk.bookings.items():
            lease = Lease.objects.get(pk=key)
            metering.meter(lease=lease, upto=self.now, now=self.now)
            told = handing_back.value(lease=lease, now=self.now).fee_micros if row.live else 0
            assert told == self.desk.fee_micros(key, self.now), f"handing {row} back is said to cost {told}"
        revenue = LedgerAccount.objects.filter(kind=AccountKind.REVENUE)
        owed = sum(row.due_micros(self.now) for row in self.desk.bookings.values())
        owed += sum(row.costs_micros for row in self.desk.freed)
        assert sum(account.balance_micros for account in revenue) == owed
        for who, customer in enumerate(self.customers):
            available = wallet(organization=customer, now=self.now).available_micros
            assert available == self.desk.available(who, self.now)

    def check_line(self) -> None:
        """Who is not in line any more has left it once: served, in vain or by their own wish, with one event of it."""
        rows, ids = self.desk.line, dict(StandingOrder.objects.values_list("pk", "public_id"))
        states = dict(StandingOrder.objects.values_list("pk", "state"))
        assert states == {key: row.end or "waiting" for key, row in rows.items()}
        ends = Event.objects.filter(kind__in=[f"standing_order.{end}" for end in ("filled", "expired", "cancelled")])
        known = {(ids[key], f"standing_order.{row.end}"): 1 for key, row in rows.items() if row.end}
        assert Counter(ends.values_list("subject", "kind")) == known

    def check_windows(self, nodes: int, ahead: int, hours: int) -> None:
        """The windows that are shown hold a wished one if and only if it can be had; those in one fabric group too."""
        starts_at = full_hour(self.now) + ahead * HOUR
        ends_at = starts_at + hours * HOUR
        wish: dict[str, Any] = {"offer": self.reserved, "terms": terms_of(plan=self.reserved.plan, at=self.now)}
        wish |= {"nodes": nodes, "starts_at": starts_at, "until": ends_at, "now": self.now}
        free = self.desk.free(starts_at, ends_at + CLEANING, now=self.now)
        for fabric in (False, True):
            shown = free_windows(**wish, same_fabric=fabric)
            held = any(window.starts_at <= starts_at and ends_at <= window.ends_at for window in shown)
            assert held == (self.desk.most(free, fabric=fabric) >= nodes)

    def live_until(self, goal: Any) -> None:
        """Time passes, and all that it brings is done at its moment."""
        while self.now < goal:
            self.now = min([goal, *(moment for moment in self.moments() if moment > self.now)])
            self.settle()
            self.compare()

    def moments(self) -> Iterable[Any]:
        """When something begins, ends, extends itself or lapses."""
        for row in [*self.desk.bookings.values(), *self.desk.works.values()]:
            if row.live:
                yield from (row.starts_at, row.ends_at, *((row.ends_at - HOUR,) if row.step else ()))
        yield from (hold.lapses_at for hold in self.desk.holds.values())
