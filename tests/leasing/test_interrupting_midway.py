"""An interruption begins while a machine of its lease is on its way up: it stands still with the others."""

import pytest

from accounts.models import Organization
from billing import invariants
from leasing import operations, provisioning, schedule
from leasing.models import Interruption, Lease, Machine, OutageCause
from leasing.operations import outages
from leasing.provisioners.fake import World
from leasing.states import InterruptionState, LeaseState, MachineState
from tests.factories import DAY, NOON
from tests.leasing.conftest import active, work_all
from tests.leasing.interrupted import MINUTE, NOTICE, a_surplus_lease, announced, pass_to, surplus

BEGINS = NOON + NOTICE
TENANT = "user:us_tests"
BILLING = "system:billing"


def resuming_at_its_beginning(acme: Organization) -> tuple[Lease, Interruption]:
    """The wallet was empty in the notice; it was filled again a minute before the interruption begins."""
    lease = a_surplus_lease(acme)
    row = announced(lease)
    half = NOON + 30 * MINUTE
    operations.pause(lease=lease, reason="out_of_funds", until=NOON + 2 * DAY, actor=BILLING, now=half)
    pass_to(lease, half)
    operations.resume(lease=lease, actor=BILLING, now=BEGINS - MINUTE)
    return lease, row


def being_swapped(acme: Organization, *, nodes: int = 1) -> tuple[Lease, Interruption]:
    """One of its nodes failed in the notice, and another one is being made ready."""
    lease = active(acme, surplus(nodes=nodes + 1), nodes=nodes)
    row, failed = announced(lease), Machine.objects.order_by("pk")[0]
    outages.begin(machine=failed, cause=OutageCause.GPU_LOST, now=NOON + MINUTE)
    operations.swap(machine=failed, actor=TENANT, now=BEGINS - MINUTE)
    lease.refresh_from_db()
    return lease, row


def serving(lease: Lease) -> Machine:
    return lease.machines.exclude(state__in=[MachineState.WIPING, MachineState.WIPED]).get()


def stopped(lease: Lease, world: World) -> int:
    machines = lease.machines.filter(state=MachineState.PAUSED)
    return sum(world.machines[machine.public_id].state == "paused" for machine in machines)


def stands_still(lease: Lease, row: Interruption, world: World, now: object) -> bool:
    row.refresh_from_db()
    states = (lease.state, row.state, serving(lease).state, world.machines[serving(lease).public_id].state)
    assert states == (LeaseState.PAUSED, InterruptionState.PAUSED, MachineState.PAUSED, "paused")
    return list(invariants.broken(now=now)) == []  # type: ignore[arg-type]


def test_a_lease_that_was_being_resumed_stands_still_until_there_is_power_and_money(
    acme: Organization, world: World
) -> None:
    lease, row = resuming_at_its_beginning(acme)
    pass_to(lease, BEGINS)
    pass_to(lease, BEGINS + MINUTE)
    assert stands_still(lease, row, world, BEGINS + MINUTE)
    pass_to(lease, row.ends_at)
    operations.resume(lease=lease, actor=BILLING, now=row.ends_at)
    pass_to(lease, row.ends_at)
    assert (lease.state, serving(lease).state) == (LeaseState.ACTIVE, MachineState.READY)
    assert not lease.transitions.filter(new=LeaseState.ACTIVE, at__gte=BEGINS, at__lt=row.ends_at).exists()


def test_a_worker_that_resumes_a_machine_as_it_begins_is_not_waited_for(acme: Organization, world: World) -> None:
    lease, row = resuming_at_its_beginning(acme)
    held = provisioning.take(site=lease.offer.pool.site, now=BEGINS)
    assert held is not None
    schedule.run_due(now=BEGINS)
    assert serving(lease).state == MachineState.PAUSING
    assert not provisioning.apply(machine=held, outcome=provisioning.act(held, now=BEGINS), now=BEGINS)
    pass_to(lease, BEGINS)
    assert stands_still(lease, row, world, BEGINS)


def test_a_machine_that_takes_anothers_place_as_it_begins_is_stopped_as_soon_as_it_is_ready(
    acme: Organization, world: World
) -> None:
    lease, row = being_swapped(acme)
    schedule.run_due(now=BEGINS)
    assert serving(lease).state == MachineState.PREPARING
    pass_to(lease, BEGINS + MINUTE)
    assert stands_still(lease, row, world, BEGINS + MINUTE)
    pass_to(lease, row.ends_at)
    assert (lease.state, serving(lease).state) == (LeaseState.ACTIVE, MachineState.READY)


@pytest.mark.parametrize("nodes", [1, 2])
def test_nor_does_it_serve_a_lease_whose_wallet_is_empty(acme: Organization, world: World, nodes: int) -> None:
    lease, _ = being_swapped(acme, nodes=nodes)
    operations.pause(lease=lease, reason="out_of_funds", until=NOON + 2 * DAY, actor=BILLING, now=BEGINS - MINUTE)
    work_all(lease.offer, now=BEGINS - MINUTE)
    assert stopped(lease, world) == nodes
    operations.call_off(interruption=lease.interruptions.get(), actor=TENANT, now=BEGINS - MINUTE)
    operations.resume(lease=lease, actor=BILLING, now=BEGINS)
    pass_to(lease, BEGINS)
    assert (lease.state, stopped(lease, world)) == (LeaseState.ACTIVE, 0)


def test_power_that_is_back_while_the_replacement_is_made_ready_is_not_forgotten(
    acme: Organization, world: World
) -> None:
    lease, row = being_swapped(acme)
    schedule.run_due(now=BEGINS)
    operations.power_back(interruption=row, actor=TENANT, now=BEGINS)
    for minute in range(3):
        pass_to(lease, BEGINS + minute * MINUTE)
    row.refresh_from_db()
    assert (lease.state, row.state) == (LeaseState.ACTIVE, InterruptionState.RESUMED)
