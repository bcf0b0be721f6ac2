"""What one kind of host alone can suffer or show: restarts, power failures, drift, missing images, lying fakes."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from leasing.provisioners.base import HostUnfit, ImageMissing, ProvisionerError, Tenancy, Unreachable
from leasing.provisioners.fake import Fake, World
from standins.nodes.podman_host import podman_host, why_not
from tests.hosts import FakeBench, Key, PodmanBench, SandboxBench, make_key, wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture(scope="module")
def ana(folder: Path) -> Key:
    return make_key(folder, "ana")


@pytest.fixture
def tenancy(ana: Key) -> Tenancy:
    return Tenancy(machine_id="mc_one", epoch=5, ssh_keys=(ana.line,), image="any")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxBench]:
    bench = SandboxBench(tmp_path, make_key(tmp_path, "operator"))
    yield bench
    bench.provisioner.wipe(bench.host, "mc_one", 1000)
    bench.kill(signal.SIGTERM)


@pytest.fixture(scope="module")
def podman(folder: Path) -> Iterator[PodmanBench]:
    if why_not() and os.environ.get("CI") != "true":
        pytest.skip(why_not())
    with podman_host(identity=Path(make_key(folder, "operator").path)) as built:
        yield PodmanBench(folder, built)


@pytest.fixture
def rented(podman: PodmanBench, tenancy: Tenancy) -> Iterator[Tenancy]:
    yield replace(tenancy, image=podman.image)
    assert podman.provisioner.wipe(podman.host, tenancy.machine_id, 1000).verified
    podman.built.ssh("rm -rf /var/lib/gridlease/fences/*")


def test_a_sandbox_host_that_crashed_opens_every_tenancy_as_it_was(
    sandbox: SandboxBench, tenancy: Tenancy, ana: Key
) -> None:
    endpoint = sandbox.provisioner.prepare(sandbox.host, tenancy)
    sandbox.write(endpoint, ana, "marker", "kept")
    sandbox.run(endpoint, ana, "nohup sleep 300 >/dev/null 2>&1 & echo $! > pid")
    sandbox.kill(signal.SIGKILL)
    assert not sandbox.admits(endpoint, ana)
    sandbox.start()
    sandbox.provisioner.reach(endpoint)
    assert sandbox.read(endpoint, ana, "marker") == "kept"
    assert sandbox.run(endpoint, ana, "kill -0 $(cat pid) && echo alive") == "alive\n"


def test_a_paused_sandbox_tenancy_stays_paused_over_a_restart(
    sandbox: SandboxBench, tenancy: Tenancy, ana: Key
) -> None:
    endpoint = sandbox.provisioner.prepare(sandbox.host, tenancy)
    sandbox.provisioner.pause(sandbox.host, tenancy)
    sandbox.kill()
    sandbox.start()
    assert sandbox.provisioner.observe(sandbox.host, tenancy.machine_id) == "paused"
    assert not sandbox.admits(endpoint, ana)


def test_a_sandbox_tenant_is_not_the_user_who_runs_the_host(sandbox: SandboxBench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = sandbox.provisioner.prepare(sandbox.host, tenancy)
    if os.getuid() != 0:
        pytest.skip("only root can give tenants users of their own")
    assert sandbox.run(endpoint, ana, "whoami") == "gpu\n"
    assert int(sandbox.run(endpoint, ana, "id -u")) > 1_000_000
    assert sandbox.run(endpoint, ana, f"cat {sandbox.operator.path} 2>&1 || true").endswith("denied\n")


def test_a_wiped_sandbox_leaves_no_process_and_no_file(sandbox: SandboxBench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = sandbox.provisioner.prepare(sandbox.host, tenancy)
    pid = sandbox.run(endpoint, ana, "setsid nohup sleep 300 >/dev/null 2>&1 & echo $!").strip()
    assert sandbox.provisioner.wipe(sandbox.host, tenancy.machine_id, tenancy.epoch).verified
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())
    assert not list((sandbox.state / "tenancies").iterdir())


def test_a_sandbox_host_refuses_a_machine_name_that_is_a_path(sandbox: SandboxBench, tenancy: Tenancy) -> None:
    with pytest.raises(HostUnfit):
        sandbox.provisioner.prepare(sandbox.host, replace(tenancy, machine_id="../../etc"))


def test_a_tenancy_outlives_a_power_failure(podman: PodmanBench, rented: Tenancy, ana: Key) -> None:
    endpoint = podman.provisioner.prepare(podman.host, rented)
    podman.run(endpoint, ana, "echo kept > marker; echo also > /scratch/marker; sync")
    podman.built.power_off()
    with pytest.raises(Unreachable):
        podman.provisioner.reach(endpoint, timeout=3)
    podman.built.boot()
    assert podman.provisioner.observe(podman.host, rented.machine_id) == "partial"
    assert podman.provisioner.prepare(podman.host, rented) == endpoint
    podman.provisioner.reach(endpoint)
    assert podman.run(endpoint, ana, "cat marker /scratch/marker") == "kept\nalso\n"


def test_a_tenancy_can_be_wiped_after_a_power_failure(podman: PodmanBench, rented: Tenancy) -> None:
    podman.provisioner.prepare(podman.host, rented)
    podman.built.power_off()
    podman.built.boot()
    assert podman.provisioner.wipe(podman.host, rented.machine_id, rented.epoch).verified


def test_keys_added_by_hand_are_seen_and_taken_away(podman: PodmanBench, rented: Tenancy) -> None:
    podman.provisioner.prepare(podman.host, rented)
    keys = f"/var/lib/gridlease/tenancies/{rented.machine_id}/disk/ssh/authorized_keys"
    podman.built.ssh(f"echo 'ssh-ed25519 AAAAstranger' >> {keys}")
    health = podman.provisioner.check(podman.host, rented)
    assert [check.name for check in health.checks if not check.passed] == ["keys"]
    podman.provisioner.prepare(podman.host, rented)
    assert podman.provisioner.check(podman.host, rented).passed


def test_an_image_that_is_absent_or_another_one_is_named(podman: PodmanBench, rented: Tenancy) -> None:
    with pytest.raises(ImageMissing, match="localhost/none"):
        podman.provisioner.prepare(podman.host, replace(rented, image="localhost/none"))
    with pytest.raises(ImageMissing, match="not sha256:00"):
        podman.provisioner.prepare(podman.host, replace(rented, image_digest="sha256:" + "0" * 64))
    podman.provisioner.prepare(podman.host, replace(rented, image_digest=podman.built.image_digest))


def test_a_tenant_is_root_in_its_container_and_nobody_on_the_host(
    podman: PodmanBench, rented: Tenancy, ana: Key
) -> None:
    endpoint = podman.provisioner.prepare(podman.host, rented)
    assert podman.run(endpoint, ana, "id -u") == "0\n"
    assert podman.run(endpoint, ana, "cut -c1- /proc/self/uid_map").split() == ["0", "3000000", "65536"]
    assert (
        podman.run(endpoint, ana, "test -r /gridlease/host_key && ! touch /gridlease/x 2>/dev/null && echo ok")
        == "ok\n"
    )


def test_a_node_without_encryption_overwrites_every_block_and_says_so(
    podman: PodmanBench, rented: Tenancy, ana: Key
) -> None:
    podman.built.ssh("mount --bind /bin/false $(command -v gocryptfs)")
    try:
        endpoint = podman.provisioner.prepare(podman.host, rented)
        podman.run(endpoint, ana, "head -c 20000000 /dev/urandom > /scratch/data; sync")
        proof = podman.provisioner.wipe(podman.host, rented.machine_id, rented.epoch)
    finally:
        podman.built.ssh("umount $(command -v gocryptfs)")
    assert proof.verified
    assert "overwritten with zeros" in proof.method
    canaries = [check.detail for check in proof.checks if check.name.startswith("canary")]
    assert canaries == ["3 of 3 canaries were readable before, this one is not now"] * 3


def test_a_host_without_podman_says_what_to_install(podman: PodmanBench, rented: Tenancy) -> None:
    podman.built.ssh("mount --bind /dev/null /usr/bin/podman")  # not executable, so not found
    try:
        with pytest.raises(HostUnfit, match="install the package podman"):
            podman.provisioner.prepare(podman.host, rented)
    finally:
        podman.built.ssh("umount /usr/bin/podman")


def test_a_customers_text_is_never_part_of_a_command(podman: PodmanBench, rented: Tenancy) -> None:
    nasty = "$(touch /run/owned)`touch /run/owned`'; touch /run/owned; \"\n"
    podman.provisioner.prepare(podman.host, replace(rented, label=nasty, startup_script=f"true {nasty}"))
    with pytest.raises(ProvisionerError):
        podman.provisioner.prepare(podman.host, replace(rented, image=nasty))
    assert podman.built.ssh("ls /run").stdout.find(b"owned") == -1


def test_a_lying_wipe_is_not_verified_and_the_next_one_is(tenancy: Tenancy) -> None:
    bench = FakeBench()
    bench.provisioner.prepare(bench.host, tenancy)
    bench.world.lying_wipes = 1
    assert not bench.provisioner.wipe(bench.host, tenancy.machine_id, tenancy.epoch).verified
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "running"
    assert bench.provisioner.wipe(bench.host, tenancy.machine_id, tenancy.epoch).verified


def test_scripted_failures_happen_as_often_as_they_were_scripted(tenancy: Tenancy) -> None:
    world = World()
    host = replace(FakeBench().host, node_id="nd_x")
    world.fail("prepare", times=2)
    for _ in range(2):
        with pytest.raises(ProvisionerError):
            Fake(world).prepare(host, tenancy)
    Fake(world).prepare(host, tenancy)
    assert world.calls["prepare"] == 3
