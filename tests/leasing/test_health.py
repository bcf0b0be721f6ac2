"""What looks at nodes mean: which machine does not serve its tenant, since when, and who is told."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Event, Organization
from leasing import health, operations, schedule
from leasing.health import Look, Watched
from leasing.models import Machine, NodeHealth, Outage, OutageCause
from leasing.provisioners.base import GPUReading, Reading
from leasing.provisioners.fake import World
from leasing.states import MachineState
from marketplace.states import NodeState
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, work_all

pytestmark = pytest.mark.django_db
TURN = timedelta(seconds=15)


def look(machine: Machine, at: datetime, *, path: bool | None = True, **reading: Any) -> Look:
    """A look that finds nothing wrong, unless the test says otherwise."""
    seen: dict[str, Any] = {"reached": True, "boot_id": "boot-1", "tenancy": "running", **reading}
    watched = Watched(machine.node_id, machine.public_id, Machine.objects.get(pk=machine.pk).boot_id)
    return Look(watched, Reading(node_id=machine.node.public_id, at=at, **seen), path)


def gone(machine: Machine, at: datetime) -> Look:
    return look(machine, at, reached=False, path=False)


def write(looks: Iterable[Look]) -> None:
    """Each look as its turn's batch."""
    for one in looks:
        health.write([one], now=one.reading.at + timedelta(seconds=1))


@pytest.fixture
def machine(acme: Organization, world: World) -> Machine:
    """A ready machine that was looked at once, a quarter of a minute after its start."""
    found = active(acme, factories.an_offer()).machines.get()
    write([look(found, NOON + TURN)])
    return found


def test_a_node_that_answers_is_well(machine: Machine) -> None:
    seen = NodeHealth.objects.get()
    assert (seen.cause, seen.last_good_at, seen.boot_id) == ("", NOON + TURN, "boot-1")
    assert not Outage.objects.exists()


def test_an_outage_runs_from_the_last_good_look_to_the_first_good_one(machine: Machine) -> None:
    write([gone(machine, NOON + 2 * TURN), gone(machine, NOON + 3 * TURN), look(machine, NOON + 4 * TURN)])
    outage = Outage.objects.get()
    assert (outage.began_at, outage.ended_at, outage.cause) == (NOON + TURN, NOON + 4 * TURN, OutageCause.UNREACHABLE)
    assert [row["host"] for row in outage.evidence] == [False, False]


def test_a_node_that_never_was_well_is_in_an_outage_from_the_machines_first_second(
    acme: Organization, world: World
) -> None:
    found = active(acme, factories.an_offer()).machines.get()
    write([gone(found, NOON + TURN)])
    assert Outage.objects.get().began_at == NOON


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        ({"reached": False, "path": False}, OutageCause.UNREACHABLE),
        ({"reached": False, "path": True}, ""),  # our own path is broken, the tenant's is not
        ({"path": False}, ""),  # the tenant owns the SSH server inside
        ({"tenancy": "partial"}, ""),  # and may end the machine
        ({"tenancy": "partial", "boot_id": "boot-2"}, OutageCause.REBOOTED),
        ({"tenancy": "running", "boot_id": "boot-2"}, ""),
        ({"gpus": (GPUReading(0, "GPU-a"), GPUReading(1, "GPU-b", lost=True))}, OutageCause.GPU_LOST),
        ({"gpus": (GPUReading(0, "GPU-a", xid=43),)}, ""),  # a fault of the tenant's program
    ],
)
def test_an_outage_needs_evidence_from_the_operators_side(machine: Machine, seen: dict[str, Any], cause: str) -> None:
    write([look(machine, NOON + 2 * TURN, **seen)])
    assert list(Outage.objects.values_list("cause", flat=True)) == ([cause] if cause else [])


def test_late_and_repeated_looks_change_nothing(machine: Machine) -> None:
    bad, good = gone(machine, NOON + 2 * TURN), look(machine, NOON + 3 * TURN)
    write([bad, bad, good, bad, good])
    assert Outage.objects.values_list("began_at", "ended_at").get() == (NOON + TURN, NOON + 3 * TURN)


def test_one_bad_look_is_free_but_nobody_is_told(machine: Machine) -> None:
    write([gone(machine, NOON + 2 * TURN)])
    schedule.call_outages(now=NOON + 2 * TURN)
    write([look(machine, NOON + 3 * TURN)])
    assert Outage.objects.get().called_at is None
    assert not Event.objects.filter(kind="lease.degraded").exists()


@pytest.mark.parametrize("well", [(), (3,), (3, 4)])
def test_three_bad_looks_of_five_call_the_outage_once(machine: Machine, well: tuple[int, ...]) -> None:
    for turn in range(2, 5 + len(well)):
        write([(look if turn in well else gone)(machine, NOON + turn * TURN)])
        schedule.call_outages(now=NOON + turn * TURN)
    schedule.call_outages(now=NOON + HOUR)
    notice = Event.objects.get(kind="lease.degraded").notice
    assert notice
    assert "down" in notice["title"]
    assert "swap" in notice["text"]


def test_the_tenant_hears_of_the_end_of_an_outage_that_was_told(machine: Machine) -> None:
    write(gone(machine, NOON + turn * TURN) for turn in range(2, 5))
    schedule.call_outages(now=NOON + 4 * TURN)
    write([look(machine, NOON + 5 * TURN)])
    notice = Event.objects.get(kind="lease.restored").notice
    assert notice
    assert "60 s" in notice["text"]


def test_a_paused_or_returned_lease_has_no_open_outage(machine: Machine) -> None:
    write([gone(machine, NOON + 2 * TURN)])
    operations.end(lease=machine.lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    assert Outage.objects.get().ended_at == NOON + HOUR
    write([gone(machine, NOON + HOUR + TURN)])
    assert Outage.objects.count() == 1


def test_a_host_that_restarted_is_told_again_what_it_holds(machine: Machine, world: World) -> None:
    write([look(machine, NOON + 2 * TURN, tenancy="partial", boot_id="boot-2")])
    schedule.refresh_machines(now=NOON + 2 * TURN)
    assert Machine.objects.get().state == MachineState.SERVICING
    prepared = world.calls["prepare"]
    work_all(machine.lease.offer, now=NOON + 2 * TURN)
    assert world.calls["prepare"] == prepared + 1
    write([look(machine, NOON + 3 * TURN, boot_id="boot-2")])
    assert Outage.objects.get().ended_at == NOON + 3 * TURN


def test_looks_at_nodes_without_a_tenant_are_kept_and_no_outage(world: World, db: None) -> None:
    node = factories.a_node(factories.a_pool(nodes=0))
    reading = Reading(node_id=node.public_id, at=NOON, reached=False, detail="no route")
    health.write([Look(Watched(node.pk), reading, None)], now=NOON)
    assert NodeHealth.objects.get().cause == OutageCause.UNREACHABLE
    assert not Outage.objects.exists()


def test_a_node_in_stock_that_is_not_well_is_quarantined_and_verified_once_it_is_well_again(world: World) -> None:
    node = factories.a_node(factories.a_pool(nodes=0))

    def seen(turn: int, *, reached: bool) -> Look:
        reading = Reading(node_id=node.public_id, at=NOON + turn * TURN, reached=reached, detail="no route")
        return Look(Watched(node.pk), reading, None)

    write(seen(turn, reached=False) for turn in range(3))
    schedule.quarantine_sick(now=NOON + HOUR)
    node.refresh_from_db()
    assert (node.state, node.reason) == (NodeState.QUARANTINED, OutageCause.UNREACHABLE)
    write(seen(turn, reached=True) for turn in range(3, 6))
    schedule.verify_recovered(now=NOON + HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.QUARANTINED
    write([seen(6, reached=True)])
    schedule.verify_recovered(now=NOON + HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.VERIFYING


def test_every_node_is_watched_but_simulated_ones_only_while_leased(acme: Organization, world: World) -> None:
    lease = active(acme, factories.an_offer(factories.a_pool(nodes=2)))
    idle = factories.a_pool(nodes=1, provisioner="sandbox", site=factories.a_site("valdosta"))
    found = health.nodes_of([])
    assert len(found) == 2
    assert not set(found) & set(idle.nodes.values_list("public_id", flat=True))
    machine = lease.machines.get()
    eyed = found[machine.node.public_id]
    assert (eyed.watched.machine, eyed.endpoint) == (machine.public_id, (machine.host, machine.port))
    assert health.nodes_of(["valdosta"]) == {}
