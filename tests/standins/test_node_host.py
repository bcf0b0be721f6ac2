"""What the sandbox node host promises beyond the contract that all kinds of nodes share."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from leasing.provisioners.base import (
    Credentials,
    CredentialsRefused,
    HostKeyMismatch,
    Reading,
    Tenancy,
    Unreachable,
)
from leasing.provisioners.fake.inspector import fingerprint_of
from tests.contracts.watching import Watch
from tests.hosts import Key, SandboxBench, make_key, wait_until


def adopt(node: SandboxBench, *, fingerprint: str = "", operator_key: str = "") -> str:
    return node.inspector.adopt(
        address=node.host.address,
        port=node.host.port,
        fingerprint=fingerprint,
        credentials=Credentials("root"),
        operator_key=operator_key or node.operator.path,
    )


def observed(node: SandboxBench) -> str:
    return node.provisioner.observe(node.host, "mc_one")


def test_a_deadline_goes_on_while_the_node_host_is_down(node: SandboxBench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = node.provisioner.prepare(node.host, replace(tenancy, seconds_left=2))
    passes = time.time() + 2
    node.run(endpoint, ana, "setsid nohup sleep 300 >/dev/null 2>&1 & echo $! > pid")
    pid = node.read(endpoint, ana, "pid").strip()
    node.kill()
    wait_until(lambda: time.time() > passes)
    assert Path(f"/proc/{pid}").exists()
    node.start()
    assert not node.admits(endpoint, ana)
    wait_until(lambda: observed(node) == "paused")
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())


def test_a_deadline_that_has_not_passed_is_kept_over_a_restart(node: SandboxBench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = node.provisioner.prepare(node.host, replace(tenancy, seconds_left=4))
    node.kill()
    node.start()
    assert node.admits(endpoint, ana)
    wait_until(lambda: observed(node) == "paused")
    assert not node.admits(endpoint, ana)


def test_a_customers_variables_are_in_no_record_and_on_no_command_line(
    node: SandboxBench, tenancy: Tenancy, ana: Key
) -> None:
    wanted = replace(tenancy, environment={"TOKEN": "s3cret"}, startup_script="sleep 300")
    endpoint = node.provisioner.prepare(node.host, wanted)
    assert node.variable(endpoint, ana, "TOKEN") == "s3cret"
    assert node.process
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"s3cret" in line for line in lines)
    kept = [path for path in node.state.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert [path.name for path in kept] in ([], ["environment"])
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_a_wipe_names_every_thing_that_it_looked_for(node: SandboxBench, tenancy: Tenancy) -> None:
    node.provisioner.prepare(node.host, replace(tenancy, environment={"TOKEN": "s3cret"}))
    proof = node.provisioner.wipe(node.host, "mc_one", 6)
    assert proof.verified
    assert {"processes", "home", "environment", "logs", "host_key", "address"} <= {check.name for check in proof.checks}
    assert [check.detail for check in proof.checks if check.name.startswith("canary")] == [
        "3 of 3 canaries were readable before, this one is not now"
    ] * 3


def test_a_log_that_the_tenant_swapped_for_a_link_is_not_followed(
    node: SandboxBench, tenancy: Tenancy, ana: Key
) -> None:
    endpoint = node.provisioner.prepare(node.host, replace(tenancy, startup_script="echo hello"))
    wait_until(lambda: node.inspector.log(node.host, "mc_one", "startup") == "hello\n")
    node.run(endpoint, ana, f"ln -sf {node.operator.path} startup.log")
    assert node.inspector.log(node.host, "mc_one", "startup") == ""
    node.run(endpoint, ana, "rm startup.log; mkfifo startup.log")
    assert node.inspector.log(node.host, "mc_one", "startup") == ""


def test_a_scratch_that_the_tenant_swapped_for_a_link_is_not_given_away(
    node: SandboxBench, tenancy: Tenancy, ana: Key, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("the operator's")
    owner = precious.stat().st_uid
    endpoint = node.provisioner.prepare(node.host, tenancy)
    node.run(endpoint, ana, f"rmdir scratch && ln -s {precious} scratch")
    node.provisioner.service(node.host, tenancy, "rebuild")
    node.provisioner.service(node.host, tenancy, "rebuild_all")
    assert (precious / "file").read_text() == "the operator's"
    assert precious.stat().st_uid == owner
    assert node.run(endpoint, ana, "test -d scratch -a ! -L scratch && echo anew") == "anew\n"


def test_the_console_tells_what_the_host_did(node: SandboxBench, tenancy: Tenancy) -> None:
    node.provisioner.prepare(node.host, tenancy)
    node.provisioner.service(node.host, tenancy, "gpu_reset")
    node.provisioner.pause(node.host, tenancy)
    said = [line.partition("simulated node: ")[2] for line in console(node).splitlines()]
    assert said == ["opened", "closed: gpu_reset", "the GPUs were reset", "opened", "closed: paused"]


def console(node: SandboxBench) -> str:
    return node.inspector.log(node.host, "mc_one", "console")


def test_a_reboot_is_a_new_boot_and_the_tenancy_waits_to_be_prepared(
    node: SandboxBench, tenancy: Tenancy, ana: Key
) -> None:
    endpoint = node.provisioner.prepare(node.host, tenancy)
    first = node.inspector.inspect(node.host).boot_id
    node.breaks("reboot")
    second = node.inspector.inspect(node.host).boot_id
    assert first != second
    assert observed(node) == "partial"
    assert not node.admits(endpoint, ana)
    assert node.provisioner.prepare(node.host, tenancy) == endpoint
    node.kill()
    node.start()
    assert node.inspector.inspect(node.host).boot_id == second


def test_a_silent_node_answers_no_command_while_its_tenant_works_on(
    node: SandboxBench, tenancy: Tenancy, ana: Key
) -> None:
    endpoint = node.provisioner.prepare(node.host, tenancy)
    node.breaks("silence")
    with pytest.raises(Unreachable, match="nd_sandbox"):
        node.provisioner.check(node.host, tenancy)
    assert node.admits(endpoint, ana)
    node.mend()
    assert node.provisioner.check(node.host, tenancy).passed


def test_a_lost_gpu_is_missed_by_inspection_and_health_check_also_after_a_restart(
    node: SandboxBench, tenancy: Tenancy
) -> None:
    node.provisioner.prepare(node.host, tenancy)
    node.lose_gpu(0)
    node.kill()
    node.start()
    assert [gpu.index for gpu in node.inspector.inspect(node.host).gpus] == [1]
    health = node.provisioner.check(node.host, tenancy)
    assert [check.name for check in health.checks if not check.passed] == ["gpu"]
    node.mend()
    assert node.provisioner.check(node.host, tenancy).passed


def test_all_nodes_of_a_host_are_watched_over_one_connection_and_a_silent_one_is_told_of(node: SandboxBench) -> None:
    hosts = [node.host, *(replace(node.host, node_id=f"nd_{number}") for number in range(20))]
    with Watch(node.inspector, *hosts) as watch:
        watch.hears(lambda reading: reading.node_id == "nd_19" and reading.reached)
        assert connections(node.host.port) == 1
        node.breaks("silence")
        unheard = watch.hears(lambda reading: not reading.reached)
        assert (unheard.node_id, bool(unheard.detail)) == (node.host.node_id, True)
        assert watch.hears(lambda reading: reading.node_id == "nd_19").reached
        node.mend()
        watch.hears(lambda reading: reading.node_id == node.host.node_id and reading.reached)


def test_a_host_key_that_cannot_be_read_does_not_end_the_watch_of_others(node: SandboxBench) -> None:
    broken = replace(node.host, node_id="nd_broken", host_key="nonsense")
    with Watch(node.inspector, broken, node.host) as watch:
        assert not watch.hears(lambda reading: reading.node_id == "nd_broken").reached
        assert watch.hears(lambda reading: reading.node_id == node.host.node_id).reached


def connections(port: int) -> int:
    """How many TCP connections lead to the port now: those whose far end it is, established."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_readings_are_made_up_of_what_the_node_has_and_of_its_tenancy(node: SandboxBench, tenancy: Tenancy) -> None:
    uuids = [gpu.uuid for gpu in node.inspector.inspect(node.host).gpus]
    with Watch(node.inspector, node.host) as watch:
        idle = watch.hears(lambda reading: reading.reached)
        assert [gpu.uuid for gpu in idle.gpus] == uuids
        assert [gpu.utilization for gpu in idle.gpus] == [0, 0]
        node.provisioner.prepare(node.host, tenancy)
        busy = watch.hears(lambda reading: reading.tenancy == "running")
        assert drawn(busy) > drawn(idle) > 0


def drawn(reading: Reading) -> int:
    return sum(gpu.power_mw or 0 for gpu in reading.gpus)


def test_a_node_host_is_adopted_by_the_operator_whom_it_admits(node: SandboxBench, tmp_path: Path) -> None:
    assert adopt(node) == node.host.host_key
    assert adopt(node, fingerprint=fingerprint_of(node.host.host_key)) == node.host.host_key
    with pytest.raises(HostKeyMismatch, match="SHA256:other"):
        adopt(node, fingerprint="SHA256:other")
    with pytest.raises(CredentialsRefused):
        adopt(node, operator_key=make_key(tmp_path, "stranger").path)
    node.kill()
    with pytest.raises(Unreachable):
        adopt(node)
    node.start()
