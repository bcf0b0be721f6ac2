"""A lease that ends later than agreed, because the sweep is late, on nodes that somebody has booked behind it."""

from datetime import datetime, timedelta

from accounts.models import Event, Organization
from leasing import operations, schedule
from leasing.models import Claim, Lease
from leasing.provisioners.fake import World
from leasing.states import LeaseState
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, order, work_all

SECOND = timedelta(seconds=1)


def test_a_lease_whose_guarantee_is_over_ends_although_its_node_is_booked_behind(
    world: World, acme: Organization
) -> None:
    offer = factories.an_offer()
    booked = _book_behind(offer, NOON + 5 * HOUR)
    lease = active(acme, offer)

    schedule.run_due(now=lease.guaranteed_until + 2 * SECOND)

    lease.refresh_from_db()
    assert lease.state == LeaseState.RECLAIMING
    assert Claim.objects.get(lease=lease).period.upper == booked.starts_at


def test_a_sweep_that_is_late_by_more_than_the_cleaning_still_ends_the_lease_before_the_next_one(
    world: World, acme: Organization
) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    lease = order(acme, offer, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR)
    booked = _book_behind(offer, NOON + 3 * HOUR)
    schedule.run_due(now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    late = booked.starts_at + 2 * SECOND

    schedule.run_due(now=late)
    work_all(offer, now=late)
    schedule.run_due(now=late)
    work_all(offer, now=late)

    lease.refresh_from_db()
    booked.refresh_from_db()
    assert (lease.state, booked.state) == (LeaseState.ENDED, LeaseState.ACTIVE)


def test_a_lease_is_given_back_after_its_guarantee_although_its_node_is_booked_behind(
    world: World, acme: Organization
) -> None:
    offer = factories.an_offer()
    _book_behind(offer, NOON + 5 * HOUR)
    lease = active(acme, offer)

    after = lease.guaranteed_until + SECOND
    ended = operations.end(lease=lease, reason="returned", actor="user:us_tests", now=after)

    assert ended.state == LeaseState.RECLAIMING


def test_one_lease_in_trouble_does_not_stop_the_sweep(world: World, acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=2), factories.a_plan(PlanKind.RESERVED))
    broken, sound = (order(acme, offer, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR) for _ in range(2))
    schedule.run_due(now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    node = broken.machines.get().node
    node.transitions.create(seq=node.version + 1, old="leased", new="wiping", at=NOON, actor="tests")

    schedule.run_due(now=NOON + 2 * HOUR)

    broken.refresh_from_db()
    sound.refresh_from_db()
    assert (broken.state, sound.state) == (LeaseState.ACTIVE, LeaseState.RECLAIMING)


def _book_behind(offer: Offer, starts_at: datetime) -> Lease:
    """Somebody else's reservation of the same nodes."""
    behind = factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED))
    somebody = factories.an_organization("Somebody Else")
    return order(somebody, behind, starts_at=starts_at, ends_at=starts_at + 2 * HOUR)


def what_was_told() -> str:
    notice = Event.objects.get(kind="lease.reclaiming").notice
    return notice["text"] if notice else ""


def test_who_is_told_of_a_late_end_reads_when_the_meter_stopped(world: World, acme: Organization) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    order(acme, offer, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR)
    schedule.run_due(now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    schedule.run_due(now=NOON + 7 * HOUR)
    assert "The meter stopped at 2026-03-02 14:00:00 UTC." in what_was_told()


def test_the_meter_of_a_paused_lease_stopped_with_the_pause(world: World, acme: Organization) -> None:
    lease = active(acme, factories.an_offer())
    until = NOON + 25 * HOUR
    operations.pause(lease=lease, reason="out_of_funds", until=until, actor="system:billing", now=NOON + HOUR)
    schedule.run_due(now=until)
    assert "The meter stopped at 2026-03-02 13:00:00 UTC." in what_was_told()


def test_the_meter_of_a_lease_that_was_not_ready_had_not_started(world: World, acme: Organization) -> None:
    lease = order(acme, factories.an_offer())
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + SECOND)
    assert "The meter had not started." in what_was_told()


def test_a_guarantee_whose_end_is_found_late_is_used_until_then_and_no_longer(world: World, acme: Organization) -> None:
    """Its hosts ended access by themselves: nothing behind that is use, and nothing is charged."""
    lease = active(acme, factories.an_offer())
    schedule.end_due(now=lease.guaranteed_until + 9 * HOUR)
    last = lease.transitions.order_by("seq").last()
    assert last and (last.new, last.at) == (LeaseState.RECLAIMING, lease.guaranteed_until)
    assert f"The meter stopped at {lease.guaranteed_until:%Y-%m-%d %H:%M:%S} UTC." in what_was_told()


def test_who_returns_a_lease_behind_its_guarantee_has_used_it_until_then_too(world: World, acme: Organization) -> None:
    lease = active(acme, factories.an_offer())
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=lease.guaranteed_until + HOUR)
    last = lease.transitions.order_by("seq").last()
    assert last and (last.new, last.at, last.reason) == (LeaseState.RECLAIMING, lease.guaranteed_until, "returned")
