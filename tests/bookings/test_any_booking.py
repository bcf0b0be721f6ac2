"""Whatever is booked, cancelled, returned and planned, in whatever order: the desk with paper and pencil agrees."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Organization
from billing import metering, standing
from billing.invariants import broken
from billing.models import AccountKind, LedgerAccount
from leasing import schedule
from leasing.models import Claim, Lease, Maintenance, MaintenanceState
from leasing.operations import NodesTaken, end
from leasing.operations.maintaining import WindowTaken, cancel_maintenance, plan_maintenance
from leasing.provisioners import provisioner_for
from leasing.provisioners.fake import Fake
from leasing.states import LEASE_OVER, LeaseState
from marketplace.models import Node, NodeCalendar, PlanKind
from marketplace.queries import free_windows
from marketplace.states import IN_STOCK
from tests import factories
from tests.billing.conftest import a_quote, funded, place
from tests.bookings.model import CLEANING, Booking, Desk
from tests.factories import HOUR, NOON
from tests.leasing.conftest import work_all
from tests.together import overlaps

NODES = 3
HOURS = st.integers(1, 30)
GUARANTEE = timedelta(days=7)
MICROS_PER_SECOND = 1_000  # $3.60 an hour


class AnyBooking(RuleBasedStateMachine):
    """Two customers and staff at one pool of three nodes."""

    leases = Bundle("leases")
    works = Bundle("works")

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        fake = provisioner_for("fake")
        assert isinstance(fake, Fake)
        fake.world.reset()
        self.now = NOON
        pool = factories.a_pool(nodes=NODES)
        self.on_demand = factories.an_offer(pool)
        self.reserved = factories.an_offer(pool, factories.a_plan(PlanKind.RESERVED))
        self.customers = [funded(100_000, "Acme Robotics"), funded(100_000, "Borealis Labs")]
        self.desk = Desk(frozenset(Node.objects.values_list("pk", flat=True)))

    def teardown(self) -> None:
        """Undo everything."""
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    @rule(target=leases, who=st.integers(0, 1), nodes=st.integers(1, NODES), ahead=HOURS, hours=HOURS)
    def reserve(self, who: int, nodes: int, ahead: int, hours: int) -> Any:
        """A window ahead: had if and only if as many nodes are free for all of it, cleaning included."""
        starts_at = self._full_hour() + ahead * HOUR
        window = {"starts_at": starts_at, "ends_at": starts_at + hours * HOUR}
        free = self.desk.free(starts_at, window["ends_at"] + CLEANING)
        self._agree_on_windows(nodes, **window, free=free)
        quote = a_quote(self.customers[who], self.reserved, now=self.now, nodes=nodes, **window)
        return self._order(quote, wanted=nodes, free=free)

    @rule(target=leases, who=st.integers(0, 1), nodes=st.integers(1, NODES))
    def start_now(self, who: int, nodes: int) -> Any:
        """Nodes from now on, guaranteed as far as nothing is booked behind, a week at most."""
        shortest = self.now + timedelta(seconds=60)
        free = self.desk.free(self.now, shortest + CLEANING)
        quote = a_quote(self.customers[who], self.on_demand, now=self.now, nodes=nodes)
        made = self._order(quote, wanted=nodes, free=free)
        if isinstance(made, Lease):
            booking = self.desk.bookings[made.pk]
            behind = self.desk.next_behind(booking.nodes, self.now + timedelta(microseconds=1))
            assert booking.taken_until == min(
                self.now + GUARANTEE + CLEANING, behind or datetime.max.replace(tzinfo=NOON.tzinfo)
            )
            assert made.guaranteed_until == booking.taken_until - CLEANING
        return made

    @rule(lease=consumes(leases))
    def hand_back(self, lease: Lease) -> None:
        """Always accepted, twice too; before its start it costs nothing."""
        for _ in range(2):
            end(lease=lease, reason="returned", actor="user:us_tests", now=self.now)
        self._stop(lease)
        self._settle()

    @rule(target=works, node=st.integers(0, NODES - 1), ahead=HOURS, hours=HOURS)
    def plan_work(self, node: int, ahead: int, hours: int) -> Any:
        """Staff take a node for a window: if and only if nobody has it then."""
        pk = sorted(self.desk.nodes)[node]
        starts_at = self.now + ahead * HOUR
        ends_at = starts_at + hours * HOUR
        wish: dict[str, Any] = {"kind": "hardware", "reason": "A fan.", "starts_at": starts_at, "ends_at": ends_at}
        clear = not any(self.desk._touching(pk, starts_at, ends_at))
        try:
            planned = plan_maintenance(node=Node.objects.get(pk=pk), actor="user:us_staff", now=self.now, **wish)
        except WindowTaken:
            assert not clear
            return multiple()
        assert clear
        self.desk.works[planned.pk] = Booking(frozenset({pk}), starts_at, ends_at, ends_at, 0, open_ended=False)
        self._settle()
        return planned

    @rule(work=consumes(works))
    def call_work_off(self, work: Maintenance) -> None:
        """Until it begins."""
        if cancel_maintenance(maintenance=work, actor="user:us_staff", now=self.now):
            del self.desk.works[work.pk]
        self._settle()

    @rule(minutes=st.integers(1, 30 * 60))
    def wait(self, minutes: int) -> None:
        """Time passes, and all that it brings is done."""
        goal = self.now + timedelta(minutes=minutes)
        moments = {moment for row in self.desk.bookings.values() if row.live for moment in (row.starts_at, row.ends_at)}
        for moment in [*sorted(at for at in moments if self.now < at < goal), goal]:
            self.now = moment
            self._settle()

    @invariant()
    def no_node_is_taken_twice(self) -> None:
        """By the claims themselves, and by the desk's list."""
        assert overlaps() == 0
        assert self.desk.double() == []

    @invariant()
    def the_calendar_is_the_desks(self) -> None:
        """Node by node, what is claimed from now on."""
        for calendar in NodeCalendar.objects.order_by("pk"):
            known = {(max(row.starts_at, self.now), row.taken_until) for row in self.desk._on(calendar.pk)}
            live = Claim.objects.filter(node_id=calendar.pk, released_at=None).values_list("period", flat=True)
            kept = {(max(period.lower, self.now), period.upper) for period in live}
            assert {row for row in kept if row[1] > self.now} == {row for row in known if row[1] > self.now}

    @invariant()
    def the_books_hold(self) -> None:
        """Everything that `check_invariants` looks at, deferred constraints included."""
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        assert list(broken(now=self.now)) == []

    @invariant()
    def what_was_used_is_what_is_owed(self) -> None:
        """Revenue is the desk's list of seconds, at the price."""
        for row in self.desk.bookings:
            metering.meter(lease=Lease.objects.get(pk=row), upto=self.now, now=self.now)
        revenue = LedgerAccount.objects.filter(kind=AccountKind.REVENUE)
        assert sum(account.balance_micros for account in revenue) == self.desk.due_micros(self.now)

    def _order(self, quote: Any, *, wanted: int, free: set[int]) -> Any:
        try:
            lease = place(quote, now=self.now)
        except NodesTaken:
            assert len(free) < wanted, "nodes were free"
            return multiple()
        claims = list(Claim.objects.filter(lease=lease, released_at=None))
        nodes = frozenset(claim.node_id for claim in claims)
        assert len(nodes) == wanted and nodes <= free
        (until,) = {claim.period.upper for claim in claims}
        ends_at, open_ended = lease.ends_at or lease.guaranteed_until, lease.ends_at is None
        booked = Booking(nodes, lease.starts_at, ends_at, until, MICROS_PER_SECOND, open_ended)
        self.desk.bookings[lease.pk] = booked
        self._settle()
        return lease

    def _settle(self) -> None:
        """What the sweeps and the site's workers do, until nothing is left to do at this moment."""
        for _ in range(2):
            schedule.run_due(now=self.now)
            work_all(self.reserved, now=self.now)
        for organization in Organization.objects.all():
            standing.enforce(organization=organization, now=self.now)
        self._read_begins_and_ends()

    def _read_begins_and_ends(self) -> None:
        """Where the desk cannot know better than the product: when a machine was ready, and how far a renewal went."""
        for pk, row in self.desk.bookings.items():
            lease = Lease.objects.get(pk=pk)
            if lease.state == LeaseState.ACTIVE and row.begun is None:
                assert lease.starts_at <= self.now and lease.state_since == self.now
                row.begun = self.now
            if lease.state in LEASE_OVER and row.stopped is None:
                assert row.ends_at <= self.now, "a lease ended before its time"
                self._stop(lease)
            elif row.open_ended and row.live:
                self._follow_renewal(lease, row)
        for work in Maintenance.objects.filter(state=MaintenanceState.UNDER_WAY).select_related("node"):
            self.desk.out.add(work.node_id)
        self.desk.out |= set(Node.objects.exclude(state__in=IN_STOCK).values_list("pk", flat=True))

    def _follow_renewal(self, lease: Lease, row: Booking) -> None:
        """A guarantee grows, never shrinks, and never past who is booked behind."""
        assert lease.guaranteed_until >= row.ends_at
        if lease.guaranteed_until > row.ends_at:
            behind = self.desk.next_behind(row.nodes, row.taken_until)
            (until,) = {claim.period.upper for claim in Claim.objects.filter(lease=lease, released_at=None)}
            assert until == lease.guaranteed_until + CLEANING <= self.now + GUARANTEE + CLEANING
            assert behind is None or until <= behind
            row.ends_at, row.taken_until = lease.guaranteed_until, until

    def _stop(self, lease: Lease) -> None:
        """It has its nodes no longer: they are wiped at this very moment."""
        row = self.desk.bookings[lease.pk]
        if row.live:
            row.stopped, row.taken_until = self.now, max(row.starts_at, self.now) if row.begun else row.starts_at

    def _agree_on_windows(self, nodes: int, *, starts_at: datetime, ends_at: datetime, free: set[int]) -> None:
        """The windows that are shown hold the wished one if and only if it can be had."""
        shown = free_windows(offer=self.reserved, nodes=nodes, starts_at=starts_at, until=ends_at, now=self.now)
        held = any(window.starts_at <= starts_at and ends_at <= window.ends_at for window in shown)
        assert held == (len(free) >= nodes)

    def _full_hour(self) -> datetime:
        return self.now.replace(minute=0, second=0, microsecond=0)


# A life that disagrees is printed whole: to shorten it by trial takes longer than to read it.
FEW = settings(
    max_examples=20,
    stateful_step_count=20,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.mark.django_db
@pytest.mark.timeout(300)
def test_any_order_of_bookings_agrees_with_paper_and_pencil() -> None:
    run_state_machine_as_test(AnyBooking, settings=FEW)
