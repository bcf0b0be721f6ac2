"""The product in small, and what time does to it: two customers and staff at one pool of three nodes."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    multiple,
)

from accounts.models import Organization
from billing import filling, standing
from billing.models import StandingOrder, StandingOrderState
from leasing import schedule
from leasing.models import Claim, Lease, Maintenance, MaintenanceState
from leasing.operations import NodesTaken
from leasing.provisioners import provisioner_for
from leasing.provisioners.fake import Fake
from leasing.states import LEASE_OVER, LeaseState
from marketplace.models import Node, PlanKind
from marketplace.queries import free_windows
from marketplace.states import IN_STOCK
from tests import factories
from tests.billing.conftest import funded, place
from tests.bookings.model import CLEANING, Booking, Desk
from tests.factories import HOUR, NOON
from tests.leasing.conftest import work_all

NODES = 3
HOURS = st.integers(1, 30)
GUARANTEE = timedelta(days=7)
HOLD = timedelta(minutes=10)
MICROS_PER_SECOND = 1_000  # $3.60 an hour


class Life(RuleBasedStateMachine):
    """Keeps the product and the desk side by side."""

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
        self.reserved = factories.an_offer(
            pool, factories.a_plan(PlanKind.RESERVED, hold_seconds=HOLD // timedelta(seconds=1))
        )
        self.customers = [funded(100_000, "Acme Robotics"), funded(100_000, "Borealis Labs")]
        self.desk = Desk(frozenset(Node.objects.values_list("pk", flat=True)))

    def teardown(self) -> None:
        """Undo everything."""
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    def _agreed(self, lease: Lease) -> Booking | None:
        """The desk's row of a lease with an agreed end that lies ahead, the lease as it is now."""
        row = self.desk.bookings[lease.pk]
        lease.refresh_from_db()
        return row if row.live and not row.open_ended and row.ends_at > self.now else None

    def _order(self, quote: Any, *, wanted: int, free: set[int]) -> Any:
        try:
            lease = place(quote, now=self.now)
        except NodesTaken:
            assert len(free) < wanted, "nodes were free"
            return multiple()
        self._adopt(lease, free=free, wanted=wanted)
        self._settle()
        return lease

    def _adopt(self, lease: Lease, *, free: set[int], wanted: int) -> None:
        """Write down which of the free nodes it got, and for how long."""
        claims = list(Claim.objects.filter(lease=lease, released_at=None))
        nodes = frozenset(claim.node_id for claim in claims)
        assert len(nodes) == wanted and nodes <= free
        (until,) = {claim.period.upper for claim in claims}
        ends_at, open_ended = lease.ends_at or lease.guaranteed_until, lease.ends_at is None
        booked = Booking(nodes, lease.starts_at, ends_at, until, MICROS_PER_SECOND, open_ended)
        self.desk.bookings[lease.pk] = booked

    def _settle(self) -> None:
        """What the sweeps and the site's workers do, until nothing is left to do at this moment."""
        for _ in range(2):
            schedule.run_due(now=self.now)
            work_all(self.reserved, now=self.now)
        self._fill()
        for organization in Organization.objects.all():
            standing.enforce(organization=organization, now=self.now)
        self._read_begins_and_ends()

    def _fill(self) -> None:
        """Those in line, oldest first: each gets its nodes if and only if there is a window with as many."""
        for order in list(filling.in_line()):
            windows = self._windows_for(order)
            filling.fill(order=order, now=self.now)
            order.refresh_from_db()
            if order.state != StandingOrderState.FILLED:
                assert order.state == StandingOrderState.EXPIRED or not windows, "nodes were free for who waits"
                continue
            assert order.lease is not None
            self._adopt(order.lease, free=windows[order.lease.starts_at], wanted=order.nodes)

    def _windows_for(self, order: StandingOrder) -> dict[datetime, set[int]]:
        """Every start that would do, with the nodes that are free then."""
        assert order.length_seconds is not None and order.latest_at is not None
        length = timedelta(seconds=order.length_seconds)
        first = max(order.earliest_at, self._full_hour() + HOUR)
        hours = range(max(0, (order.latest_at - length - first) // HOUR + 1))
        found = {start: self._free(start, start + length) for start in (first + hour * HOUR for hour in hours)}
        return {start: free for start, free in found.items() if len(free) >= order.nodes}

    def _free(self, starts_at: datetime, ends_at: datetime) -> set[int]:
        return self.desk.free(starts_at, ends_at + CLEANING, now=self.now)

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
            behind = self.desk.next_behind(row.nodes, row.taken_until, now=self.now)
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
