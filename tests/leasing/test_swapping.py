"""A node fails under its tenant, and an equal one takes its place."""

from datetime import timedelta

import pytest

from accounts.models import Event, IllegalMove, Organization
from leasing import operations, provisioning, schedule
from leasing.models import Lease, Machine, OnFailure, Outage, WipeRecord
from leasing.provisioners.fake import World
from leasing.queries import leases_of, shown
from leasing.states import LeaseState, MachineState
from marketplace.states import NodeState
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, work_all
from tests.leasing.test_health import TURN, gone, look, write
from tests.together import overlaps

pytestmark = pytest.mark.django_db
DOWN = NOON + 4 * TURN  # when the outage is called


def down(acme: Organization, *, free: int = 1, nodes: int = 1, policy: str = OnFailure.ASK) -> Machine:
    """The first machine of a running lease, down and told, beside `free` nodes that nobody has."""
    lease = active(acme, factories.an_offer(factories.a_pool(nodes=nodes + free)), nodes=nodes)
    Lease.objects.update(on_failure=policy)
    machine = lease.machines.order_by("pk")[0]
    write([look(machine, NOON + TURN), *(gone(machine, NOON + turn * TURN) for turn in range(2, 5))])
    schedule.call_outages(now=DOWN)
    return Machine.objects.get(pk=machine.pk)


def test_the_outage_lasts_until_the_new_machine_is_ready(acme: Organization, world: World) -> None:
    failed = down(acme)
    made = operations.swap(machine=failed, actor="user:us_ana", now=DOWN + TURN)
    assert Outage.objects.get().ended_at is None
    work_all(failed.lease.offer, now=DOWN + 4 * TURN)
    made.refresh_from_db()
    failed.refresh_from_db()
    assert (made.state, failed.state) == (MachineState.READY, MachineState.WIPED)
    assert Outage.objects.values_list("machine", "began_at", "ended_at").get() == (
        failed.pk,
        NOON + TURN,
        DOWN + 4 * TURN,
    )
    lease = Lease.objects.get()
    assert (lease.state, overlaps()) == (LeaseState.ACTIVE, 0)
    assert set(Event.objects.filter(notice__isnull=False).values_list("kind", flat=True)) >= {
        "lease.degraded",
        "lease.swapped",
        "lease.restored",
    }


def test_the_other_machines_of_the_lease_go_on(acme: Organization, world: World) -> None:
    failed = down(acme, nodes=2)
    operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    work_all(failed.lease.offer, now=DOWN)
    ready = failed.lease.machines.filter(state=MachineState.READY)
    assert ready.count() == 2
    assert not ready.filter(pk=failed.pk).exists()


def test_the_machines_of_a_lease_are_told_in_the_order_of_their_numbers(acme: Organization, world: World) -> None:
    failed = down(acme, nodes=2)
    made = operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    work_all(failed.lease.offer, now=DOWN)
    for lease in (leases_of(acme).get(), shown(failed.lease)):
        assert [(machine.number, machine.pk == made.pk) for machine in lease.machines.all()] == [
            (1, False),
            (1, True),
            (2, False),
        ]


def test_without_an_equal_free_node_nothing_changes(acme: Organization, world: World) -> None:
    failed = down(acme, free=0)
    with pytest.raises(operations.NoEqualNode, match="No other"):
        operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    assert Machine.objects.get().state == MachineState.READY
    assert Outage.objects.get().ended_at is None


def test_a_machine_that_serves_cannot_be_swapped_nor_one_twice(acme: Organization, world: World) -> None:
    failed = down(acme, free=2)
    operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    with pytest.raises(IllegalMove):
        operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    work_all(failed.lease.offer, now=DOWN)
    serving = failed.lease.machines.get(state=MachineState.READY)
    with pytest.raises(IllegalMove):
        operations.swap(machine=serving, actor="user:us_ana", now=DOWN + TURN)


def test_the_leases_policy_swaps_by_itself_and_waits_for_a_free_node(acme: Organization, world: World) -> None:
    failed = down(acme, free=0, policy=OnFailure.SWAP)
    schedule.swap_down(now=DOWN)
    assert Machine.objects.count() == 1
    factories.a_node(failed.node.pool)
    schedule.swap_down(now=DOWN + HOUR)
    work_all(failed.lease.offer, now=DOWN + HOUR)
    assert failed.lease.machines.filter(state=MachineState.READY).count() == 1
    assert Outage.objects.get().ended_at == DOWN + HOUR


def test_a_replacement_that_does_not_start_hands_the_outage_on_and_may_be_replaced(
    acme: Organization, world: World
) -> None:
    failed = down(acme, free=2)
    second = operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    world.fail("prepare", times=provisioning.START_ATTEMPTS)
    for minute in range(5):
        work_all(failed.lease.offer, now=DOWN + timedelta(minutes=minute))
    second.refresh_from_db()
    assert second.state in {MachineState.WIPING, MachineState.WIPED}
    first_outage, handed_on = Outage.objects.order_by("pk")
    assert first_outage.ended_at == handed_on.began_at  # each second counts once
    third = operations.swap(machine=second, actor="user:us_ana", now=DOWN + HOUR)
    work_all(failed.lease.offer, now=DOWN + HOUR)
    third.refresh_from_db()
    handed_on.refresh_from_db()
    assert (third.state, handed_on.ended_at) == (MachineState.READY, DOWN + HOUR)
    assert Lease.objects.get().state == LeaseState.ACTIVE


def test_a_swapped_node_that_cannot_be_wiped_leaves_the_stock(acme: Organization, world: World) -> None:
    failed = down(acme)
    world.cut_off.add(failed.node.public_id)
    operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    work_all(failed.lease.offer, now=DOWN)
    schedule.run_due(now=DOWN + HOUR)
    failed.node.refresh_from_db()
    assert failed.node.state == NodeState.WIPE_FAILED
    assert Lease.objects.get().state == LeaseState.ACTIVE


def test_a_node_that_lost_a_gpu_does_not_come_back_to_stock_although_it_was_never_inspected(
    acme: Organization, world: World
) -> None:
    failed = down(acme)
    world.lost_gpus[failed.node.public_id] = {3}
    operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    work_all(failed.lease.offer, now=DOWN)
    failed.node.refresh_from_db()
    assert failed.node.state == NodeState.WIPE_FAILED
    wipe = WipeRecord.objects.get(machine=failed)
    assert not wipe.verified
    assert "GPU" in next(check["detail"] for check in wipe.checks if not check["passed"])
