"""A lease from order to wipe, and every way in which it can go wrong."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from accounts.models import Event, Organization
from leasing import operations, provisioning, schedule
from leasing.models import Claim, WipeRecord
from leasing.provisioners.fake import World
from leasing.states import LeaseState, MachineState
from marketplace.models import Node, NodeCalendar, PlanKind
from marketplace.states import NodeState
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active, order, work_all

pytestmark = pytest.mark.django_db


def test_a_ready_machine_makes_the_lease_active(acme: Organization, world: World) -> None:
    lease = active(acme, factories.an_offer())
    machine = lease.machines.get()
    assert (lease.state, machine.state, machine.node.state) == (LeaseState.ACTIVE, MachineState.READY, NodeState.LEASED)
    assert machine.host and machine.port and machine.host_key.startswith("ssh-")


def test_a_lease_of_two_nodes_is_active_only_when_both_are_ready(acme: Organization, world: World) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=2))
    lease = order(acme, offer, nodes=2)
    first = provisioning.take(site=offer.pool.site, now=NOON)
    assert first is not None
    provisioning.apply(machine=first, outcome=provisioning.act(first, now=NOON), now=NOON)
    lease.refresh_from_db()
    assert lease.state == LeaseState.PROVISIONING
    work_all(offer, now=NOON)
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE


def test_a_returned_lease_ends_with_a_wipe_record_and_its_node_back_in_stock(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    lease = active(acme, offer)
    lease = operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    assert lease.state == LeaseState.RECLAIMING
    work_all(offer, now=NOON + HOUR)
    lease.refresh_from_db()
    assert lease.state == LeaseState.ENDED
    assert WipeRecord.objects.get().verified
    assert Node.objects.get().state == NodeState.AVAILABLE
    assert list(NodeCalendar.objects.get().busy) == []


def test_returning_twice_changes_nothing(acme: Organization, world: World) -> None:
    lease = active(acme, factories.an_offer())
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    again = operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 2 * HOUR)
    assert again.state_since == NOON + HOUR
    assert again.transitions.filter(new=LeaseState.RECLAIMING).count() == 1


@pytest.mark.parametrize("ahead", [timedelta(0), DAY])
def test_returning_is_accepted_before_the_start(acme: Organization, world: World, ahead: timedelta) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    lease = order(acme, offer, starts_at=NOON + ahead, ends_at=NOON + ahead + HOUR)
    lease = operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON)
    work_all(offer, now=NOON)
    lease.refresh_from_db()
    assert lease.state == (LeaseState.CANCELLED if ahead else LeaseState.ENDED)
    assert not lease.transitions.filter(new=LeaseState.ACTIVE).exists()
    assert not Claim.objects.filter(released_at=None).exists()


def test_a_node_that_fails_its_health_check_is_replaced_once(acme: Organization, world: World) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=2))
    world.fail("prepare", times=provisioning.START_ATTEMPTS)
    lease = order(acme, offer)
    for minute in range(6):
        work_all(offer, now=NOON + timedelta(minutes=minute))
    lease.refresh_from_db()
    assert (lease.state, lease.replacements) == (LeaseState.ACTIVE, 1)
    assert lease.machines.filter(state=MachineState.READY).count() == 1
    assert lease.machines.filter(state=MachineState.WIPED).count() == 1


def test_a_second_failure_fails_the_lease_and_frees_both_nodes(acme: Organization, world: World) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=3))
    world.fail("prepare", times=2 * provisioning.START_ATTEMPTS)
    lease = order(acme, offer)
    for minute in range(12):
        work_all(offer, now=NOON + timedelta(minutes=minute))
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.FAILED, "host_failed")
    assert Node.objects.filter(state=NodeState.AVAILABLE).count() == 3
    notice = Event.objects.get(kind="lease.failed").notice
    assert notice and notice["title"] == "training could not be started"


def test_two_late_machines_of_one_lease_are_not_both_given_up_once_the_first_is_replaced(
    acme: Organization, world: World
) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=3))
    lease = order(acme, offer, nodes=2)
    schedule.run_due(now=NOON + timedelta(minutes=10))
    lease.refresh_from_db()
    assert (lease.state, lease.replacements) == (LeaseState.PROVISIONING, 1)
    assert lease.machines.filter(state=MachineState.PREPARING).count() == 2


def test_a_start_past_its_deadline_fails_without_a_worker(acme: Organization, world: World) -> None:
    lease = order(acme, factories.an_offer())
    schedule.run_due(now=NOON + timedelta(minutes=10))
    lease.refresh_from_db()
    assert lease.state == LeaseState.FAILED
    assert lease.machines.get().state == MachineState.WIPING


def test_a_worker_whose_machine_was_given_up_changes_nothing(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    lease = order(acme, offer)
    slept = provisioning.take(site=offer.pool.site, now=NOON)
    assert slept is not None
    outcome = provisioning.act(slept, now=NOON)
    schedule.run_due(now=NOON + timedelta(minutes=10))
    assert not provisioning.apply(machine=slept, outcome=outcome, now=NOON + timedelta(minutes=20))
    lease.refresh_from_db()
    assert lease.state == LeaseState.FAILED


def test_a_dead_workers_machine_is_taken_over_and_ends_up_once_on_the_host(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    lease = order(acme, offer)
    killed = provisioning.take(site=offer.pool.site, now=NOON)
    assert killed is not None
    provisioning.act(killed, now=NOON)  # acted on the host, and died before it could write that down
    assert provisioning.take(site=offer.pool.site, now=NOON + timedelta(seconds=59)) is None
    work_all(offer, now=NOON + timedelta(seconds=60))
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE
    assert len(world.machines) == 1


def test_an_unproven_wipe_keeps_the_node_out_of_stock_until_another_wipe(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    lease = active(acme, offer)
    world.lying_wipes = 1
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    machine = lease.machines.get()
    assert (machine.state, machine.node.state) == (MachineState.WIPE_FAILED, NodeState.WIPE_FAILED)
    lease.refresh_from_db()
    assert lease.state == LeaseState.ENDED
    operations.wipe_again(machine=machine, actor="user:us_staff", now=NOON + 2 * HOUR)
    work_all(offer, now=NOON + 2 * HOUR)
    assert Node.objects.get().state == NodeState.AVAILABLE


def test_the_database_refuses_stock_without_a_wipe_proof(acme: Organization, world: World) -> None:
    active(acme, factories.an_offer())
    with pytest.raises(IntegrityError, match="no verified wipe record"), transaction.atomic():
        Node.objects.update(state=NodeState.AVAILABLE)


def test_an_unproven_wipe_record_does_not_satisfy_the_database(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    lease = active(acme, offer)
    world.lying_wipes = 1
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    assert not WipeRecord.objects.get().verified
    with pytest.raises(IntegrityError, match="no verified wipe record"), transaction.atomic():
        Node.objects.update(state=NodeState.AVAILABLE)


def test_a_lease_ends_when_its_period_is_over(acme: Organization, world: World) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    lease = active(acme, offer, ends_at=NOON + HOUR)
    schedule.run_due(now=NOON + HOUR)
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.RECLAIMING, "period_over")


def test_an_open_ended_lease_is_renewed_while_nothing_is_booked_behind(acme: Organization, world: World) -> None:
    lease = active(acme, factories.an_offer())
    schedule.run_due(now=NOON + 2 * DAY)
    lease.refresh_from_db()
    assert lease.guaranteed_until == NOON + 9 * DAY
    assert Claim.objects.get().period.upper == NOON + 9 * DAY + timedelta(minutes=15)


def test_the_customer_is_told_once_when_somebody_books_behind(acme: Organization, world: World) -> None:
    pool = factories.a_pool()
    lease = active(acme, factories.an_offer(pool))
    behind = factories.an_offer(pool, factories.a_plan(PlanKind.RESERVED))
    begins = lease.guaranteed_until + timedelta(hours=1)
    order(acme, behind, starts_at=begins, ends_at=begins + DAY)
    schedule.run_due(now=NOON + 2 * DAY)
    schedule.run_due(now=NOON + 2 * DAY + HOUR)
    lease.refresh_from_db()
    assert lease.guaranteed_until == begins - timedelta(minutes=15)
    assert Event.objects.filter(kind="lease.guarantee_ending").count() == 1
    schedule.run_due(now=lease.guaranteed_until)
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.RECLAIMING, "guarantee_over")


def test_a_guarantee_that_no_sweep_renewed_in_time_blames_nobody_else(acme: Organization, world: World) -> None:
    lease = active(acme, factories.an_offer())
    schedule.end_due(now=lease.guaranteed_until + HOUR)
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.RECLAIMING, "not_renewed")
    told = Event.objects.filter(kind="lease.reclaiming").latest("pk").notice
    assert told and "we could not renew it in time, and nobody else has booked the nodes" in told["text"]


def test_a_paused_lease_keeps_machine_and_address_and_resumes(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    lease = active(acme, offer)
    before = lease.machines.get()
    operations.pause(lease=lease, reason="out_of_funds", until=NOON + DAY, actor="system:billing", now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    assert lease.machines.get().state == MachineState.PAUSED
    operations.resume(lease=lease, actor="system:billing", now=NOON + 2 * HOUR)
    work_all(offer, now=NOON + 2 * HOUR)
    lease.refresh_from_db()
    after = lease.machines.get()
    assert (lease.state, after.state) == (LeaseState.ACTIVE, MachineState.READY)
    assert (after.host, after.port, after.host_key) == (before.host, before.port, before.host_key)


def test_a_paused_lease_that_nobody_resumes_ends_and_is_wiped(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    lease = active(acme, offer)
    operations.pause(lease=lease, reason="out_of_funds", until=NOON + DAY, actor="system:billing", now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    schedule.run_due(now=NOON + DAY)
    work_all(offer, now=NOON + DAY)
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.ENDED, "out_of_funds")
    assert WipeRecord.objects.get().verified


def test_a_late_node_starts_its_next_lease_once_it_is_clean(acme: Organization, world: World) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    first = active(acme, offer, ends_at=NOON + HOUR)
    second = order(acme, offer, starts_at=NOON + HOUR + timedelta(minutes=15), ends_at=NOON + 3 * HOUR)
    schedule.run_due(now=NOON + HOUR)
    begins = NOON + HOUR + timedelta(minutes=15)
    schedule.start_due(now=begins)
    assert second.machines.get().state == MachineState.PENDING
    work_all(offer, now=begins)
    schedule.deploy_pending(now=begins)
    work_all(offer, now=begins)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (LeaseState.ENDED, LeaseState.ACTIVE)


def test_transitions_are_append_only_in_the_database(acme: Organization, world: World) -> None:
    lease = active(acme, factories.an_offer())
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        lease.transitions.first().delete()  # type: ignore[union-attr]


def test_a_lease_that_is_being_resumed_is_not_ended_under_its_tenants_hands(acme: Organization, world: World) -> None:
    offer = factories.an_offer()
    lease = active(acme, offer)
    operations.pause(lease=lease, reason="out_of_funds", until=NOON + DAY, actor="system:billing", now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    operations.resume(lease=lease, actor="system:billing", now=NOON + DAY - timedelta(seconds=1))
    schedule.run_due(now=NOON + DAY)
    work_all(offer, now=NOON + DAY)
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE


def test_a_renewed_guarantee_is_covered_by_the_claim_with_the_cleaning_of_the_leases_own_terms(
    world: World, acme: Organization
) -> None:
    offer = factories.an_offer()
    lease = active(acme, offer)
    factories.the_terms(offer.plan, starts_at=NOON + HOUR, cleaning_seconds=1800)
    assert operations.renew(lease=lease, now=NOON + 2 * DAY)
    lease.refresh_from_db()
    assert Claim.objects.get(lease=lease).period.upper == lease.guaranteed_until + timedelta(seconds=900)
