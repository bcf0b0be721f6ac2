"""GPUs in a host's report, in the words of several drivers."""

from pathlib import Path

from leasing.provisioners.podman.gpus import Memory

FIRST, SECOND = "GPU-1d2f0b1c", "GPU-9a8b7c6d"
WELL = [
    ["gpu", f"0, {FIRST}, 00000000:3B:00.0, 97, 71234, 64, 612.33, 0"],
    ["gpu", f"1, {SECOND}, 00000000:3C:00.0, 0, 4, 31, 68.42, 2"],
]
LOST = "Unable to determine the device handle for GPU 0000:3C:00.0: GPU is lost.  Reboot the system to recover this GPU"


def lost(memory: Memory, report: list[list[str]]) -> dict[str, bool]:
    return {gpu.uuid: gpu.lost for gpu in memory.readings(report)}


def test_every_figure_is_read_in_its_unit() -> None:
    gpus = Memory({}).readings([*WELL, ["energy", "0", "123456789"], ["xid", "0000:3c:00", "31"]])
    first, second = gpus
    assert (first.index, first.uuid, first.utilization, first.memory_mib) == (0, FIRST, 97, 71234)
    assert (first.temperature_c, first.power_mw, first.energy_mj, first.xid) == (64, 612330, 123456789, 0)
    assert (second.ecc_uncorrected, second.energy_mj, second.xid, second.lost) == (2, None, 31, False)


def test_a_real_h200_at_work_is_read() -> None:
    lines = (Path(__file__).parent / "captures/h200-at-work.csv").read_text().splitlines()
    (first,), *_, (busy,) = [Memory({}).readings([["gpu", line]]) for line in lines[:4]]
    assert (first.utilization, first.memory_mib, first.temperature_c, first.power_mw) == (0, 0, 36, 79310)
    assert (busy.utilization, busy.memory_mib, busy.temperature_c, busy.power_mw) == (29, 4, 43, 169320)
    assert (busy.ecc_uncorrected, busy.lost) == (0, False)


def test_what_the_driver_does_not_tell_is_none() -> None:
    row = f"0, {FIRST}, 00000000:01:00.0, [N/A], 5, [Not Supported], [Unknown Error], [N/A]"
    (gpu,) = Memory({}).readings([["gpu", row]])
    assert (gpu.utilization, gpu.memory_mib, gpu.temperature_c, gpu.power_mw, gpu.ecc_uncorrected) == (
        None,
        5,
        None,
        None,
        None,
    )
    assert not gpu.lost


def test_a_gpu_that_says_it_is_lost_is_lost() -> None:
    row = f"1, {SECOND}, 00000000:3C:00.0, [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost]"
    assert lost(Memory({}), [WELL[0], ["gpu", row]]) == {FIRST: False, SECOND: True}


def test_a_gpu_that_is_missing_from_the_list_is_lost_when_it_was_there_or_is_known_to_be() -> None:
    memory = Memory({})
    memory.readings(WELL)
    assert lost(memory, [WELL[0]]) == {FIRST: False, SECOND: True}
    assert lost(Memory({"gpu_uuids": f"{FIRST},{SECOND}"}), [WELL[0]]) == {FIRST: False, SECOND: True}


def test_a_driver_that_names_the_lost_one_and_lists_no_other_does_not_lose_the_others() -> None:
    memory = Memory({})
    memory.readings(WELL)
    assert lost(memory, [["gpu", LOST]]) == {FIRST: False, SECOND: True}


def test_when_the_lost_one_cannot_be_told_all_that_do_not_answer_are_lost() -> None:
    memory = Memory({"gpu_uuids": f"{FIRST},{SECOND}"})
    assert lost(memory, [["gpu", "nvidia-smi does not answer"]]) == {FIRST: True, SECOND: True}
    assert lost(Memory({"gpu_uuids": f"{FIRST},{SECOND}"}), [["gpu", LOST]]) == {FIRST: True, SECOND: True}


def test_a_host_without_gpus_reports_none() -> None:
    assert Memory({}).readings([["gpu", "No devices were found"]]) == ()
