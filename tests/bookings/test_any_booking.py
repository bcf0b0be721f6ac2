"""Whatever is booked, cancelled, returned and planned, in whatever order: the desk with paper and pencil agrees."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from billing import extending, handing_back, keeping, metering, moving, waiting
from billing.invariants import broken
from billing.models import AccountKind, LedgerAccount, Mode, Quote, StandingOrder, StandingOrderState
from leasing.models import Claim, Lease, Maintenance
from leasing.operations import BookedBehind, NodesTaken, Setup, ShortenRefused, end
from leasing.operations.maintaining import WindowTaken, cancel_maintenance, plan_maintenance
from marketplace.models import Node, NodeCalendar, PlanKind
from tests import factories
from tests.billing.conftest import a_quote
from tests.bookings.life import GUARANTEE, HOLD, HOURS, NODES, Life
from tests.bookings.model import CLEANING, Booking, Hold
from tests.factories import HOUR, NOON
from tests.together import overlaps


class AnyBooking(Life):
    """What customers and staff do, in any order."""

    leases = Bundle("leases")
    quotes = Bundle("quotes")
    waits = Bundle("waits")
    works = Bundle("works")

    @rule(target=leases, who=st.integers(0, 1), nodes=st.integers(1, NODES), ahead=HOURS, hours=HOURS)
    def reserve(self, who: int, nodes: int, ahead: int, hours: int) -> Any:
        """A window ahead: had if and only if as many nodes are free for all of it, cleaning included."""
        starts_at = self._full_hour() + ahead * HOUR
        window = {"starts_at": starts_at, "ends_at": starts_at + hours * HOUR}
        free = self.desk.free(starts_at, window["ends_at"] + CLEANING, now=self.now)
        self._agree_on_windows(nodes, **window, free=free)
        quote = a_quote(self.customers[who], self.reserved, now=self.now, nodes=nodes, **window)
        return self._order(quote, wanted=nodes, free=free)

    @rule(target=quotes, who=st.integers(0, 1), nodes=st.integers(1, NODES), ahead=HOURS, hours=HOURS)
    def hold(self, who: int, nodes: int, ahead: int, hours: int) -> Any:
        """Nodes kept for a quote for ten minutes, instead of what its customer's quote before kept."""
        starts_at = self._full_hour() + ahead * HOUR
        ends_at = starts_at + hours * HOUR
        before = next((quote for quote, hold in self.desk.holds.items() if hold.who == who), "")
        elsewhere = {node for hold in self.desk.live_holds(self.now, but=before) for node in hold.nodes}
        free = self.desk.free(starts_at, ends_at + CLEANING, now=self.now, quote=before) - elsewhere
        window = {"starts_at": starts_at, "ends_at": ends_at}
        quote = a_quote(self.customers[who], self.reserved, now=self.now, nodes=nodes, **window)
        try:
            keeping.hold_nodes(quote=quote, now=self.now)
        except NodesTaken:
            assert len(free) < nodes
            return multiple()
        held = NodeCalendar.objects.filter(held_for=quote.public_id).values_list("pk", flat=True)
        found = Hold(who, frozenset(held), starts_at, ends_at + CLEANING, min(self.now + HOLD, starts_at))
        assert len(found.nodes) == nodes and found.nodes <= free
        self.desk.holds.pop(before, None)
        self.desk.holds[quote.public_id] = found
        return quote

    @rule(target=leases, quote=consumes(quotes))
    def order_held(self, quote: Quote) -> Any:
        """Exactly the nodes that are held, while they are; whichever are free, once the hold has lapsed."""
        hold = self.desk.holds.get(quote.public_id)
        quote.refresh_from_db()
        if quote.expires_at <= self.now or hold is None:
            return multiple()
        free = self.desk.free(hold.starts_at, hold.taken_until, now=self.now, quote=quote.public_id)
        made = self._order(quote, wanted=quote.nodes, free=free)
        if isinstance(made, Lease):
            assert hold.lapses_at <= self.now or self.desk.bookings[made.pk].nodes == hold.nodes
            del self.desk.holds[quote.public_id]
        return made

    @rule(target=waits, who=st.integers(0, 1), nodes=st.integers(1, NODES), ahead=HOURS, hours=HOURS, room=HOURS)
    def wait_for(self, who: int, nodes: int, ahead: int, hours: int, room: int) -> Any:
        """A standing order for a window that may lie anywhere within some hours; filled at once if there is one."""
        earliest_at = self._full_hour() + ahead * HOUR
        length = hours * HOUR
        wish = waiting.Wish(
            mode=Mode.BOOK,
            nodes=nodes,
            criteria={"plan": PlanKind.RESERVED.value},
            length_seconds=length // timedelta(seconds=1),
            earliest_at=earliest_at,
            latest_at=earliest_at + length + room * HOUR,
            max_micros_per_node_hour=factories.MICROS_PER_NODE_HOUR,
        )
        customer = self.customers[who]
        setup = Setup("waited for", [factories.a_key(customer)], factories.an_image())
        who_joins: dict[str, Any] = {
            "organization": customer,
            "actor": "user:us_tests",
            "created_by": None,
            "name": "waited for",
        }
        try:
            order = waiting.join(**who_joins, wish=wish, setup=setup, now=self.now)
        except waiting.CannotWait:  # twenty of its own wait already
            return multiple()
        self._settle()
        return order

    @rule(order=consumes(waits))
    def wait_no_longer(self, order: StandingOrder) -> None:
        """Who was served or has waited in vain cannot leave the line any more."""
        order.refresh_from_db()
        waits = order.state == StandingOrderState.WAITING
        try:
            waiting.cancel(order=order, actor="user:us_tests", now=self.now)
        except waiting.NotWaiting:
            assert not waits
        else:
            assert waits

    @rule(target=leases, who=st.integers(0, 1), nodes=st.integers(1, NODES))
    def start_now(self, who: int, nodes: int) -> Any:
        """Nodes from now on, guaranteed as far as nothing is booked behind, a week at most."""
        shortest = self.now + timedelta(seconds=60)
        free = self.desk.free(self.now, shortest + CLEANING, now=self.now)
        quote = a_quote(self.customers[who], self.on_demand, now=self.now, nodes=nodes)
        made = self._order(quote, wanted=nodes, free=free)
        if isinstance(made, Lease):
            booking = self.desk.bookings[made.pk]
            behind = self.desk.next_behind(booking.nodes, self.now + timedelta(microseconds=1), now=self.now)
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

    @rule(lease=leases, hours=HOURS)
    def extend(self, lease: Lease, hours: int) -> None:
        """More time on the same nodes: if and only if nobody is booked behind before that."""
        row = self._agreed(lease)
        if row is None:
            return
        ends_at = row.ends_at + hours * HOUR
        behind = self.desk.next_behind(row.nodes, row.taken_until, now=self.now)
        try:
            extending.extend(lease=lease, ends_at=ends_at, actor="user:us_tests", now=self.now)
        except BookedBehind:
            assert behind is not None and behind < ends_at + CLEANING
            return
        assert behind is None or ends_at + CLEANING <= behind
        row.ends_at, row.taken_until = ends_at, ends_at + CLEANING
        self._settle()

    @rule(lease=leases, hours=HOURS)
    def shorten(self, lease: Lease, hours: int) -> None:
        """An earlier end, an hour after the start and after now at the earliest: the rest is free for others."""
        row = self._agreed(lease)
        if row is None:
            return
        ends_at = row.ends_at - hours * HOUR
        fits = ends_at > self.now and ends_at - row.starts_at >= HOUR
        try:
            handing_back.shorten(lease=lease, ends_at=ends_at, actor="user:us_tests", now=self.now)
        except ShortenRefused:
            assert not fits
            return
        assert fits
        row.ends_at, row.taken_until = ends_at, ends_at + CLEANING
        self._settle()

    @rule(lease=leases, ahead=HOURS, hours=HOURS)
    def move(self, lease: Lease, ahead: int, hours: int) -> None:
        """Another window before it begins: had if and only if as many nodes are free then, its own among them."""
        row = self._agreed(lease)
        if row is None or row.starts_at <= self.now:
            return
        starts_at = self._full_hour() + ahead * HOUR
        ends_at = starts_at + hours * HOUR
        if (starts_at, ends_at) == (row.starts_at, row.ends_at):
            return
        beside = replace(self.desk, bookings={**self.desk.bookings})
        del beside.bookings[lease.pk]
        free = beside.free(starts_at, ends_at + CLEANING, now=self.now)
        window = {"starts_at": starts_at, "ends_at": ends_at}
        quote = a_quote(lease.organization, self.reserved, now=self.now, nodes=len(row.nodes), **window)
        try:
            moving.move(lease=lease, quote=quote, actor="user:us_tests", now=self.now)
        except NodesTaken:
            assert len(free) < len(row.nodes)
            return
        claims = Claim.objects.filter(lease=lease, released_at=None)
        nodes = frozenset(claims.values_list("node_id", flat=True))
        assert len(nodes) == len(row.nodes) and nodes <= free
        row.nodes, row.starts_at, row.ends_at, row.taken_until = nodes, starts_at, ends_at, ends_at + CLEANING
        self._settle()

    @rule(target=works, node=st.integers(0, NODES - 1), ahead=HOURS, hours=HOURS)
    def plan_work(self, node: int, ahead: int, hours: int) -> Any:
        """Staff take a node for a window: if and only if nobody has it then."""
        pk = sorted(self.desk.nodes)[node]
        starts_at = self.now + ahead * HOUR
        ends_at = starts_at + hours * HOUR
        wish: dict[str, Any] = {"kind": "hardware", "reason": "A fan.", "starts_at": starts_at, "ends_at": ends_at}
        held = any(
            pk in hold.nodes and hold.starts_at < ends_at and starts_at < hold.taken_until
            for hold in self.desk.live_holds(self.now)
        )
        clear = not held and not any(self.desk.touching(pk, starts_at, ends_at))
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
