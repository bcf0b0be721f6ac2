"""Nodes in memory: what tests can script on them beyond the contract that all kinds of nodes share."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from leasing.inspection.inventory import Inventory
from leasing.provisioners.base import (
    Credentials,
    CredentialsRefused,
    Host,
    HostKeyMismatch,
    HostUnfit,
    ProvisionerError,
    Reading,
    Tenancy,
    Unreachable,
)
from leasing.provisioners.fake import Fake, FakeInspector, World
from leasing.provisioners.fake.inspector import fingerprint_of, promised

ADDRESS = "10.0.0.7"
HOST = Host(
    node_id="nd_one",
    provisioner="fake",
    address=ADDRESS,
    port=22,
    user="root",
    host_key="ssh-ed25519 AAAA",
    identity="/nowhere",
    facts={"gpu_model": "H100 SXM", "gpu_count": 2, "gpu_memory_gb": 80, "vcpus": 8, "memory_gb": 64, "nvme_gb": 960},
)
TENANCY = Tenancy(
    machine_id="mc_one",
    epoch=1,
    ssh_keys=("ssh-ed25519 ana",),
    image="any",
    startup_script="#!/bin/sh\ntrue\n",
    environment={"TOKEN": "secret"},
    seconds_left=3600,
)


@pytest.fixture
def nodes() -> World:
    return World()


@pytest.fixture
def inspector(nodes: World) -> FakeInspector:
    return FakeInspector(nodes)


@pytest.fixture
def fake(nodes: World) -> Fake:
    return Fake(nodes)


def adopt(inspector: FakeInspector, *, password: str = "", fingerprint: str = "") -> str:
    given = Credentials("root", password=password)
    return inspector.adopt(
        address=ADDRESS, port=22, fingerprint=fingerprint, credentials=given, operator_key="/nowhere"
    )


def test_time_stands_still_until_a_test_lets_it_pass(fake: Fake, nodes: World) -> None:
    fake.prepare(HOST, TENANCY)
    nodes.pass_time(3599)
    assert fake.observe(HOST, "mc_one") == "running"
    nodes.pass_time(1)
    assert fake.observe(HOST, "mc_one") == "paused"
    assert nodes.machines["mc_one"].admits == ()


def test_a_deadline_passes_also_on_a_node_that_is_cut_off(fake: Fake, nodes: World) -> None:
    endpoint = fake.prepare(HOST, TENANCY)
    nodes.cut_off.add(HOST.node_id)
    fake.reach(endpoint)
    nodes.pass_time(3600)
    with pytest.raises(Unreachable):
        fake.reach(endpoint)


def test_a_test_can_see_variables_and_deadline_until_the_wipe(fake: Fake, nodes: World) -> None:
    nodes.pass_time(100)
    fake.prepare(HOST, TENANCY)
    machine = nodes.machines["mc_one"]
    assert (machine.environment, machine.deadline) == ({"TOKEN": "secret"}, 3700)
    assert "secret" not in repr(machine) + repr(TENANCY)
    fake.wipe(HOST, "mc_one", 2)
    assert nodes.machines == {}


def test_a_password_that_is_wrong_is_refused_and_the_right_one_is_needed_once(
    inspector: FakeInspector, nodes: World
) -> None:
    nodes.passwords[ADDRESS] = "correct horse"
    for wrong in ("", "battery"):
        with pytest.raises(CredentialsRefused):
            adopt(inspector, password=wrong)
    host_key = adopt(inspector, password="correct horse")
    assert adopt(inspector) == host_key


def test_another_fingerprint_is_noticed_before_the_password_is_looked_at(
    inspector: FakeInspector, nodes: World
) -> None:
    nodes.passwords[ADDRESS] = "correct horse"
    with pytest.raises(HostKeyMismatch):
        adopt(inspector, password="wrong", fingerprint="SHA256:other")
    host_key = adopt(inspector, password="correct horse")
    assert adopt(inspector, fingerprint=fingerprint_of(host_key)) == host_key
    nodes.fingerprints[ADDRESS] = "SHA256:other"
    assert adopt(inspector, fingerprint="SHA256:other") == host_key


def test_an_address_that_is_cut_off_cannot_be_adopted(inspector: FakeInspector, nodes: World) -> None:
    nodes.cut_off.add(ADDRESS)
    with pytest.raises(Unreachable):
        adopt(inspector)


def calls(fake: Fake, inspector: FakeInspector) -> dict[str, Callable[[], object]]:
    return {
        "adopt": lambda: adopt(inspector),
        "inspect": lambda: inspector.inspect(HOST),
        "measure": lambda: inspector.measure(HOST),
        "log": lambda: inspector.log(HOST, "mc_one", "console"),
        "service": lambda: fake.service(HOST, TENANCY, "rebuild"),
    }


@pytest.mark.parametrize("verb", ["adopt", "inspect", "measure", "log", "service"])
def test_every_verb_fails_as_often_as_it_was_scripted(
    fake: Fake, inspector: FakeInspector, nodes: World, verb: str
) -> None:
    fake.prepare(HOST, TENANCY)
    nodes.fail(verb, error=HostUnfit("scripted"))
    nodes.fail(verb)
    call = calls(fake, inspector)[verb]
    with pytest.raises(HostUnfit):
        call()
    with pytest.raises(ProvisionerError):
        call()
    call()
    assert nodes.calls[verb] == 3


def test_a_node_is_what_its_type_promises_unless_a_test_says_otherwise(inspector: FakeInspector, nodes: World) -> None:
    found = inspector.inspect(HOST)
    assert [(gpu.name, gpu.memory_mib) for gpu in found.gpus] == [("H100 SXM", 81_920)] * 2
    assert (found.vcpus, found.memory_gb, found.free_gb) == (8, 64, 960)
    nodes.inventories[HOST.node_id] = replace(promised(HOST), vcpus=4)
    nodes.measures[HOST.node_id] = {"disk_read": 100.0}
    assert inspector.inspect(HOST).vcpus == 4
    assert inspector.measure(HOST) == {"disk_read": 100.0}


def test_a_lost_gpu_is_missing_in_the_inventory(inspector: FakeInspector, nodes: World) -> None:
    nodes.lost_gpus[HOST.node_id] = {0}
    found = inspector.inspect(HOST)
    assert [gpu.index for gpu in found.gpus] == [1]
    assert Inventory.of(found.as_json()) == found


def test_a_reboot_is_a_new_boot_and_a_tenancy_that_does_not_run(
    fake: Fake, inspector: FakeInspector, nodes: World
) -> None:
    endpoint = fake.prepare(HOST, TENANCY)
    before = inspector.look(HOST)
    nodes.reboot(HOST.node_id)
    after = inspector.look(HOST)
    assert (before.tenancy, after.tenancy, after.reached) == ("running", "partial", True)
    assert before.boot_id != after.boot_id == inspector.inspect(HOST).boot_id
    assert fake.prepare(HOST, TENANCY) == endpoint


def test_energy_grows_with_the_worlds_time(inspector: FakeInspector, nodes: World) -> None:
    nodes.pass_time(10)
    first = inspector.look(HOST).gpus[0]
    nodes.pass_time(10)
    second = inspector.look(HOST).gpus[0]
    assert first.power_mw is not None and first.energy_mj is not None and second.energy_mj is not None
    assert second.energy_mj - first.energy_mj == 10 * first.power_mw


def test_a_watch_looks_at_every_host_in_every_turn_and_survives_failures(
    inspector: FakeInspector, nodes: World
) -> None:
    other = replace(HOST, node_id="nd_two")
    nodes.cut_off.add("nd_two")
    nodes.fail("watch")
    heard: list[Reading] = []
    asyncio.run(turns(inspector, [HOST, other], heard, wanted=4))
    assert [(reading.node_id, reading.reached) for reading in heard[:4]] == [
        ("nd_one", False),
        ("nd_two", False),
        ("nd_one", True),
        ("nd_two", False),
    ]


async def turns(inspector: FakeInspector, hosts: list[Host], heard: list[Reading], *, wanted: int) -> None:
    """Watches until so many readings were heard."""
    enough = asyncio.Event()

    def push(reading: Reading) -> None:
        heard.append(reading)
        if len(heard) >= wanted:
            enough.set()

    task = asyncio.ensure_future(inspector.watch(hosts, push, every=0))
    await asyncio.wait_for(enough.wait(), 10)
    task.cancel()
