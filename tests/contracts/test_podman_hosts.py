"""What real hosts alone can show: a deadline while the site is cut off, secrets that are nowhere on the node, GPUs that
refuse a reset, hosts that lack something."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from leasing.provisioners import inspector_for
from leasing.provisioners.base import Host, HostUnfit, ImageMissing, Reading, Tenancy
from standins.nodes.podman_host import FACTS, podman_host, why_not
from tests.contracts.watching import Watch
from tests.hosts import Key, PodmanBench, failed, make_key, wait_until

SECRET = "s3cret-of-the-customer"
TENANCIES = "/var/lib/gridlease/tenancies"
PROGRAMS = "/usr/local/lib/gridlease"
numbers = count(1)


@pytest.fixture(scope="module")
def podman(folder: Path) -> Iterator[PodmanBench]:
    if why_not() and os.environ.get("CI") != "true":
        pytest.skip(why_not())
    with podman_host(identity=Path(make_key(folder, "podmans").path)) as built:
        yield PodmanBench(folder, built)


@pytest.fixture
def rented(podman: PodmanBench, ana: Key) -> Iterator[Tenancy]:
    machine = f"mc_real{next(numbers)}"
    yield Tenancy(machine_id=machine, epoch=5, ssh_keys=(ana.line,), image=podman.image)
    podman.mend()
    proof = podman.provisioner.wipe(podman.host, machine, 1000)
    assert proof.verified, failed(proof)


def said(podman: PodmanBench, command: str, *, stdin: str = "") -> str:
    return podman.built.console(command, stdin=stdin.encode(), check=False).stdout.decode()


def held(podman: PodmanBench) -> bool:
    return bool(said(podman, "ls /run/held 2>/dev/null"))


def tenants_processes(podman: PodmanBench) -> str:
    """Seen from the host: processes of the range of users that is the tenant's."""
    return said(podman, "stat -c '%u %n' /proc/[0-9]* 2>/dev/null | awk '$1 >= 3000000 && $1 < 3065536'")


def test_access_ends_on_time_while_the_site_is_cut_off(podman: PodmanBench, rented: Tenancy, ana: Key) -> None:
    podman.provisioner.prepare(podman.host, rented)
    began = time.monotonic()
    endpoint = podman.provisioner.prepare(podman.host, replace(rented, seconds_left=8))
    assert podman.admits(endpoint, ana)
    podman.cut_off()
    try:
        assert tenants_processes(podman)
        wait_until(lambda: not tenants_processes(podman), seconds=30)
        assert 7 <= time.monotonic() - began <= 20
        wait_until(lambda: said(podman, f"cat {TENANCIES}/{rented.machine_id}/wanted") == "paused\n")
    finally:
        podman.join_again()
    assert not podman.admits(endpoint, ana)
    wait_until(lambda: said(podman, "pgrep -f [g]uard.sh") == "")


def test_a_deadline_waits_for_a_command_that_is_at_work(podman: PodmanBench, rented: Tenancy) -> None:
    at_work = "flock /var/lib/gridlease/lock sh -c 'touch /run/held; sleep 6; rm /run/held'"
    podman.provisioner.prepare(podman.host, replace(rented, seconds_left=3600))
    podman.built.console(f"setsid {at_work} >/dev/null 2>&1 </dev/null &")
    seen: list[bool] = []

    def over() -> bool:
        alive, at_work = bool(tenants_processes(podman)), held(podman)
        seen.append(alive or not at_work)
        return not at_work

    wait_until(lambda: held(podman))
    podman.built.console(f"echo 0 > /run/gridlease/{rented.machine_id}/guard/deadline")
    wait_until(over)
    assert all(seen), "the deadline struck in the midst of another command"
    wait_until(lambda: podman.provisioner.observe(podman.host, rented.machine_id) == "paused")


def test_a_deadline_ends_with_the_tenancy(podman: PodmanBench, rented: Tenancy) -> None:
    podman.provisioner.prepare(podman.host, replace(rented, seconds_left=3600))
    assert said(podman, "pgrep -f [g]uard.sh")
    assert podman.provisioner.wipe(podman.host, rented.machine_id, rented.epoch).verified
    wait_until(lambda: said(podman, "pgrep -f [g]uard.sh") == "")


def test_many_changes_of_a_deadline_leave_one_process_that_waits(podman: PodmanBench, rented: Tenancy) -> None:
    for seconds in (3600, 7200, 1800):
        podman.provisioner.prepare(podman.host, replace(rented, seconds_left=seconds))
    wait_until(lambda: len(said(podman, "pgrep -f [g]uard.sh").split()) == 1)


def test_a_customers_secrets_are_nowhere_on_the_node_but_on_the_encrypted_disk(
    podman: PodmanBench, rented: Tenancy, ana: Key
) -> None:
    script = f"echo started\n# {SECRET}\n"
    secretive = replace(rented, environment={"TOKEN": SECRET}, startup_script=script, seconds_left=3600)
    endpoint = podman.provisioner.prepare(podman.host, secretive)
    assert podman.variable(endpoint, ana, "TOKEN") == SECRET
    place = f"{TENANCIES}/{rented.machine_id}"
    assert said(podman, f"mountpoint {place}/disk").strip().endswith("is a mountpoint")
    assert said(podman, f"cat {place}/method") == "gocryptfs\n"
    folders = "/run /var/lib/gridlease /var/lib/containers /tmp/podman* /root"
    assert said(podman, f"grep -rlsFf - {place}/disk/ssh", stdin=SECRET), "the search finds what is there"
    assert said(podman, f"grep -rlsFf - --exclude-dir=disk --exclude-dir=plain {folders}", stdin=SECRET) == ""
    assert said(podman, "grep -lsaFf - /proc/[0-9]*/cmdline", stdin=SECRET) == ""
    inspect = f"CONTAINERS_STORAGE_CONF={place}/storage.conf CONTAINERS_CONF={place}/containers.conf podman inspect"
    assert rented.machine_id in said(podman, f"{inspect} {rented.machine_id}")
    assert SECRET not in said(podman, f"{inspect} {rented.machine_id}")


def test_a_log_is_read_inside_the_container_whatever_the_tenant_put_there(
    podman: PodmanBench, rented: Tenancy, ana: Key
) -> None:
    podman.built.console(f"echo {SECRET} > /root/of-the-node")
    endpoint = podman.provisioner.prepare(podman.host, rented)
    podman.run(endpoint, ana, "ln -sf /root/of-the-node /root/startup.log")
    assert podman.inspector.log(podman.host, rented.machine_id, "startup") == ""
    podman.run(endpoint, ana, "rm /root/startup.log; mkfifo /root/startup.log")
    assert podman.inspector.log(podman.host, rented.machine_id, "startup") == ""


def test_a_driver_that_refuses_a_reset_is_named_and_the_machine_runs_again(
    podman: PodmanBench, rented: Tenancy, ana: Key
) -> None:
    endpoint = podman.provisioner.prepare(podman.host, rented)
    podman.built.gpus.refuse_reset()
    with pytest.raises(HostUnfit, match=r"refuses to reset the GPUs.*currently in use"):
        podman.provisioner.service(podman.host, rented, "gpu_reset")
    assert podman.admits(endpoint, ana)
    assert podman.provisioner.observe(podman.host, rented.machine_id) == "running"


def test_a_disk_made_anew_has_another_key_and_a_service_that_died_is_completed_by_the_next(
    podman: PodmanBench, rented: Tenancy, ana: Key
) -> None:
    endpoint = podman.provisioner.prepare(podman.host, rented)
    podman.run(endpoint, ana, "echo old > /scratch/marker; sync")
    keys = f"cat {TENANCIES}/{rented.machine_id}/key {TENANCIES}/{rented.machine_id}/cipher/gocryptfs.conf"
    before = said(podman, keys)
    with pytest.raises(ImageMissing):  # after the old disk was destroyed
        podman.provisioner.service(podman.host, replace(rented, image="localhost/none"), "rebuild_all")
    assert podman.provisioner.service(podman.host, rented, "rebuild_all") == endpoint
    assert podman.run(endpoint, ana, "ls /scratch") == "lost+found\n" or not podman.run(endpoint, ana, "ls /scratch")
    assert before and said(podman, keys) != before
    assert said(podman, f"ls {TENANCIES}/{rented.machine_id}/kept") == ""


def test_gpus_that_refuse_a_reset_must_be_scrubbed_before_the_next_tenant(podman: PodmanBench, rented: Tenancy) -> None:
    podman.provisioner.prepare(podman.host, rented)
    podman.built.gpus.refuse_reset()
    proof = podman.provisioner.wipe(podman.host, rented.machine_id, rented.epoch)
    assert [line.split(":")[0] for line in failed(proof)] == ["gpu_memory"]
    podman.built.console(f"printf '#!/bin/sh\\necho 2 GPUs overwritten and read back\\n' > {PROGRAMS}/scrub-gpus")
    podman.built.console(f"chmod 755 {PROGRAMS}/scrub-gpus")
    try:
        proof = podman.provisioner.wipe(podman.host, rented.machine_id, rented.epoch)
    finally:
        podman.built.console(f"rm {PROGRAMS}/scrub-gpus")
    assert proof.verified, failed(proof)
    assert any("2 GPUs overwritten and read back" in check.detail for check in proof.checks)


def test_a_wipe_says_that_the_endpoints_key_is_gone_and_what_became_of_the_blocks(
    podman: PodmanBench, rented: Tenancy
) -> None:
    podman.provisioner.prepare(podman.host, rented)
    proof = podman.provisioner.wipe(podman.host, rented.machine_id, rented.epoch)
    assert {"host_key", "gpu_memory"} <= {check.name for check in proof.checks if check.passed}
    assert "discard" in proof.method


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ("podman", "install the package podman"),
        ("cdi", "install the package nvidia-container-toolkit"),
        ("space", "Only .* MiB are free below /var/lib/gridlease; a node needs 10240"),
    ],
)
def test_a_host_that_lacks_something_is_told_what_to_do(folder: Path, lacks: str, words: str) -> None:
    if why_not() and os.environ.get("CI") != "true":
        pytest.skip(why_not())
    operator = make_key(folder, f"lacks_{lacks}")
    with podman_host(identity=Path(operator.path), lacks=[lacks]) as built:
        bench = PodmanBench(folder, built)
        with pytest.raises(HostUnfit, match=words):
            bench.inspector.inspect(bench.host)


def test_a_host_without_gpus_needs_no_toolkit(folder: Path) -> None:
    if why_not() and os.environ.get("CI") != "true":
        pytest.skip(why_not())
    operator = make_key(folder, "no_gpus")
    with podman_host(identity=Path(operator.path), lacks=["cdi"], facts={**FACTS, "gpu_count": 0}) as built:
        bench = PodmanBench(folder, built)
        assert bench.inspector.inspect(bench.host).gpus == ()


def test_a_host_whose_disk_became_read_only_is_unfit(podman: PodmanBench) -> None:
    podman.built.console("mount -o remount,bind,ro /var/lib/gridlease")
    try:
        with pytest.raises(HostUnfit, match="read-only"):
            podman.inspector.inspect(podman.host)
    finally:
        podman.built.console("mount -o remount,bind,rw /var/lib/gridlease")


def test_an_operator_who_is_not_root_is_told_so(podman: PodmanBench) -> None:
    podman.built.console(
        "mkdir -p /run/fake && printf '#!/bin/sh\\necho 1000\\n' > /run/fake/id && chmod 755 /run/fake/id"
    )
    podman.built.console("mount --bind /run/fake/id /usr/bin/id")
    try:
        with pytest.raises(HostUnfit, match="must be root"):
            podman.inspector.inspect(podman.host)
    finally:
        podman.built.console("umount /usr/bin/id")


def test_gpu_figures_come_from_the_hosts_own_program(podman: PodmanBench) -> None:
    program = f"{PROGRAMS}/measure-gpus"
    text = "#!/bin/sh\\necho gpu_memory_bandwidth 3211.5\\necho matmul 702\\necho something_else 1\\n"
    podman.built.console(f"printf '{text}' > {program} && chmod 755 {program}")
    try:
        figures = podman.inspector.measure(podman.host)
    finally:
        podman.built.console(f"rm {program}")
    assert (figures["gpu_memory_bandwidth"], figures["matmul"]) == (3211.5, 702)
    assert "something_else" not in figures


def test_gpus_are_lost_while_their_driver_does_not_answer_and_the_host_is_reached(podman: PodmanBench) -> None:
    with Watch(podman.inspector, podman.host) as watch:
        watch.hears(lambda reading: len(reading.gpus) == 2)
        podman.built.gpus.hang()
        try:
            watch.hears(_all_lost, seconds=60)
        finally:
            podman.mend()
        watch.hears(lambda reading: bool(reading.gpus) and not any(gpu.lost for gpu in reading.gpus), seconds=60)


def test_a_watch_survives_a_power_failure_of_the_host(podman: PodmanBench, rented: Tenancy) -> None:
    podman.provisioner.prepare(podman.host, rented)
    with Watch(podman.inspector, podman.host) as watch:
        watch.hears(lambda reading: reading.tenancy == "running")
        podman.built.power_off()
        watch.hears(lambda reading: not reading.reached)
        podman.built.boot()
        watch.hears(lambda reading: reading.reached and reading.tenancy == "partial", seconds=60)


def test_a_watch_ends_on_the_host_when_nobody_listens_any_more(podman: PodmanBench) -> None:
    with Watch(podman.inspector, podman.host) as watch:
        watch.hears(lambda reading: reading.reached)
    wait_until(lambda: said(podman, "pgrep -f [w]atch.sh") == "")


def test_a_host_whose_pinned_key_is_no_key_is_reported_as_not_reached(podman: PodmanBench) -> None:
    broken: Host = replace(podman.host, host_key="")
    with Watch(inspector_for("podman"), broken) as watch:
        assert watch.hears(lambda reading: not reading.reached).detail


def _all_lost(reading: Reading) -> bool:
    return bool(reading.gpus) and all(gpu.lost for gpu in reading.gpus)
