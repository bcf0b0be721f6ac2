"""A host is compared with what its node type promises, and with what it was before."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leasing.inspection.inventory import GPU, NIC, Disk, Inventory
from leasing.inspection.matching import (
    differences,
    differences_between,
    is_model,
    match,
    nearest,
    sentence,
    too_slow,
)
from marketplace.catalogue import read
from marketplace.models import GPUModel, Measure, NodeType, Target

CATALOGUE = read()
MODELS = {row.slug: row for row in CATALOGUE.gpu_models}
REAL = list(csv.DictReader((Path(__file__).parent / "captures/names.csv").read_text().splitlines()))


def kind(slug: str) -> NodeType:
    """A node type of the catalogue, without the database."""
    row = next(row for row in CATALOGUE.node_types if row.slug == slug)
    model = GPUModel(**vars(MODELS[row.gpu_model]))
    return NodeType(**{**vars(row), "gpu_model": model})


def gpu(index: int, **changed: Any) -> GPU:
    told = {
        "uuid": f"GPU-{index}",
        "name": "NVIDIA H100 80GB HBM3",
        "memory_mib": 81559,
        "pci": f"0000:{index:02}:00.0",
    }
    return GPU(index=index, **{**told, "ecc_uncorrected": 0, "nvlinks": 18, **changed})


def disk(number: int, **changed: Any) -> Disk:
    told = {"serial": f"S{number}", "model": "SAMSUNG", "size_gb": 3841, "kind": "nvme", **changed}
    return Disk(name=f"nvme{number}n1", **told)


H100X8 = Inventory(
    hostname="h", kernel="6.1", boot_id="b", cpu="2 x Xeon", vcpus=224, memory_gb=2015, free_gb=29_000,
    gpus=tuple(gpu(n) for n in range(8)), disks=tuple(disk(n) for n in range(9)),
    nics=tuple(NIC(f"eth{n}", f"02:{n}", 400.0) for n in range(8)),
)  # fmt: skip


def with_gpu(number: int, **changed: Any) -> Inventory:
    return replace(H100X8, gpus=tuple(gpu(n, **(changed if n == number else {})) for n in range(8)))


def said(found: list[Any]) -> list[tuple[str, str, str]]:
    return [(row["part"], row["promised"], row["found"]) for row in found]


def test_a_host_that_is_what_its_type_promises() -> None:
    assert differences(H100X8, kind("h100x8")) == []


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        (replace(H100X8, gpus=H100X8.gpus[:7]), ("GPUs", "8", "7")),
        (with_gpu(3, name="NVIDIA H100 PCIe"), ("GPU 3, model", "H100 SXM", "NVIDIA H100 PCIe")),
        (with_gpu(3, memory_mib=95830), ("GPU 3, memory", "80 GB", "94 GB")),
        (with_gpu(3, lost=True, name="", uuid="", memory_mib=0), ("GPU 3", "answering", "lost (PCI 0000:03:00.0)")),
        (with_gpu(3, ecc_uncorrected=2), ("GPU 3, uncorrected memory errors", "0", "2")),
        (
            with_gpu(3, remap_pending=True),
            ("GPU 3, memory rows", "sound", "one is to be remapped (reset the GPU)"),
        ),
        (
            with_gpu(3, remap_pending=True, remap_failed=True),
            ("GPU 3, memory rows", "sound", "one could not be remapped (replace the GPU)"),
        ),
        (with_gpu(3, mig=True), ("GPU 3, MIG", "off", "on")),
        (with_gpu(3, nvlinks=17), ("GPU 3, NVLinks", "18 active", "17 active")),
        (replace(H100X8, vcpus=192), ("vCPUs", "224", "192")),
        (replace(H100X8, memory_gb=1007), ("memory", "2048 GB", "1007 GB")),
        (replace(H100X8, disks=H100X8.disks[:7]), ("disks", "30720 GB", "26887 GB")),
        (replace(H100X8, free_gb=200), ("free disk space", "24576 GB", "200 GB")),
        (
            replace(H100X8, disks=(disk(0, read_only=True), *H100X8.disks[1:])),
            ("disk nvme0n1", "writable", "read-only"),
        ),
        (replace(H100X8, nics=H100X8.nics[:7]), ("network", "3200 Gbit/s", "2800 Gbit/s")),
    ],
)
def test_each_difference_is_told_exactly(inventory: Inventory, expected: tuple[str, str, str]) -> None:
    assert said(differences(inventory, kind("h100x8"))) == [expected]


def test_more_is_no_worse_and_disks_that_spin_do_not_count() -> None:
    more = replace(H100X8, vcpus=256, memory_gb=3000, disks=(*H100X8.disks, disk(20)))
    assert differences(more, kind("h100x8")) == []
    spinning = replace(H100X8, disks=tuple(replace(found, kind="hdd") for found in H100X8.disks))
    assert said(differences(spinning, kind("h100x8"))) == [("disks", "30720 GB", "0 GB")]


def test_a_network_that_tells_no_speed_is_not_judged() -> None:
    assert differences(replace(H100X8, nics=(NIC("eth0", "02:", None),)), kind("h100x8")) == []


@pytest.mark.parametrize(
    ("told", "model"),
    [
        *((row["product_name"], slug) for row, slug in zip(REAL, ("h100-sxm", "h200-sxm", "l40s"), strict=False)),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb-sxm"),
        ("NVIDIA A100 80GB PCIe", "a100-80gb-pcie"),
        ("NVIDIA A100-PCIE-40GB", "a100-40gb-pcie"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA GH200 480GB", "gh200"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA RTX A6000", "rtx-a6000"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA A10", "a10"),
        ("NVIDIA L4", "l4"),
    ],
)
def test_the_driver_s_name_is_one_model_of_the_catalogue(told: str, model: str) -> None:
    by_memory = {"a100-80gb-pcie": "a100-40gb-pcie", "a100-40gb-pcie": "a100-80gb-pcie"}  # told apart by their memory
    named = {
        slug for slug in MODELS if is_model(GPU(0, "GPU-0", told), NodeType(gpu_model=GPUModel(name=MODELS[slug].name)))
    }
    assert named - {by_memory.get(model, "")} == {model}


@pytest.mark.parametrize(
    "told", ["NVIDIA A10G", "NVIDIA GeForce RTX 4090 D", "NVIDIA GeForce RTX 4080 SUPER", "NVIDIA H100 NVL",
             "NVIDIA H200 NVL", "NVIDIA L40G", "Quadro RTX 6000", "Tesla T4", "NVIDIA RTX 4000 SFF Ada Generation", ""],
)  # fmt: skip
def test_a_near_relative_is_another_model(told: str) -> None:
    assert not any(
        is_model(GPU(0, "GPU-0", told), NodeType(gpu_model=GPUModel(name=row.name))) for row in MODELS.values()
    )


@pytest.mark.parametrize("row", REAL, ids=[row["product_name"] for row in REAL])
def test_memory_as_real_drivers_tell_it_is_near_what_makers_print_on_the_box(row: dict[str, str]) -> None:
    """For GPUs that the catalogue has: one whose model fits has the memory that is promised, too."""
    fitting = [kind(r.slug) for r in CATALOGUE.node_types if is_model(GPU(0, "", row["product_name"]), kind(r.slug))]
    for node_type in fitting:
        inventory = replace(H100X8, gpus=(GPU(0, "GPU-0", row["product_name"], memory_mib=int(row["memory_mib"])),))
        parts = [found["part"] for found in differences(inventory, node_type)]
        assert "GPU 0, memory" not in parts and "GPU 0, model" not in parts


def test_whatever_matches_is_the_most_demanding_type_that_fits() -> None:
    small, large = kind("h100x8"), kind("h100x8")
    small.slug, small.nvme_gb = "small", 3840
    assert match(H100X8, [small, large, kind("a100x8")]) is large
    assert match(with_gpu(1, lost=True), [small, large]) is None


def test_the_nearest_type_has_the_same_gpus() -> None:
    kinds = [kind(row.slug) for row in CATALOGUE.node_types]
    found = nearest(replace(H100X8, gpus=H100X8.gpus[:7], vcpus=64), kinds)
    assert found is not None and found.slug == "h100x8"
    assert nearest(H100X8, []) is None


def test_a_target_is_missed_below_its_tolerance_or_unmeasured() -> None:
    targets = [Target(measure=Measure.MATMUL, value=600), Target(measure=Measure.DISK_READ, value=1500)]
    assert too_slow(targets, {"matmul": 570.0, "disk_read": 1425.0}) == []
    assert said(too_slow(targets, {"matmul": 569.9})) == [
        ("matrix product, FP16 TFLOP/s (slowest GPU)", "at least 570 TFLOP/s", "569.9 TFLOP/s"),
        ("disk, sequential read, MB/s", "at least 1,425 MB/s", "not measured"),
    ]


def test_nothing_has_changed() -> None:
    assert differences_between(H100X8, replace(H100X8, boot_id="another", free_gb=3, kernel="6.12")) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (
            replace(H100X8, gpus=H100X8.gpus[:7]),
            ("GPU 0000:07:00.0", "NVIDIA H100 80GB HBM3 GPU-7", "missing"),
        ),
        (
            with_gpu(2, uuid="GPU-other"),
            ("GPU 0000:02:00.0", "NVIDIA H100 80GB HBM3 GPU-2", "NVIDIA H100 80GB HBM3 GPU-other"),
        ),
        (replace(H100X8, disks=H100X8.disks[1:]), ("disk nvme0n1", "SAMSUNG S0", "missing")),
        (
            replace(H100X8, disks=(disk(0, serial="S-new"), *H100X8.disks[1:])),
            ("disk nvme0n1", "SAMSUNG S0", "SAMSUNG S-new"),
        ),
        (replace(H100X8, disks=(*H100X8.disks, disk(42))), ("disk nvme42n1", "none", "SAMSUNG S42")),
        (
            replace(H100X8, disks=(disk(0, read_only=True), *H100X8.disks[1:])),
            ("disk nvme0n1", "writable", "read-only"),
        ),
        (replace(H100X8, memory_gb=1500), ("memory", "2015 GB", "1500 GB")),
        (replace(H100X8, vcpus=112), ("vCPUs", "224", "112")),
        (with_gpu(4, remap_pending=True), ("GPU 4, memory rows", "sound", "one is to be remapped (reset the GPU)")),
    ],
)
def test_what_has_changed_between_two_looks(after: Inventory, expected: tuple[str, str, str]) -> None:
    assert said(differences_between(H100X8, after)) == [expected]


def test_a_gpu_that_fell_off_the_bus_between_two_looks_is_missing_and_lost() -> None:
    after = with_gpu(5, lost=True, uuid="", name="")
    assert [part for part, _, _ in said(differences_between(H100X8, after))] == ["GPU 0000:05:00.0", "GPU 5"]


def test_disks_and_gpus_that_only_changed_places_are_the_same() -> None:
    gpus = tuple(replace(found, index=7 - found.index) for found in reversed(H100X8.gpus))
    disks = tuple(replace(found, name=f"nvme{8 - n}n1") for n, found in enumerate(H100X8.disks))
    assert differences_between(H100X8, replace(H100X8, gpus=gpus, disks=disks)) == []


def test_of_equal_disks_without_serials_the_missing_one_is_told() -> None:
    before = replace(H100X8, disks=tuple(Disk(name, "", "QEMU", 100, "virtual") for name in ("vda", "vdb")))
    after = replace(before, disks=before.disks[1:])
    assert said(differences_between(before, after)) == [("disk vda", "QEMU 100 GB", "missing")]


def test_what_was_broken_before_is_not_told_again() -> None:
    worn = with_gpu(4, ecc_uncorrected=1)
    assert differences_between(worn, worn) == []


def test_a_sentence_names_the_first_three() -> None:
    found = differences(replace(H100X8, gpus=H100X8.gpus[:4], vcpus=2, memory_gb=4, free_gb=1), kind("h100x8"))
    assert sentence(found) == (
        "GPUs: 4 instead of 8; vCPUs: 2 instead of 224; memory: 4 GB instead of 2048 GB; and 1 more"
    )
