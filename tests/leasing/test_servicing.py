"""What is done to a machine while its tenant keeps it: keys, deadline, break-fix; and pauses that were not done."""

from datetime import timedelta

import pytest

from accounts.models import Event, IllegalMove, Organization
from leasing import operations, provisioning, schedule
from leasing.models import Lease, Machine
from leasing.provisioners.base import HostUnfit, Unreachable
from leasing.provisioners.fake import World
from leasing.states import LeaseState, MachineState
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active, order, work_all

pytestmark = pytest.mark.django_db
LATER = NOON + HOUR


@pytest.fixture
def machine(acme: Organization, world: World) -> Machine:
    return active(acme, factories.an_offer()).machines.select_related("lease__offer").get()


@pytest.mark.parametrize("what", ["power_cycle", "gpu_reset", "rebuild", "rebuild_all"])
def test_break_fix_ends_with_the_machine_at_the_same_address(machine: Machine, world: World, what: str) -> None:
    operations.service(machine=machine, what=what, actor="user:us_ana", now=LATER)
    assert Lease.objects.get().state == LeaseState.ACTIVE
    work_all(machine.lease.offer, now=LATER)
    after = Machine.objects.get()
    assert (after.state, after.service) == (MachineState.READY, "")
    assert (after.host, after.port, after.host_key) == (machine.host, machine.port, machine.host_key)
    kinds = list(Event.objects.filter(kind__startswith="lease.service").order_by("pk").values_list("kind", flat=True))
    assert kinds == ["lease.service_began", "lease.service_done"]


def test_break_fix_that_fails_leaves_the_machine_and_is_told(machine: Machine, world: World) -> None:
    world.fail("service", error=HostUnfit("The driver refuses to reset GPU 3."))
    operations.service(machine=machine, what="gpu_reset", actor="user:us_ana", now=LATER)
    work_all(machine.lease.offer, now=LATER)
    assert Machine.objects.get().state == MachineState.READY
    event = Event.objects.get(kind="lease.service_failed")
    assert (event.data["service"], event.data["detail"]) == ("gpu_reset", "The driver refuses to reset GPU 3.")


def test_a_service_past_its_deadline_is_given_up_without_a_worker(machine: Machine, world: World) -> None:
    operations.service(machine=machine, what="rebuild", actor="user:us_ana", now=LATER)
    schedule.give_up_overdue(now=LATER + timedelta(minutes=10))
    assert Machine.objects.get().state == MachineState.READY
    assert Event.objects.filter(kind="lease.service_failed").exists()


def test_a_machine_that_is_not_ready_cannot_be_serviced(acme: Organization, world: World) -> None:
    waiting = order(acme, factories.an_offer()).machines.get()
    with pytest.raises(IllegalMove):
        operations.service(machine=waiting, what="rebuild", actor="user:us_ana", now=NOON)


def test_a_machine_being_serviced_can_be_returned_and_paused(machine: Machine, world: World) -> None:
    operations.service(machine=machine, what="rebuild", actor="user:us_ana", now=LATER)
    lease = machine.lease
    operations.pause(lease=lease, reason="out_of_funds", until=LATER + DAY, actor="system:billing", now=LATER)
    work_all(lease.offer, now=LATER)
    assert Machine.objects.get().state == MachineState.PAUSED
    operations.end(lease=lease, reason="returned", actor="user:us_ana", now=LATER)
    work_all(lease.offer, now=LATER)
    assert Machine.objects.get().state == MachineState.WIPED


def test_a_changed_setup_reaches_the_host_once(machine: Machine, world: World) -> None:
    assert machine.setup_applied == 1
    schedule.refresh_machines(now=LATER)
    assert Machine.objects.get().state == MachineState.READY  # nothing to do
    Lease.objects.update(setup_version=2)
    schedule.refresh_machines(now=LATER)
    work_all(machine.lease.offer, now=LATER)
    after = Machine.objects.get()
    assert (after.state, after.setup_applied, world.calls["prepare"]) == (MachineState.READY, 2, 2)
    schedule.refresh_machines(now=LATER)
    assert Machine.objects.get().state == MachineState.READY
    assert not Event.objects.filter(kind__startswith="lease.service").exists()


def test_a_setup_that_changes_while_a_worker_is_at_it_is_brought_again(machine: Machine, world: World) -> None:
    Lease.objects.update(setup_version=2)
    schedule.refresh_machines(now=LATER)
    taken = provisioning.take(site=machine.lease.offer.pool.site, now=LATER)
    assert taken is not None
    outcome = provisioning.act(taken, now=LATER)
    Lease.objects.update(setup_version=3)  # a key was taken away after the worker had read them
    provisioning.apply(machine=taken, outcome=outcome, now=LATER)
    assert Machine.objects.get().setup_applied == 2
    schedule.refresh_machines(now=LATER)
    work_all(machine.lease.offer, now=LATER)
    assert Machine.objects.get().setup_applied == 3


def test_a_renewed_guarantee_reaches_the_host_as_a_new_deadline(machine: Machine, world: World) -> None:
    schedule.renew_due(now=NOON + 2 * DAY)
    schedule.refresh_machines(now=NOON + 2 * DAY)
    assert Machine.objects.get().state == MachineState.SERVICING


def test_a_pause_that_the_host_did_not_hear_of_is_told_again(machine: Machine, world: World) -> None:
    world.fail("pause", error=HostUnfit("The container does not stop."))
    lease = machine.lease
    operations.pause(lease=lease, reason="out_of_funds", until=LATER + DAY, actor="system:billing", now=LATER)
    work_all(lease.offer, now=LATER)
    stuck = Machine.objects.get()
    assert (stuck.state, stuck.reason) == (MachineState.PAUSED, "host_failed")
    later = LATER + timedelta(minutes=2)
    schedule.pause_again(now=later)
    work_all(lease.offer, now=later)
    paused = Machine.objects.get()
    assert (paused.state, paused.reason, world.machines[paused.public_id].state) == (
        MachineState.PAUSED,
        "out_of_funds",
        "paused",
    )
    schedule.pause_again(now=later + DAY)
    assert Machine.objects.get().state == MachineState.PAUSED


def test_a_lease_whose_host_does_not_come_back_says_so_when_it_ends(machine: Machine, world: World) -> None:
    lease = machine.lease
    operations.pause(lease=lease, reason="out_of_funds", until=LATER + DAY, actor="system:billing", now=LATER)
    work_all(lease.offer, now=LATER)
    world.fail("resume", times=99, error=Unreachable("No route to the host."))
    operations.resume(lease=lease, actor="system:billing", now=LATER + HOUR)
    schedule.give_up_overdue(now=LATER + 2 * HOUR)
    schedule.end_due(now=LATER + DAY)
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.RECLAIMING, "node_failed")
