"""What real tools printed on real machines is read right. The captures' sources are in captures/README.md."""

import csv
import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from leasing.inspection import dcgm, linux, nvidia
from leasing.inspection.inventory import GPU, NIC, Disk, Inventory
from leasing.inspection.nvidia import Unreadable, gpus
from leasing.provisioners.base import GPUReading

CAPTURES = Path(__file__).parent / "captures"


def capture(name: str) -> str:
    return (CAPTURES / name).read_text()


def only(name: str) -> GPU:
    (gpu,) = gpus(capture(name))
    return gpu


def test_an_a100_that_is_cut_into_instances() -> None:
    assert only("a100-sxm4-80gb-mig.xml") == GPU(
        index=0,
        uuid="GPU-513536b6-7d19-9063-b049-1e69664bb298",
        name="NVIDIA A100-SXM4-80GB",
        serial="1650522003820",
        memory_mib=81920,
        driver="535.54.03",
        pci="00000000:01:00.0",
        ecc=True,
        ecc_uncorrected=0,
        mig=True,
    )


def test_an_a10g_tells_of_ecc_and_of_remapped_rows() -> None:
    gpu = only("a10g.xml")
    assert (gpu.name, gpu.memory_mib, gpu.driver) == ("NVIDIA A10G", 23028, "515.105.01")
    assert (gpu.ecc, gpu.ecc_uncorrected, gpu.remap_pending, gpu.remap_failed) == (True, 0, False, False)


def test_an_h200_of_a_virtual_machine_tells_all_that_is_asked() -> None:
    gpu = only("h200.xml")
    assert (gpu.name, gpu.memory_mib, gpu.driver) == ("NVIDIA H200", 143771, "580.159.04")
    assert (gpu.ecc, gpu.ecc_uncorrected, gpu.remap_pending, gpu.remap_failed) == (True, 0, False, False)
    assert (gpu.mig, gpu.nvlinks, gpu.lost) == (False, None, False)


def test_a_t4_cannot_remap_rows() -> None:
    gpu = only("t4.xml")
    assert (gpu.ecc, gpu.ecc_uncorrected, gpu.remap_pending, gpu.remap_failed) == (True, 0, None, None)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("rtx-3060.xml", "NVIDIA GeForce RTX 3060"),
        ("quadro-p2000.xml", "Quadro P2000"),
        ("gtx-1070-ti.xml", "GeForce GTX 1070 Ti"),
    ],
)
def test_what_a_gpu_does_not_tell_is_none_and_not_zero(name: str, model: str) -> None:
    gpu = only(name)
    assert gpu.name == model
    assert (gpu.ecc, gpu.ecc_uncorrected, gpu.remap_pending, gpu.mig, gpu.lost) == (None, None, None, False, False)


def test_the_newest_format_with_ecc_switched_off() -> None:
    gpu = only("rtx-4000-sff-ada.xml")
    assert (gpu.driver, gpu.ecc, gpu.ecc_uncorrected, gpu.remap_failed) == ("595.84", False, None, False)


@pytest.mark.parametrize("name", sorted(path.name for path in CAPTURES.glob("*.xml")))
def test_each_capture_gives_one_gpu_with_a_uuid(name: str) -> None:
    gpu = only(name)
    assert gpu.uuid.startswith("GPU-") and gpu.memory_mib > 0 and gpu.pci


def test_uncorrected_errors_are_those_since_the_driver_was_loaded_wherever_they_were() -> None:
    text = capture("a10g.xml").replace("<dram_uncorrectable>0<", "<dram_uncorrectable>1<", 1)
    text = text.replace("<sram_uncorrectable>0<", "<sram_uncorrectable>2<", 1)
    assert [gpu.ecc_uncorrected for gpu in gpus(text)] == [3]
    untold = capture("a10g.xml").replace("_uncorrectable>0<", "_uncorrectable>N/A<", 2)
    assert [gpu.ecc_uncorrected for gpu in gpus(untold.replace("dram_uncorrectable>0<", "dram_uncorrectable>4<"))] == [
        4
    ]


def test_rows_that_wait_for_a_reset_or_could_not_be_remapped() -> None:
    text = capture("a10g.xml").replace("row_pending>No<", "row_pending>Yes<").replace("failure>No<", "failure>Yes<")
    assert [(gpu.remap_pending, gpu.remap_failed) for gpu in gpus(text)] == [(True, True)]


def test_a_gpu_that_does_not_answer_is_listed_as_lost() -> None:
    text = capture("a10g.xml").replace("<uuid>GPU-", "<uuid>GPU is lost</uuid><x>").replace("</uuid>", "</x>", 2)
    text = text.replace("GPU is lost</x>", "GPU is lost</uuid>")
    assert [(gpu.lost, gpu.uuid, gpu.name) for gpu in gpus(text)] == [(True, "", "NVIDIA A10G")]


def test_a_gpu_that_fell_off_the_bus_is_only_in_the_complaint_before_the_xml() -> None:
    said = "Unable to determine the device handle for GPU 0000:5D:00.0: GPU is lost.  Reboot the system to recover it\n"
    found = gpus(said + capture("a10g.xml"))
    assert [(gpu.index, gpu.pci, gpu.lost) for gpu in found] == [
        (0, "00000000:00:1E.0", False),
        (1, "0000:5D:00.0", True),
    ]


def test_active_nvlinks_are_counted() -> None:
    links = capture("nvlink-h100.txt")
    (gpu,) = gpus(capture("a10g.xml"), links=links)
    assert gpu.nvlinks == 18
    (gpu,) = gpus(capture("a10g.xml"), links=links.replace("Link 3: 26.562 GB/s", "Link 3: <inactive>"))
    assert gpu.nvlinks == 17
    (gpu,) = gpus(
        capture("a10g.xml"), links="GPU 0: NVIDIA L40S (UUID: GPU-0)\nDevice does not have or support Nvlink\n"
    )
    assert gpu.nvlinks is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            "no XML: NVIDIA-SMI has failed",
        ),
        ("", "no XML: nothing"),
        ("<nvidia_smi_log><gpu></nvidia_smi_log>", "is broken"),
        ("x" * (nvidia.LONGEST + 1), "more than"),
        (
            '<!DOCTYPE nvidia_smi_log [<!ENTITY a "b">]><nvidia_smi_log><gpu>&a;</gpu></nvidia_smi_log>',
            "declares entities",
        ),
        (
            '<nvidia_smi_log><!DOCTYPE x SYSTEM "file:///etc/passwd"><gpu/></nvidia_smi_log>',
            "declares entities",
        ),
        ("<nvidia_smi_log><gpu><uuid>&lol;</uuid></gpu></nvidia_smi_log>", "is broken"),
    ],
)
def test_anything_else_is_refused_and_no_entity_is_expanded(text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        gpus(text)


def test_clocks_that_a_driver_writes_malformed_are_not_read() -> None:
    broken = "<supported_clocks>\n5001 MHz</supported_mem_clock><supported_mem_clock></supported_clocks></gpu>"
    assert len(gpus(capture("a10g.xml").replace("</gpu>", broken))) == 1


def test_a_sample_of_dcgm_has_the_fields_of_a_reading() -> None:
    assert [field.name for field in fields(dcgm.Sample)] == [field.name for field in fields(GPUReading)]


def test_dcgm_exporter_of_a_t4() -> None:
    (sample,) = dcgm.samples(capture("dcgm-t4.prom"))
    assert GPUReading(**asdict(sample)) == GPUReading(
        index=0,
        uuid="GPU-20c56d28-0da5-6d26-a36a-e7af1ce2586e",
        utilization=0,
        memory_mib=0,
        temperature_c=25,
        power_mw=8969,
        energy_mj=128996013,
        xid=0,
    )


def test_dcgm_exporter_of_an_l40s_whose_counter_is_beyond_32_bits() -> None:
    (sample,) = dcgm.samples(capture("dcgm-l40s.prom"))
    assert (sample.energy_mj, sample.power_mw, sample.temperature_c, sample.ecc_uncorrected) == (
        5551899580,
        35686,
        32,
        None,
    )


def test_dcgm_s_blanks_and_broken_lines_are_no_values() -> None:
    of = '{gpu="0",UUID="GPU-1"}'
    lines = [
        f"DCGM_FI_DEV_GPU_TEMP{of} 9223372036854775794",
        f"DCGM_FI_DEV_GPU_UTIL{of} 2147483632",
        f"DCGM_FI_DEV_POWER_USAGE{of} 140737488355328.000000",
        f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{of} 2",
        f'DCGM_FI_DEV_XID_ERRORS{of[:-1]},err_msg="GPU has fallen off the bus"}} 79',
        f"DCGM_FI_DEV_FB_USED{of} much",
        'DCGM_FI_DEV_FB_USED{Hostname="here"} 3',
        "DCGM_FI_DEV_FB_USED 4",
    ]
    assert dcgm.samples("\n".join(lines)) == (dcgm.Sample(index=0, uuid="GPU-1", xid=79, ecc_uncorrected=2),)


def test_memory_of_a_gpu_s_instances_is_added_up() -> None:
    rows = [
        f'DCGM_FI_DEV_{m}{{gpu="1",UUID="GPU-1",GPU_I_ID="{i}"}} {v}'
        for m, v in (("FB_USED", 12), ("GPU_TEMP", 33))
        for i in (3, 5)
    ]
    (sample,) = dcgm.samples("\n".join(rows))
    assert (sample.memory_mib, sample.temperature_c) == (24, 33)


def test_disks_of_a_virtual_machine() -> None:
    assert linux.disks(capture("lsblk.json")) == (Disk("vda", "", "", 275, "virtual"),)


def test_only_whole_disks_of_some_size_count() -> None:
    columns = ("name", "serial", "model", "size", "type", "rota", "ro", "tran")
    rows = [
        ("nvme1n1", "S64GNS0W", "SAMSUNG MZQL23T8 ", 3840755982336, "disk", False, True, "nvme"),
        ("sda", "WD-1", "WDC", "1000204886016", "disk", "1", "0", "sata"),
        ("sdb", None, None, 480103981056, "disk", False, False, "sas"),
        ("loop0", None, None, 4096, "loop", False, True, None),
        ("sr0", None, "QEMU DVD", 1073741312, "rom", True, False, "sata"),
        ("sdc", None, "card reader", 0, "disk", True, False, "usb"),
    ]
    listed = [dict(zip(columns, row, strict=True)) for row in rows]
    assert linux.disks(json.dumps({"blockdevices": listed})) == (
        Disk("nvme1n1", "S64GNS0W", "SAMSUNG MZQL23T8", 3841, "nvme", read_only=True),
        Disk("sda", "WD-1", "WDC", 1000, "hdd"),
        Disk("sdb", "", "", 480, "ssd"),
    )


def test_processors_memory_and_interfaces() -> None:
    assert linux.cpu(capture("lscpu.json")) == ("AMD EPYC", 2)
    assert linux.memory_gb("MemTotal:       2113432928 kB\nMemFree:        23811708 kB\n") == 2016
    assert linux.nics("eth1 02:00:00:00:00:01 -1\neth0 02:00:00:00:00:00 400000\nwlan0 02:00\n") == (
        NIC("eth0", "02:00:00:00:00:00", 400.0),
        NIC("eth1", "02:00:00:00:00:01", None),
    )


@pytest.mark.parametrize("read", [linux.disks, linux.cpu, linux.memory_gb])
def test_output_that_is_none_is_said_to_be_so(read: object) -> None:
    with pytest.raises(Unreadable):
        read("sh: not found")  # type: ignore[operator]


def test_an_inventory_comes_back_from_json_as_it_was() -> None:
    inventory = Inventory(
        hostname="h", kernel="6.1", boot_id="b", cpu="2 x X", vcpus=4, memory_gb=8, free_gb=50,
        gpus=gpus(capture("a10g.xml")), disks=linux.disks(capture("lsblk.json")), nics=(NIC("eth0", "02:", 25.0),),
    )  # fmt: skip
    assert Inventory.of(json.loads(json.dumps(inventory.as_json()))) == inventory


def test_the_names_in_the_list_are_those_of_the_captures() -> None:
    listed = {row["product_name"]: int(row["memory_mib"]) for row in csv.DictReader(capture("names.csv").splitlines())}
    read = {gpu.name: gpu.memory_mib for path in CAPTURES.glob("*.xml") for gpu in gpus(path.read_text())}
    assert listed.items() >= {name: mib for name, mib in read.items() if name in listed}.items()
