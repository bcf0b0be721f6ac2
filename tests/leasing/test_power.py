"""A host that cannot be reached when it is taken back loses its power; a wipe gives it back; break-fix restarts one."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from accounts import seal
from accounts.clock import now as database_now
from accounts.models import Event, Organization
from leasing import containing, operations, powering, provisioning, schedule
from leasing.hosts import host_of
from leasing.models import Lease, Machine
from leasing.power import BMC_PURPOSE, PowerRefused, power_of
from leasing.power.base import PowerState
from leasing.power.fake import BOARDS, Board, silent
from leasing.provisioners.base import HostKeyMismatch, HostUnfit, Unreachable
from leasing.provisioners.fake import World
from leasing.queries import sites_with_work
from leasing.states import MachineState
from leasing.tasks import work_site
from marketplace.models import Node, Offer, Pool, Provisioner, Site
from marketplace.states import NodeState
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, work_all
from tests.redfish import PASSWORD, USER, running

pytestmark = pytest.mark.django_db
BMC = "https://10.0.0.2"
GONE = NOON + 2 * HOUR  # long after the cleaning deadline


@pytest.fixture
def offer(db: None) -> Offer:
    pool = factories.a_pool(nodes=0)
    factories.a_node(pool, bmc_address=BMC, bmc_user="root", bmc_password=seal.seal("secret", purpose=BMC_PURPOSE))
    return factories.an_offer(pool)


@pytest.fixture
def site(offer: Offer) -> Site:
    return offer.pool.site


@pytest.fixture
def board() -> Iterator[Board]:
    BOARDS[BMC] = Board()
    yield BOARDS[BMC]
    BOARDS.clear()


@pytest.fixture
def lease(acme: Organization, offer: Offer, world: World, board: Board) -> Lease:
    return active(acme, offer)


def lost(lease: Lease, world: World, *, now: datetime = GONE) -> Machine:
    """The lease's machine, given back while its host cannot be reached, until its wipe has failed."""
    world.cut_off.add(lease.machines.get().node.public_id)
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    work_all(lease.offer, now=NOON + HOUR)
    schedule.give_up_overdue(now=now)
    return lease.machines.get()


def events(*kinds: str) -> list[str]:
    return list(Event.objects.filter(kind__in=kinds).order_by("pk").values_list("kind", flat=True))


OUTCOMES = ("node.contained", "node.not_contained")


def test_a_host_that_cannot_be_reached_at_reclaim_loses_its_power(lease: Lease, world: World, board: Board) -> None:
    machine = lost(lease, world)
    assert (machine.state, machine.access_ended_at) == (MachineState.WIPE_FAILED, None)
    containing.contain_due(site=machine.node.pool.site, now=GONE)
    machine.refresh_from_db()
    assert (board.state, board.said) == ("off", ["ForceOff"])
    assert machine.contained_at is not None and machine.state == MachineState.WIPE_FAILED
    assert machine.access_ended_at is None, "power can come back: only a wipe ends the access"
    assert events(*OUTCOMES) == ["node.contained"]
    event = Event.objects.get(kind="node.contained")
    assert (event.subject, event.data) == (machine.node.public_id, {"machine": machine.public_id})


def test_containing_again_changes_nothing(lease: Lease, world: World, board: Board) -> None:
    site = lost(lease, world).node.pool.site
    for hour in range(3):
        containing.contain_due(site=site, now=GONE + hour * HOUR)
    assert (board.said, events(*OUTCOMES)) == (["ForceOff"], ["node.contained"])


def test_before_the_deadline_and_at_another_site_nothing_is_switched_off(
    lease: Lease, world: World, board: Board
) -> None:
    site = lost(lease, world, now=NOON + HOUR).node.pool.site
    containing.contain_due(site=site, now=NOON + HOUR)
    schedule.give_up_overdue(now=GONE)
    containing.contain_due(site=factories.a_site("valdosta"), now=GONE)
    assert board.said == []
    containing.contain_due(site=site, now=GONE)
    assert board.said == ["ForceOff"]


def test_a_wipe_that_failed_after_the_access_ended_needs_no_containment(
    lease: Lease, world: World, board: Board
) -> None:
    world.lying_wipes = 1
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    work_all(lease.offer, now=NOON + HOUR)
    assert lease.machines.get().state == MachineState.WIPE_FAILED
    containing.contain_due(site=lease.offer.pool.site, now=GONE)
    assert (board.said, events(*OUTCOMES)) == ([], [])


def test_a_host_with_another_key_is_contained_without_waiting_for_a_deadline(
    lease: Lease, world: World, board: Board
) -> None:
    world.fail("revoke", error=HostKeyMismatch("Another host answers: scripted."))
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    work_all(lease.offer, now=NOON + HOUR)
    containing.contain_due(site=lease.offer.pool.site, now=NOON + HOUR)
    assert board.said == ["ForceOff"]


def test_a_node_without_a_bmc_is_told_to_staff_once(lease: Lease, world: World, board: Board) -> None:
    Node.objects.update(bmc_address="")
    machine = lost(lease, world)
    for hour in range(3):
        containing.contain_due(site=machine.node.pool.site, now=GONE + hour * HOUR)
    machine.refresh_from_db()
    assert (machine.contained_at, machine.next_attempt_at) == (None, None)
    assert events(*OUTCOMES) == ["node.not_contained"]
    told = Event.objects.get(kind="node.not_contained")
    assert "has no BMC" in told.data["reason"]
    assert told.notice and "Cut it off by hand" in told.notice["text"]
    assert "has no BMC" in machine.detail


def test_a_bmc_that_does_not_answer_is_told_once_and_tried_until_it_does(
    lease: Lease, world: World, board: Board
) -> None:
    board.broken = silent()
    machine = lost(lease, world)
    site, moment = machine.node.pool.site, GONE
    for _ in range(4):
        containing.contain_due(site=site, now=moment)
        machine.refresh_from_db()
        assert machine.contained_at is None and machine.next_attempt_at is not None
        assert machine.next_attempt_at > moment
        moment = machine.next_attempt_at
    assert (machine.contain_attempts, machine.work_until) == (4, None)
    assert events(*OUTCOMES) == ["node.not_contained"]
    board.broken = None
    containing.contain_due(site=site, now=moment)
    assert (board.state, events(*OUTCOMES)) == ("off", ["node.not_contained", "node.contained"])


def test_a_password_that_cannot_be_unsealed_is_told_in_a_sentence(lease: Lease, world: World, board: Board) -> None:
    Node.objects.update(bmc_password="sealed under a forgotten key")
    site = lost(lease, world).node.pool.site
    containing.contain_due(site=site, now=GONE)
    assert "Enter it again" in Event.objects.get(kind="node.not_contained").data["reason"]


def test_a_wipe_switches_a_contained_node_on_first_and_proves_the_rest(
    lease: Lease, world: World, board: Board
) -> None:
    machine = lost(lease, world)
    containing.contain_due(site=machine.node.pool.site, now=GONE)
    operations.wipe_again(machine=lease.machines.get(), actor="user:us_staff", now=GONE)
    work_all(lease.offer, now=GONE)
    machine.refresh_from_db()
    assert board.said == ["ForceOff", "On"]
    assert (machine.state, machine.contained_at, machine.contain_attempts) == (MachineState.WIPING, None, 0)
    world.cut_off.clear()  # it has started
    work_all(lease.offer, now=GONE + timedelta(minutes=1))
    machine.refresh_from_db()
    assert (machine.state, machine.node.state) == (MachineState.WIPED, NodeState.AVAILABLE)
    assert machine.access_ended_at is not None
    assert machine.wipe_records.get().started_at >= machine.access_ended_at
    assert board.said == ["ForceOff", "On"], "it is switched on once"


def test_a_node_that_stays_away_is_contained_again(lease: Lease, world: World, board: Board) -> None:
    machine = lost(lease, world)
    containing.contain_due(site=machine.node.pool.site, now=GONE)
    operations.wipe_again(machine=lease.machines.get(), actor="user:us_staff", now=GONE)
    work_all(lease.offer, now=GONE)
    schedule.give_up_overdue(now=GONE + HOUR)
    containing.contain_due(site=machine.node.pool.site, now=GONE + HOUR)
    assert board.said == ["ForceOff", "On", "ForceOff"]
    assert events(*OUTCOMES) == ["node.contained", "node.contained"]


def test_a_node_that_cannot_be_switched_on_keeps_the_wipe_waiting(lease: Lease, world: World, board: Board) -> None:
    machine = lost(lease, world)
    containing.contain_due(site=machine.node.pool.site, now=GONE)
    operations.wipe_again(machine=lease.machines.get(), actor="user:us_staff", now=GONE)
    board.broken = silent()
    work_all(lease.offer, now=GONE)
    machine.refresh_from_db()
    assert (machine.state, machine.detail) == (MachineState.WIPING, "The BMC does not answer: scripted.")
    assert machine.contained_at is not None


def test_a_worker_that_died_after_switching_off_leaves_a_node_that_the_wipe_switches_on(
    lease: Lease, world: World, board: Board
) -> None:
    site = lost(lease, world).node.pool.site
    taken = containing.take(site=site, now=GONE)
    assert taken is not None and containing.switch_off(taken) is None  # and here it died
    operations.wipe_again(machine=lease.machines.get(), actor="user:us_staff", now=GONE)
    assert provisioning.take(site=site, now=GONE) is None, "the dead worker still has it"
    world.cut_off.clear()
    work_all(lease.offer, now=GONE + timedelta(minutes=2))
    assert (board.said, lease.machines.get().state) == (["ForceOff", "On"], MachineState.WIPED)


def test_what_is_switched_off_while_staff_asks_for_another_wipe_is_known_to_it(
    lease: Lease, world: World, board: Board
) -> None:
    site = lost(lease, world).node.pool.site
    taken = containing.take(site=site, now=GONE)
    assert taken is not None
    operations.wipe_again(machine=lease.machines.get(), actor="user:us_staff", now=GONE)
    assert containing.apply(machine=taken, error=containing.switch_off(taken), now=GONE)
    machine = lease.machines.get()
    assert machine.contained_at == GONE and machine.state == MachineState.WIPING
    world.cut_off.clear()
    work_all(lease.offer, now=GONE)
    assert (board.state, lease.machines.get().state) == ("on", MachineState.WIPED)


def test_a_worker_that_only_slept_switches_nothing_off_and_writes_nothing(
    acme: Organization, lease: Lease, world: World, board: Board
) -> None:
    site = lost(lease, world).node.pool.site
    slept = containing.take(site=site, now=GONE)
    assert slept is not None
    world.cut_off.clear()
    operations.wipe_again(machine=lease.machines.get(), actor="user:us_staff", now=GONE)
    work_all(lease.offer, now=GONE + HOUR)
    assert lease.machines.get().state == MachineState.WIPED
    active(acme, lease.offer, now=GONE + HOUR)  # the next tenant is on the node
    error = containing.switch_off(slept)
    assert "Another worker has taken over" in str(error)
    assert not containing.apply(machine=slept, error=error, now=GONE + HOUR)
    assert (board.said, board.state) == ([], "on")
    unguarded = power_of(slept.node)
    assert unguarded is not None
    unguarded.off()
    assert board.state == "off", "without asking whether it is still its own, it would have hit the next tenant"


def test_the_sites_workers_are_nudged_and_do_it(lease: Lease, world: World, board: Board) -> None:
    machine = lost(lease, world)
    site = machine.node.pool.site
    assert [(found.slug, waiting) for found, waiting in sites_with_work(now=GONE)] == [(site.slug, 1)]
    work_site(site=site.slug)
    assert board.state == "off"
    assert sites_with_work(now=database_now()) == []


def test_a_real_controller_takes_the_power_away(
    acme: Organization, lease: Lease, world: World, tmp_path: Path, board: Board
) -> None:
    with running(tmp_path) as bmc:
        machine = lost(lease, world)
        Node.objects.update(bmc_address=bmc.address, bmc_password=seal.seal(PASSWORD, purpose=BMC_PURPOSE))
        Pool.objects.update(provisioner=Provisioner.PODMAN)
        containing.contain_due(site=machine.node.pool.site, now=GONE)
        assert bmc.said() == ["ForceOff"]
        power = power_of(Node.objects.get())
        assert power is not None and power.state() == "off"
        assert (USER, board.said) == (Node.objects.get().bmc_user, [])
    assert lease.machines.get().contained_at is not None


def test_a_host_is_restarted_and_awaited(
    lease: Lease, world: World, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = provisioning._whole(lease.machines.all()).get()
    world.cut_off.add(machine.node.public_id)
    looks: list[float] = []

    def look_again(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            world.cut_off.clear()

    monkeypatch.setattr("leasing.powering.time.sleep", look_again)
    powering.restart_host(machine, host_of(machine.node), database_now() + HOUR)
    assert (board.said, len(looks), board.state) == (["ForceOff", "On"], 3, "on")


def test_a_host_that_does_not_come_back_is_given_up_at_the_deadline(lease: Lease, world: World, board: Board) -> None:
    machine = provisioning._whole(lease.machines.all()).get()
    world.cut_off.add(machine.node.public_id)
    with pytest.raises(Unreachable, match="cannot be reached"):
        powering.restart_host(machine, host_of(machine.node), NOON)
    board.broken = PowerRefused("It refuses: scripted.")
    with pytest.raises(Unreachable, match="It refuses"):
        powering.restart_host(machine, host_of(machine.node), NOON)
    Node.objects.update(bmc_address="")
    with pytest.raises(HostUnfit, match="has no BMC"):
        powering.restart_host(provisioning._whole(lease.machines.all()).get(), host_of(machine.node), database_now())


def is_returned(lease: Lease) -> None:
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)


def is_paused(lease: Lease) -> None:
    operations.pause(lease=lease, reason="out_of_funds", until=GONE, actor="system:billing", now=NOON + HOUR)


@pytest.mark.parametrize(("access_ends", "then"), [(is_returned, MachineState.WIPED), (is_paused, MachineState.PAUSED)])
@pytest.mark.parametrize("controller", ["well", "dead"])
def test_a_host_that_has_no_power_in_the_middle_of_a_restart_gets_it_back_from_who_ends_the_access(
    lease: Lease,
    world: World,
    board: Board,
    monkeypatch: pytest.MonkeyPatch,
    access_ends: Callable[[Lease], None],
    then: MachineState,
    controller: str,
) -> None:
    tell, node = Board.tell, lease.machines.get().node.public_id

    def told(board: Board, word: str, state: PowerState) -> None:
        tell(board, word, state)
        if word == "ForceOff":
            world.cut_off.add(node)
            access_ends(lease)
        else:
            world.cut_off.clear()

    monkeypatch.setattr(Board, "tell", told)
    operations.service(machine=lease.machines.get(), what="power_cycle", actor="user:us_tests", now=NOON + HOUR)
    busy = provisioning.take(site=lease.offer.pool.site, now=NOON + HOUR)
    assert busy is not None
    with pytest.raises(Unreachable, match="Another worker has taken over"):
        provisioning.act(busy, now=NOON + HOUR)
    if controller == "dead":  # somebody has gone there, and switched the host on
        world.cut_off.clear()
        board.broken = silent()
    work_all(lease.offer, now=NOON + HOUR)
    machine = lease.machines.get()
    assert (machine.state, machine.contain_attempts) == (then, 0)
    assert board.said == (["ForceOff"] if controller == "dead" else ["ForceOff", "On"])
