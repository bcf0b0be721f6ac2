"""What every inspector promises: parts, figures and logs of a node, and a watch that never gives up."""

from dataclasses import replace

import pytest

from leasing.inspection.inventory import Inventory
from leasing.provisioners.base import HostKeyMismatch, Reading, Tenancy, Unreachable
from marketplace.models import Measure
from tests.contracts.watching import Watch
from tests.hosts import FACTS, Bench, Key, wait_until

LONGEST_LOG = 64 * 1024
TALKATIVE = '#!/bin/sh\necho "first words"\necho "and an error, ü" >&2\n'
ENDLESS = '#!/bin/sh\ni=0\nwhile [ $i -lt 3000 ]; do echo "line $i of many, each a little longer than the last"; i=$((i + 1)); done\necho last words\n'  # noqa: E501


def test_an_inspection_names_the_parts_of_the_node_and_changes_nothing(bench: Bench) -> None:
    found = bench.inspector.inspect(bench.host)
    assert found.hostname and found.kernel and found.boot_id and found.cpu
    assert found.vcpus >= 1 and found.memory_gb >= 1 and found.free_gb >= 0
    assert len({gpu.uuid for gpu in found.gpus}) == len(found.gpus) == FACTS["gpu_count"]
    assert all(disk.size_gb >= 0 and not disk.read_only for disk in found.disks) and found.disks
    again = bench.inspector.inspect(bench.host)
    assert (again.gpus, again.disks, again.nics, again.boot_id) == (found.gpus, found.disks, found.nics, found.boot_id)


def test_an_inventory_can_be_kept_as_json(bench: Bench) -> None:
    found = bench.inspector.inspect(bench.host)
    assert Inventory.of(found.as_json()) == found


def test_an_inspection_is_of_the_pinned_host_and_of_one_that_answers(bench: Bench, boris: Key) -> None:
    bench.inspector.inspect(bench.host)
    with pytest.raises(HostKeyMismatch):
        bench.inspector.inspect(replace(bench.host, host_key=boris.line))
    bench.cut_off()
    try:
        with pytest.raises(Unreachable):
            bench.inspector.inspect(bench.host)
    finally:
        bench.join_again()


def test_a_burn_in_gives_figures_that_verification_knows(bench: Bench) -> None:
    figures = bench.inspector.measure(bench.host)
    assert set(figures) <= set(Measure.values)
    assert {"disk_write", "disk_read"} <= set(figures)
    assert all(figure > 0 for figure in figures.values())


def test_the_output_of_the_startup_script_can_be_read(bench: Bench, tenancy: Tenancy) -> None:
    bench.provisioner.prepare(bench.host, replace(tenancy, startup_script=TALKATIVE))
    wait_until(lambda: bench.inspector.log(bench.host, tenancy.machine_id, "startup") != "")
    wait_until(lambda: "and an error, ü\n" in bench.inspector.log(bench.host, tenancy.machine_id, "startup"))
    assert bench.inspector.log(bench.host, tenancy.machine_id, "startup").startswith("first words\n")


def test_only_the_newest_64_kib_of_a_log_are_given(bench: Bench, tenancy: Tenancy) -> None:
    bench.provisioner.prepare(bench.host, replace(tenancy, startup_script=ENDLESS))

    def newest() -> str:
        return bench.inspector.log(bench.host, tenancy.machine_id, "startup")

    wait_until(lambda: newest().endswith("last words\n"))
    assert LONGEST_LOG - 100 <= len(newest().encode()) <= LONGEST_LOG


def test_the_console_says_what_the_machines_first_process_said(bench: Bench, tenancy: Tenancy) -> None:
    bench.provisioner.prepare(bench.host, tenancy)
    wait_until(lambda: bench.inspector.log(bench.host, tenancy.machine_id, "console") != "")


def test_there_is_no_log_of_what_is_not_there(bench: Bench, tenancy: Tenancy) -> None:
    assert bench.inspector.log(bench.host, tenancy.machine_id, "startup") == ""
    assert bench.inspector.log(bench.host, tenancy.machine_id, "console") == ""


def test_no_variable_of_the_customer_is_in_a_log(bench: Bench, tenancy: Tenancy) -> None:
    wanted = replace(tenancy, environment={"TOKEN": "s3cret-of-the-customer"}, startup_script=TALKATIVE)
    bench.provisioner.prepare(bench.host, wanted)
    wait_until(lambda: bench.inspector.log(bench.host, tenancy.machine_id, "startup") != "")
    for log in ("startup", "console"):
        assert "s3cret" not in bench.inspector.log(bench.host, tenancy.machine_id, log)


def test_a_watch_sees_what_the_host_holds(bench: Bench, tenancy: Tenancy) -> None:
    with Watch(bench.inspector, bench.host) as watch:
        first = watch.hears(lambda reading: reading.reached and reading.tenancy == "absent")
        assert first.node_id == bench.host.node_id and first.boot_id and first.at.tzinfo
        assert [gpu.index for gpu in first.gpus] == list(range(int(FACTS["gpu_count"] or 0)))
        assert not any(gpu.lost or gpu.xid for gpu in first.gpus)
        bench.provisioner.prepare(bench.host, tenancy)
        watch.hears(lambda reading: reading.tenancy == "running")
        bench.provisioner.pause(bench.host, tenancy)
        watch.hears(lambda reading: reading.tenancy == "paused")


def test_a_watch_says_at_each_turn_that_a_host_cannot_be_reached_and_finds_it_again(bench: Bench) -> None:
    with Watch(bench.inspector, bench.host) as watch:
        boot_id = watch.hears(_reached).boot_id
        bench.cut_off()
        try:
            assert watch.hears(_unreached).detail
            watch.hears(_unreached)
        finally:
            bench.join_again()
        assert watch.hears(_reached, seconds=60).boot_id == boot_id


def test_a_watch_reports_a_host_with_another_key_as_not_reached_and_goes_on_with_the_others(
    bench: Bench, boris: Key
) -> None:
    wrong = replace(bench.host, node_id="nd_wrong", host_key=boris.line)
    with Watch(bench.inspector, wrong, bench.host) as watch:
        watch.hears(lambda reading: reading.node_id == "nd_wrong" and not reading.reached)
        watch.hears(lambda reading: reading.node_id == bench.host.node_id and reading.reached)


def test_a_watch_hears_of_a_gpu_that_fell_off_the_bus_and_of_errors(bench: Bench) -> None:
    uuids = [gpu.uuid for gpu in bench.inspector.inspect(bench.host).gpus]
    host = replace(bench.host, facts={**bench.host.facts, "gpu_uuids": ",".join(uuids)})
    try:
        with Watch(bench.inspector, host) as watch:
            watch.hears(_reached)
            bench.report_xid(0, 63)
            heard = watch.hears(lambda reading: any(gpu.xid for gpu in reading.gpus))
            assert [(gpu.uuid, gpu.xid) for gpu in heard.gpus] == [(uuids[0], 63), (uuids[1], 0)]
            watch.hears(lambda reading: reading.reached and not any(gpu.xid for gpu in reading.gpus))
            bench.lose_gpu(1)
            heard = watch.hears(lambda reading: any(gpu.lost for gpu in reading.gpus))
            assert [(gpu.uuid, gpu.lost) for gpu in heard.gpus] == [(uuids[0], False), (uuids[1], True)]
            bench.mend()
            watch.hears(lambda reading: reading.reached and not any(gpu.lost for gpu in reading.gpus))
    finally:
        bench.mend()


def _reached(reading: Reading) -> bool:
    return reading.reached


def _unreached(reading: Reading) -> bool:
    return not reading.reached
