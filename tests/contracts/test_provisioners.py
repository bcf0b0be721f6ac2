"""What every provisioner promises: one suite on a node in memory, a simulated node, and a real host with podman."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from leasing.provisioners.base import HostKeyMismatch, HostUnfit, StaleEpoch, Tenancy, Unreachable
from tests.hosts import Bench, Key, OpenSSH, failed, live_session

STARTUP = "#!/bin/sh\r\necho run >> runs\r\n"


def test_preparing_twice_gives_one_tenancy_at_one_address(bench: Bench, tenancy: Tenancy) -> None:
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"
    first = bench.provisioner.prepare(bench.host, tenancy)
    assert bench.provisioner.prepare(bench.host, tenancy) == first
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "running"


def test_only_the_keys_of_the_lease_are_admitted(bench: Bench, tenancy: Tenancy, ana: Key, boris: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    assert bench.admits(endpoint, ana)
    assert not bench.admits(endpoint, boris)


def test_preparing_with_other_keys_changes_who_is_admitted(
    bench: Bench, tenancy: Tenancy, ana: Key, boris: Key
) -> None:
    bench.provisioner.prepare(bench.host, tenancy)
    endpoint = bench.provisioner.prepare(bench.host, replace(tenancy, ssh_keys=(boris.line,)))
    assert bench.admits(endpoint, boris)
    assert not bench.admits(endpoint, ana)


def test_taking_a_key_away_ends_its_sessions(
    bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key, boris: Key
) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    with live_session(customer.command(endpoint, ana, "echo up; exec sleep 100")) as session:
        bench.provisioner.prepare(bench.host, replace(tenancy, ssh_keys=(boris.line,)))
        assert session.wait(timeout=15) != 0


def test_a_command_runs_and_its_status_comes_back(bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    argv = customer.command(endpoint, ana, "cat; echo told >&2; exit 7")
    done = subprocess.run(argv, input="hello", capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout, done.stderr, done.returncode) == ("hello", "told\n", 7)


def test_a_shell_has_a_terminal(bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    argv = [*customer.command(endpoint, ana)[:-1], "-tt", f"{endpoint.user}@{endpoint.host}"]
    done = subprocess.run(argv, input="test -t 0 && exit 5\n", capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 5


def test_files_are_copied_in(bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key, folder: Path) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    (folder / "data").write_text("weights")
    options = customer.command(endpoint, ana)[1:-3]
    argv = ["scp", *options, "-P", str(endpoint.port), str(folder / "data"), f"{endpoint.user}@{endpoint.host}:copied"]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    assert customer.read(endpoint, ana, "copied") == "weights"


def test_the_tenant_sees_the_gpus_of_the_node_type(bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    assert customer.run(endpoint, ana, "nvidia-smi -L").count("SIMULATED") >= 2


def test_the_startup_script_runs_once_in_the_life_of_a_tenancy(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    tenancy = replace(tenancy, startup_script=STARTUP)
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    assert bench.startup_runs(endpoint, ana) == 1
    bench.provisioner.prepare(bench.host, tenancy)
    bench.provisioner.pause(bench.host, tenancy)
    bench.provisioner.resume(bench.host, tenancy)
    assert bench.startup_runs(endpoint, ana) == 1


def test_a_prepared_tenancy_is_healthy_and_its_own_path_answers(bench: Bench, tenancy: Tenancy) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    health = bench.provisioner.check(bench.host, tenancy)
    assert health.passed, failed(health)
    bench.provisioner.reach(endpoint)


def test_a_tenancy_that_is_not_there_is_not_healthy(bench: Bench, tenancy: Tenancy) -> None:
    assert not bench.provisioner.check(bench.host, tenancy).passed


def test_a_pause_refuses_logins_and_keeps_address_key_and_data(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    bench.write(endpoint, ana, "marker", "kept")
    bench.provisioner.pause(bench.host, tenancy)
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "paused"
    assert not bench.admits(endpoint, ana)
    with pytest.raises(Unreachable):
        bench.provisioner.reach(endpoint)
    assert bench.provisioner.resume(bench.host, tenancy) == endpoint
    assert bench.admits(endpoint, ana)
    assert bench.read(endpoint, ana, "marker") == "kept"


def test_pausing_and_resuming_twice_is_the_same_as_once(bench: Bench, tenancy: Tenancy) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    bench.provisioner.pause(bench.host, tenancy)
    bench.provisioner.pause(bench.host, tenancy)
    assert bench.provisioner.resume(bench.host, tenancy) == bench.provisioner.resume(bench.host, tenancy) == endpoint


def test_what_was_never_prepared_cannot_be_paused_or_resumed(bench: Bench, tenancy: Tenancy) -> None:
    with pytest.raises(HostUnfit):
        bench.provisioner.pause(bench.host, tenancy)
    with pytest.raises(HostUnfit):
        bench.provisioner.resume(bench.host, tenancy)


def test_revoking_cuts_live_sessions_and_access(bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    with live_session(customer.command(endpoint, ana, "echo up; exec sleep 100")) as session:
        bench.provisioner.revoke(bench.host, tenancy.machine_id, tenancy.epoch)
        assert session.wait(timeout=15) != 0
    assert not bench.admits(endpoint, ana)


def test_revoking_what_is_not_there_is_no_error(bench: Bench, tenancy: Tenancy) -> None:
    bench.provisioner.revoke(bench.host, tenancy.machine_id, tenancy.epoch)


def test_nothing_of_a_tenant_is_left_for_the_next(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    bench.write(endpoint, ana, "marker", "secret of the first tenant")
    proof = bench.provisioner.wipe(bench.host, tenancy.machine_id, tenancy.epoch)
    assert proof.verified, failed(proof)
    assert proof.method
    assert proof.started_at <= proof.completed_at
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"
    following = replace(tenancy, epoch=tenancy.epoch + 1)
    second = bench.provisioner.prepare(bench.host, following)
    assert second.host_key != endpoint.host_key
    assert bench.read(second, ana, "marker") == ""


def test_wiping_twice_tells_the_truth_twice(bench: Bench, tenancy: Tenancy) -> None:
    bench.provisioner.prepare(bench.host, tenancy)
    first = bench.provisioner.wipe(bench.host, tenancy.machine_id, tenancy.epoch)
    second = bench.provisioner.wipe(bench.host, tenancy.machine_id, tenancy.epoch)
    assert first.verified
    assert second.verified
    assert second.started_at >= first.completed_at


def test_a_paused_tenancy_can_be_wiped(bench: Bench, tenancy: Tenancy) -> None:
    bench.provisioner.prepare(bench.host, tenancy)
    bench.provisioner.pause(bench.host, tenancy)
    proof = bench.provisioner.wipe(bench.host, tenancy.machine_id, tenancy.epoch)
    assert proof.verified, failed(proof)


def test_a_node_holds_one_tenant_at_a_time(bench: Bench, tenancy: Tenancy) -> None:
    bench.provisioner.prepare(bench.host, tenancy)
    with pytest.raises(HostUnfit, match=tenancy.machine_id):
        bench.provisioner.prepare(bench.host, replace(tenancy, machine_id="mc_second"))
    assert bench.provisioner.observe(bench.host, "mc_second") == "absent"


def test_a_command_older_than_one_obeyed_is_refused(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    old = replace(tenancy, epoch=tenancy.epoch - 1)
    for attempt in (bench.provisioner.prepare, bench.provisioner.pause, bench.provisioner.resume):
        with pytest.raises(StaleEpoch):
            attempt(bench.host, old)
    for destroy in (bench.provisioner.revoke, bench.provisioner.wipe):
        with pytest.raises(StaleEpoch):
            destroy(bench.host, old.machine_id, old.epoch)
    assert bench.admits(endpoint, ana)


def test_a_late_prepare_does_not_bring_a_wiped_tenant_back(bench: Bench, tenancy: Tenancy) -> None:
    bench.provisioner.prepare(bench.host, tenancy)
    bench.provisioner.wipe(bench.host, tenancy.machine_id, tenancy.epoch + 1)
    with pytest.raises(StaleEpoch):
        bench.provisioner.prepare(bench.host, tenancy)
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"


def test_a_host_with_another_key_gets_no_command(bench: Bench, tenancy: Tenancy, boris: Key) -> None:
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"
    swapped = replace(bench.host, host_key=boris.line)
    with pytest.raises(HostKeyMismatch):
        bench.provisioner.prepare(swapped, replace(tenancy, epoch=50))
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"
    bench.provisioner.prepare(bench.host, tenancy)  # epoch 5: the node never heard of 50


def test_a_node_that_is_cut_off_is_unreachable_and_comes_back_as_it_was(bench: Bench, tenancy: Tenancy) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    bench.cut_off()
    try:
        with pytest.raises(Unreachable) as raised:
            bench.provisioner.prepare(bench.host, tenancy)
        assert not raised.value.permanent
    finally:
        bench.join_again()
    assert bench.provisioner.prepare(bench.host, tenancy) == endpoint


def test_a_prepare_that_was_killed_half_way_is_completed_by_the_next(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    bench.half_make(tenancy)
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "partial"
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    assert bench.provisioner.check(bench.host, tenancy).passed
    assert bench.admits(endpoint, ana)


def test_a_half_made_tenancy_can_be_wiped(bench: Bench, tenancy: Tenancy) -> None:
    bench.half_make(tenancy)
    proof = bench.provisioner.wipe(bench.host, tenancy.machine_id, tenancy.epoch)
    assert proof.verified, failed(proof)
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"


def test_another_host_key_at_the_tenants_address_is_noticed(bench: Bench, tenancy: Tenancy, boris: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    with pytest.raises((HostKeyMismatch, Unreachable)):
        bench.provisioner.reach(replace(endpoint, host_key=" ".join(boris.line.split()[:2])))
