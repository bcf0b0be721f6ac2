"""Somebody books behind an open-ended lease: its tenant hears at once, with alternatives, and can move."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Event, IllegalMove, Organization
from leasing import operations, provisioning, schedule
from leasing.models import Lease, Machine, NodeHealth
from leasing.operations import NoEqualNode
from leasing.operations.maintaining import plan_maintenance
from leasing.provisioners.fake import World
from leasing.queries import leases_of
from leasing.queries.guarantee import Because, ending_of
from leasing.states import LeaseState, MachineState
from marketplace.models import Node, Offer, PlanKind
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active, hold, work_all
from tests.together import overlaps

pytestmark = pytest.mark.django_db
CLEANING = timedelta(seconds=900)


@pytest.fixture
def lease(acme: Organization, world: World) -> Lease:
    """On demand, on the only node of its pool, guaranteed for seven days; renewed below six."""
    return active(acme, factories.an_offer())


def book_behind(offer: Offer, *, starts_at: datetime, nodes: int = 1) -> Lease:
    behind = factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED))
    somebody = factories.an_organization("Somebody Else")
    rate = behind.rates.last()
    return hold(somebody, behind, nodes=nodes, starts_at=starts_at, ends_at=starts_at + DAY, rate=rate, now=NOON + HOUR)


def told(kind: str = "lease.guarantee_ending") -> list[Event]:
    return list(Event.objects.filter(kind=kind, notice__isnull=False).order_by("pk"))


def text() -> str:
    (event,) = told()
    assert event.notice
    return str(event.notice["text"])


def fresh(acme: Organization) -> Lease:
    return leases_of(acme).select_related("terms").get()


def test_the_tenant_hears_within_a_sweep_of_the_booking(lease: Lease) -> None:
    begins = lease.guaranteed_until + 2 * HOUR
    book_behind(lease.offer, starts_at=begins)
    now = NOON + 3 * HOUR  # the guarantee is far from shrinking below what renews it
    schedule.renew_due(now=now)
    assert "Somebody has booked a node behind this lease." in text()
    lease.refresh_from_db()
    assert lease.guaranteed_until == begins - CLEANING, "as far as the booking lets it, and exactly as told"
    schedule.renew_due(now=now + HOUR)
    assert len(told()) == 1


def test_a_booking_beyond_the_horizon_is_told_once_the_guarantee_would_reach_it(lease: Lease) -> None:
    book_behind(lease.offer, starts_at=lease.guaranteed_until + 2 * DAY)
    schedule.renew_due(now=NOON + 3 * HOUR)
    assert told() == []
    schedule.renew_due(now=NOON + 2 * DAY + HOUR)
    assert len(told()) == 1


def test_a_guarantee_that_was_short_when_it_was_ordered_is_no_news(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    book_behind(offer, starts_at=NOON + 6 * DAY + 12 * HOUR)
    active(acme, offer)
    schedule.renew_due(now=NOON + HOUR)
    assert told() == []


def test_maintenance_is_not_called_a_booking(lease: Lease, acme: Organization) -> None:
    node = lease.machines.get().node
    plan_maintenance(
        node=node,
        kind="hardware",
        reason="A fan is replaced.",
        starts_at=lease.guaranteed_until + HOUR,
        ends_at=lease.guaranteed_until + 3 * HOUR,
        actor="user:us_staff",
        now=NOON + HOUR,
    )
    schedule.renew_due(now=NOON + HOUR)
    assert "Maintenance of a node is planned behind this lease." in text()
    assert "booked" not in text()
    ending = ending_of(fresh(acme), now=NOON + HOUR)
    assert ending and ending.because == Because.MAINTENANCE
    schedule.end_due(now=fresh(acme).guaranteed_until)
    assert fresh(acme).reason == "maintenance"


def test_equal_nodes_come_first_then_other_sites_that_have_room(lease: Lease, acme: Organization) -> None:
    factories.a_node(lease.offer.pool)
    factories.an_offer(factories.a_pool(nodes=3, site=factories.a_site("dallas")))
    factories.an_offer(factories.a_pool(nodes=0, site=factories.a_site("lima")))
    node = lease.machines.get().node
    other = Node.objects.exclude(pk=node.pk).filter(pool=lease.offer.pool)
    assert other.count() == 1
    plan_behind(lease)
    schedule.renew_due(now=NOON + HOUR)
    words = text()
    assert "1 at the same site" in words
    assert "Elsewhere: 3 in Dallas." in words and "Lima" not in words
    ending = ending_of(fresh(acme), now=NOON + HOUR)
    assert ending
    assert (ending.equal, [machine.node for machine in ending.movable]) == (1, [node])
    assert [(row.offer.pool.site.slug, row.free) for row in ending.elsewhere] == [("dallas", 3)]


def plan_behind(lease: Lease) -> None:
    """Work on the lease's own node, where a booking might go to another one."""
    starts_at = lease.guaranteed_until + HOUR
    plan_maintenance(
        node=lease.machines.get().node, kind="power", reason="Power.", starts_at=starts_at, ends_at=starts_at + HOUR,
        actor="user:us_staff", now=NOON + HOUR,
    )  # fmt: skip


def test_who_moves_is_guaranteed_for_the_whole_time_again_and_pays_nothing_until_the_new_node_is_ready(
    lease: Lease, acme: Organization
) -> None:
    old = lease.machines.get()
    book_behind(lease.offer, starts_at=lease.guaranteed_until + HOUR)
    spare = factories.a_node(lease.offer.pool)
    now = NOON + 2 * HOUR
    schedule.renew_due(now=now)
    made = operations.move_machine(machine=Machine.objects.get(pk=old.pk), actor="user:us_ana", now=now)
    lease.refresh_from_db()
    assert (made.node, made.number, made.replaces) == (spare, old.number, old)
    assert (lease.guaranteed_until, lease.guarantee_notice_at) == (now + 7 * DAY, None)
    assert old.outages.get().began_at == now
    work_all(lease.offer, now=now + HOUR)
    made.refresh_from_db()
    assert (made.state, old.outages.get().ended_at) == (MachineState.READY, now + HOUR)
    assert Machine.objects.get(pk=old.pk).state == MachineState.WIPED
    assert (Lease.objects.get(pk=lease.pk).state, overlaps()) == (LeaseState.ACTIVE, 0)
    schedule.renew_due(now=now + HOUR)
    assert len(told()) == 1


def test_a_move_whose_new_node_does_not_start_becomes_an_outage(lease: Lease, world: World) -> None:
    old = lease.machines.get()
    book_behind(lease.offer, starts_at=lease.guaranteed_until + HOUR)
    factories.a_node(lease.offer.pool)
    schedule.renew_due(now=NOON + 2 * HOUR)
    moved = operations.move_machine(machine=Machine.objects.get(pk=old.pk), actor="user:us_ana", now=NOON + 2 * HOUR)
    NodeHealth.objects.update_or_create(node=old.node, defaults={"seen_at": NOON, "history": 0b11111})
    schedule.call_outages(now=NOON + 2 * HOUR)
    assert old.outages.get().called_at is None, "whatever becomes of the node that was left"
    world.fail("prepare", times=provisioning.START_ATTEMPTS)
    for minute in range(5):
        work_all(lease.offer, now=NOON + 2 * HOUR + timedelta(minutes=minute))
    assert (old.outages.get().cause, moved.outages.get().cause) == ("moving", "swapping")


def test_who_has_nothing_booked_behind_cannot_move(lease: Lease) -> None:
    factories.a_node(lease.offer.pool)
    with pytest.raises(IllegalMove):
        operations.move_machine(machine=lease.machines.get(), actor="user:us_ana", now=NOON + HOUR)


def test_without_an_equal_node_that_is_free_for_so_long_nothing_changes(lease: Lease) -> None:
    book_behind(lease.offer, starts_at=lease.guaranteed_until + HOUR)
    schedule.renew_due(now=NOON + 2 * HOUR)
    with pytest.raises(NoEqualNode):
        operations.move_machine(machine=lease.machines.get(), actor="user:us_ana", now=NOON + 2 * HOUR)
    assert lease.machines.get().state == MachineState.READY
    assert "No equal node is free for as long now" in text()


def test_when_the_booking_is_called_off_the_guarantee_moves_on_and_the_tenant_hears_it(lease: Lease) -> None:
    behind = book_behind(lease.offer, starts_at=lease.guaranteed_until + HOUR)
    schedule.renew_due(now=NOON + 2 * HOUR)
    operations.expire(lease=behind, now=NOON + 3 * HOUR)
    schedule.renew_due(now=NOON + 3 * HOUR)
    lease.refresh_from_db()
    assert (lease.guaranteed_until, lease.guarantee_notice_at) == (NOON + 3 * HOUR + 7 * DAY, None)
    assert len(told("lease.guarantee_renewed")) == 1


def test_when_the_first_of_two_bookings_is_called_off_it_moves_on_as_far_as_the_second(lease: Lease) -> None:
    first = book_behind(lease.offer, starts_at=lease.guaranteed_until + HOUR)
    schedule.renew_due(now=NOON + 2 * HOUR)
    second = hold(first.organization, first.offer, starts_at=NOON + 10 * DAY, ends_at=NOON + 11 * DAY, rate=first.rate)
    now = NOON + 4 * DAY
    operations.expire(lease=first, now=now)
    for minutes in range(3):
        schedule.renew_due(now=now + timedelta(minutes=minutes))
    lease.refresh_from_db()
    assert lease.guaranteed_until == second.starts_at - CLEANING
    assert f"until {second.starts_at - CLEANING:%Y-%m-%d %H:%M} UTC" in (told()[-1].notice or {})["title"]
    assert (len(told()), told("lease.guarantee_renewed")) == (2, [])
