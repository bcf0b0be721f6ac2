"""What a tenancy carries and can suffer, on every kind of node: variables, a deadline, break-fix, and 64-bit epochs."""

import os
import time
from dataclasses import replace

import pytest

from leasing.provisioners.base import HostUnfit, Peer, Service, StaleEpoch, Tenancy
from standins.nodes.processes import private_views
from tests.hosts import Bench, Key, OpenSSH, live_session, wait_until

NASTY = """it's "quoted", $HOME `id` \\n \\ # = ; & * ü """
STARTUP = '#!/bin/sh\necho run >> runs\nprintf %s "$TOKEN" > seen\n'
ANY: tuple[Service, ...] = ("power_cycle", "gpu_reset", "rebuild", "rebuild_all")
KEEPING: tuple[Service, ...] = ("power_cycle", "gpu_reset")
REBUILDING: tuple[Service, ...] = ("rebuild", "rebuild_all")


def test_variables_reach_the_tenants_sessions_exactly(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    given = {"TOKEN": NASTY, "EMPTY": "", "LONG": "x" * 5000, "_under1": " leading and trailing "}
    endpoint = bench.provisioner.prepare(bench.host, replace(tenancy, environment=given))
    assert {name: bench.variable(endpoint, ana, name) for name in given} == given


def test_variables_are_seen_by_the_startup_script(bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key) -> None:
    wanted = replace(tenancy, environment={"TOKEN": NASTY}, startup_script=STARTUP)
    endpoint = bench.provisioner.prepare(bench.host, wanted)
    wait_until(lambda: customer.read(endpoint, ana, "seen") == NASTY)


def test_variables_outlive_a_pause(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    wanted = replace(tenancy, environment={"TOKEN": NASTY})
    bench.provisioner.prepare(bench.host, wanted)
    bench.provisioner.pause(bench.host, wanted)
    endpoint = bench.provisioner.resume(bench.host, wanted)
    assert bench.variable(endpoint, ana, "TOKEN") == NASTY


def test_a_variable_of_several_lines_is_carried_exactly_or_refused(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    wanted = replace(tenancy, environment={"PEM": "first\nsecond\n"})
    said = ""
    try:
        endpoint = bench.provisioner.prepare(bench.host, wanted)
    except HostUnfit as refusal:
        said = str(refusal)
    if said:
        assert "PEM" in said and "second" not in said
        assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"
    else:
        assert bench.variable(endpoint, ana, "PEM") == "first\nsecond\n"


def test_what_is_no_name_of_a_variable_is_refused(bench: Bench, tenancy: Tenancy) -> None:
    with pytest.raises(HostUnfit):
        bench.provisioner.prepare(bench.host, replace(tenancy, environment={"A B; touch x": "1"}))
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"


def test_the_other_machines_of_the_lease_are_known_by_name(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    if bench.kind == "sandbox" and not (os.getuid() == 0 and private_views()):
        pytest.skip("a tenant of a simulated node has no /etc/hosts of its own here")
    second, third, spare = Peer(2, "192.0.2.2"), Peer(3, "192.0.2.3"), Peer(2, "192.0.2.9")
    endpoint = bench.provisioner.prepare(
        bench.host, replace(tenancy, peers={"training-2": second, "training-3": third})
    )
    assert bench.leads_to(endpoint, ana, "training-2") == bench.place(second)
    assert bench.leads_to(endpoint, ana, "training-3") == bench.place(third)
    swapped = replace(tenancy, peers={"training-2": spare})
    bench.provisioner.prepare(bench.host, swapped)
    assert bench.leads_to(endpoint, ana, "training-2") == bench.place(spare)
    assert bench.leads_to(endpoint, ana, "training-3") == ""
    bench.provisioner.service(bench.host, swapped, "rebuild")
    assert bench.leads_to(endpoint, ana, "training-2") == bench.place(spare)
    assert bench.provisioner.check(bench.host, swapped).passed


def test_an_announced_interruption_is_told_inside_while_it_is_announced(
    bench: Bench, tenancy: Tenancy, ana: Key
) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    assert bench.told(endpoint, ana) == ""
    announced = replace(tenancy, interruption='{"begins_at": "2026-03-02T13:00:00Z"}\n')
    for _ in range(2):
        bench.provisioner.prepare(bench.host, announced)
    assert bench.told(endpoint, ana) == announced.interruption
    bench.provisioner.pause(bench.host, announced)
    bench.provisioner.resume(bench.host, tenancy)
    assert bench.told(endpoint, ana) == ""


def test_access_ends_at_the_deadline_by_itself(bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, replace(tenancy, seconds_left=3600))
    with live_session(customer.command(endpoint, ana, "echo up; exec sleep 100")) as session:
        bench.provisioner.prepare(bench.host, replace(tenancy, seconds_left=1))
        assert session.wait(timeout=20) != 0
    wait_until(lambda: not bench.admits(endpoint, ana))
    wait_until(lambda: bench.provisioner.observe(bench.host, tenancy.machine_id) == "paused")


def test_a_deadline_that_passed_ends_access_on_every_kind(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, replace(tenancy, seconds_left=1))
    wait_until(lambda: bench.provisioner.observe(bench.host, tenancy.machine_id) == "paused")
    assert not bench.admits(endpoint, ana)


@pytest.mark.parametrize("later", [3600, None])
def test_a_deadline_that_was_moved_away_does_not_end_access(
    bench: Bench, tenancy: Tenancy, ana: Key, later: int | None
) -> None:
    endpoint = bench.provisioner.prepare(bench.host, replace(tenancy, seconds_left=4))
    bench.provisioner.prepare(bench.host, replace(tenancy, seconds_left=later))
    old_deadline = time.monotonic() + 6
    wait_until(lambda: time.monotonic() > old_deadline)
    assert bench.admits(endpoint, ana)
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "running"


def test_a_tenancy_that_ended_by_itself_opens_again_with_time_that_is_given(
    bench: Bench, tenancy: Tenancy, ana: Key
) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    bench.write(endpoint, ana, "marker", "kept")
    bench.provisioner.prepare(bench.host, replace(tenancy, seconds_left=0))
    wait_until(lambda: bench.provisioner.observe(bench.host, tenancy.machine_id) == "paused")
    assert bench.provisioner.resume(bench.host, replace(tenancy, seconds_left=3600)) == endpoint
    assert bench.read(endpoint, ana, "marker") == "kept"


@pytest.mark.parametrize("what", KEEPING)
def test_a_power_cycle_or_gpu_reset_keeps_the_address_the_key_and_all_data(
    bench: Bench, tenancy: Tenancy, ana: Key, what: Service
) -> None:
    tenancy = replace(tenancy, startup_script=STARTUP, environment={"TOKEN": "t"})
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    assert bench.startup_runs(endpoint, ana) == 1
    bench.write(endpoint, ana, "marker", "kept")
    bench.write(endpoint, ana, f"{bench.scratch}/marker", "kept too")
    assert bench.provisioner.service(bench.host, tenancy, what) == endpoint
    assert bench.provisioner.check(bench.host, tenancy).passed
    assert bench.read(endpoint, ana, "marker") == "kept"
    assert bench.read(endpoint, ana, f"{bench.scratch}/marker") == "kept too"
    assert bench.variable(endpoint, ana, "TOKEN") == "t"
    assert bench.startup_runs(endpoint, ana) == 1


@pytest.mark.parametrize("what", REBUILDING)
def test_a_rebuild_makes_the_system_anew_at_the_same_address_and_keeps_scratch_as_asked(
    bench: Bench, tenancy: Tenancy, ana: Key, what: Service
) -> None:
    tenancy = replace(tenancy, startup_script=STARTUP)
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    assert bench.startup_runs(endpoint, ana) == 1
    bench.write(endpoint, ana, "marker", "gone")
    bench.write(endpoint, ana, f"{bench.scratch}/marker", "on scratch")
    assert bench.provisioner.service(bench.host, tenancy, what) == endpoint
    assert bench.provisioner.check(bench.host, tenancy).passed
    assert bench.read(endpoint, ana, "marker") == ""
    assert bench.read(endpoint, ana, f"{bench.scratch}/marker") == ("on scratch" if what == "rebuild" else "")
    assert bench.startup_runs(endpoint, ana) == 1, "the script runs again in the new system"


@pytest.mark.parametrize("what", ANY)
def test_a_service_ends_the_sessions_and_may_be_repeated(
    bench: Bench, tenancy: Tenancy, customer: OpenSSH, ana: Key, what: Service
) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    with live_session(customer.command(endpoint, ana, "echo up; exec sleep 100")) as session:
        assert bench.provisioner.service(bench.host, tenancy, what) == endpoint
        assert session.wait(timeout=15) != 0
    assert bench.provisioner.service(bench.host, tenancy, what) == endpoint
    assert bench.admits(endpoint, ana)


@pytest.mark.parametrize("what", ANY)
def test_what_was_never_prepared_cannot_be_serviced(bench: Bench, tenancy: Tenancy, what: Service) -> None:
    with pytest.raises(HostUnfit):
        bench.provisioner.service(bench.host, tenancy, what)
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "absent"


def test_a_service_older_than_a_command_obeyed_is_refused(bench: Bench, tenancy: Tenancy, ana: Key) -> None:
    endpoint = bench.provisioner.prepare(bench.host, tenancy)
    bench.write(endpoint, ana, "marker", "kept")
    with pytest.raises(StaleEpoch):
        bench.provisioner.service(bench.host, replace(tenancy, epoch=tenancy.epoch - 1), "rebuild_all")
    assert bench.read(endpoint, ana, "marker") == "kept"


def test_a_generation_outweighs_any_number_of_epochs(bench: Bench, tenancy: Tenancy) -> None:
    old, new = 2 * 2**32 + 900, 3 * 2**32 + 1
    bench.provisioner.prepare(bench.host, replace(tenancy, epoch=new))
    with pytest.raises(StaleEpoch):
        bench.provisioner.pause(bench.host, replace(tenancy, epoch=old))
    bench.provisioner.pause(bench.host, replace(tenancy, epoch=new + 1))
    assert bench.provisioner.observe(bench.host, tenancy.machine_id) == "paused"
