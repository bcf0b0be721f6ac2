"""What a host is, against what its node type promises; and what it is now, against what it was."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypedDict

from leasing.inspection.inventory import GPU, Disk, Inventory
from marketplace.models import Measure, NodeType, Target

MEMORY = 0.95  # of the promise: firmware and kernel keep some
GPU_MEMORY = (0.92, 1.04)  # of the promise in GiB: ECC on GDDR keeps a sixteenth; 80 GB is neither 40 nor 94
DISK = 0.95  # of the promise, over all disks that do not spin
FREE = 0.80  # of the promise: system, images and file systems keep some
NETWORK = 0.95  # of the promise, over all cards with a link

UNITS = {
    Measure.GPU_MEMORY_BANDWIDTH: "GB/s",
    Measure.MATMUL: "TFLOP/s",
    Measure.DISK_WRITE: "MB/s",
    Measure.DISK_READ: "MB/s",
    Measure.NETWORK: "Gbit/s",
}

NOT_MEASURED = "not measured"

_WORD = re.compile(r"[a-z0-9]+")
_MEMORY_WORD = re.compile(r"\d+gb|gb|hbm\d?e?")
_NOT_MODEL = frozenset({"nvidia", "amd", "tesla", "geforce", "instinct", "generation", "grace", "hopper"})
_BOARDS = frozenset({"pcie", "nvl", "sxm"})


class Difference(TypedDict):
    """One part that is not as it must be, in words with units."""

    part: str
    promised: str
    found: str


def match(inventory: Inventory, node_types: Iterable[NodeType]) -> NodeType | None:
    """The most demanding of the node types that the host is; None where it is none of them."""
    fitting = [kind for kind in node_types if not differences(inventory, kind)]
    return max(fitting, key=lambda k: (k.gpu_count, k.vcpus, k.memory_gb, k.nvme_gb, k.network_gbps), default=None)


def nearest(inventory: Inventory, node_types: Iterable[NodeType]) -> NodeType | None:
    """Of node types that the host is not: the one with the same GPUs, as many, and the fewest other differences."""

    def distance(kind: NodeType) -> tuple[int, int, int]:
        model = sum(not is_model(gpu, kind) for gpu in inventory.gpus)
        return model, abs(kind.gpu_count - len(inventory.gpus)), len(differences(inventory, kind))

    return min(node_types, key=distance, default=None)


def differences(inventory: Inventory, node_type: NodeType) -> list[Difference]:
    """All that is less than the type promises, is another model, or is broken; a host that has more is no worse."""
    return [*gpu_differences(inventory.gpus, node_type), *_rest(inventory, node_type), *broken(inventory)]


def is_model(gpu: GPU, node_type: NodeType) -> bool:
    """
    Whether the driver's name of the GPU means the catalogue's model.

    The words that remain without maker, family and memory must be the same: "NVIDIA H100 80GB HBM3" and "H100 SXM"
    leave h100, while A10 is not A10G and RTX 4080 SUPER not RTX 4080. Drivers name PCIe and NVL boards, not always SXM:
    a promised PCIe must be named, and a promised SXM must not be named a board. Memory is compared by its figure.
    """
    model = node_type.gpu_model
    if model is None or not _words(gpu.name):
        return False
    promised, found = _words(model.name), _words(gpu.name)
    return _fits_board(promised, found) and promised - _BOARDS == found - _BOARDS


def _fits_board(promised: set[str], found: set[str]) -> bool:
    if "pcie" in promised:
        return "pcie" in found
    if "sxm" in promised:
        return not found & {"pcie", "nvl"}
    return ("nvl" in found) == ("nvl" in promised)


def _words(name: str) -> set[str]:
    words = (re.sub(r"^sxm\d$", "sxm", word) for word in _WORD.findall(name.lower()))
    said = {word for word in words if not _MEMORY_WORD.fullmatch(word)} - _NOT_MODEL
    return said - {word for word in said if re.search(rf"\b{word} gb\b", name.lower())}  # the 80 of "A100 80 GB"


def gpu_differences(gpus: Sequence[GPU], node_type: NodeType) -> Iterator[Difference]:
    """How many GPUs there are, of which model and memory, where that is not as the type promises."""
    if len(gpus) != node_type.gpu_count:
        yield _differs("GPUs", node_type.gpu_count, len(gpus))
    model = node_type.gpu_model
    if model is None:
        return
    least, most = (share * model.memory_gb * 1024 for share in GPU_MEMORY)
    for gpu in (gpu for gpu in gpus if not gpu.lost):
        if not is_model(gpu, node_type):
            yield _differs(f"GPU {gpu.index}, model", model.name, gpu.name or "unknown")
        elif not least <= gpu.memory_mib <= most:
            yield _differs(f"GPU {gpu.index}, memory", f"{model.memory_gb} GB", f"{gpu.memory_mib / 1024:.0f} GB")


def _rest(inventory: Inventory, node_type: NodeType) -> Iterator[Difference]:
    disks = sum(disk.size_gb for disk in inventory.disks if disk.kind != "hdd")
    if inventory.vcpus < node_type.vcpus:
        yield _differs("vCPUs", node_type.vcpus, inventory.vcpus)
    if inventory.memory_gb < node_type.memory_gb * MEMORY:
        yield _differs("memory", f"{node_type.memory_gb} GB", f"{inventory.memory_gb} GB")
    if disks < node_type.nvme_gb * DISK:
        yield _differs("disks", f"{node_type.nvme_gb} GB", f"{disks} GB")
    elif inventory.free_gb < node_type.nvme_gb * FREE:
        yield _differs("free disk space", f"{node_type.nvme_gb * FREE:.0f} GB", f"{inventory.free_gb} GB")
    linked = sum(nic.gbps for nic in inventory.nics if nic.gbps)
    if linked and linked < node_type.network_gbps * NETWORK:  # virtual cards tell no speed
        yield _differs("network", f"{node_type.network_gbps} Gbit/s", f"{linked:g} Gbit/s")


def broken(inventory: Inventory) -> Iterator[Difference]:
    """What no node may have, whatever its type."""
    for gpu in inventory.gpus:
        name, links = f"GPU {gpu.index}", max((other.nvlinks or 0 for other in inventory.gpus), default=0)
        if gpu.lost:
            yield _differs(name, "answering", f"lost (PCI {gpu.pci or 'unknown'})")
        if gpu.ecc_uncorrected:
            yield _differs(f"{name}, uncorrected memory errors", 0, gpu.ecc_uncorrected)
        if gpu.remap_failed:
            yield _differs(f"{name}, memory rows", "sound", "one could not be remapped (replace the GPU)")
        elif gpu.remap_pending:
            yield _differs(f"{name}, memory rows", "sound", "one is to be remapped (reset the GPU)")
        if gpu.mig:
            yield _differs(f"{name}, MIG", "off", "on")
        if gpu.nvlinks is not None and gpu.nvlinks < links:
            yield _differs(f"{name}, NVLinks", f"{links} active", f"{gpu.nvlinks} active")
    for disk in inventory.disks:
        if disk.read_only:
            yield _differs(f"disk {disk.name}", "writable", "read-only")


def too_slow(targets: Iterable[Target], measures: Mapping[str, float]) -> list[Difference]:
    """The targets that the measured figures miss, or that were not measured."""
    missed = []
    for target in targets:
        unit, found = UNITS[Measure(target.measure)], measures.get(target.measure)
        least = f"at least {target.least:,g} {unit}"
        if found is None:
            missed.append(_differs(Measure(target.measure).label, least, NOT_MEASURED))
        elif found < target.least:
            missed.append(_differs(Measure(target.measure).label, least, f"{found:,.6g} {unit}"))
    return missed


def differences_between(before: Inventory, after: Inventory) -> list[Difference]:
    """What is missing, new, exchanged or broken now; "promised" is how it was before."""
    changed = [*_parts_between(before, after)]
    if after.vcpus != before.vcpus:
        changed.append(_differs("vCPUs", before.vcpus, after.vcpus))
    if after.memory_gb < before.memory_gb * MEMORY:
        changed.append(_differs("memory", f"{before.memory_gb} GB", f"{after.memory_gb} GB"))
    was_broken = [*broken(before)]
    return changed + [difference for difference in broken(after) if difference not in was_broken]


def _parts_between(before: Inventory, after: Inventory) -> Iterator[Difference]:
    was = {**_named_gpus(before.gpus), **_named_disks(before.disks)}
    now = {**_named_gpus(after.gpus), **_named_disks(after.disks)}
    gone, new = Counter(was.values()), Counter(now.values())
    gone, new = gone - new, new - gone
    for place, identity in was.items():
        if gone[identity] and now.get(place) != identity:
            instead = now.get(place, "")
            yield _differs(place, identity, instead if new[instead] else "missing")
            gone[identity], new[instead] = gone[identity] - 1, new[instead] - 1
    for place, identity in now.items():
        if new[identity] > 0 and was.get(place) != identity:
            yield _differs(place, "none", identity)
            new[identity] -= 1


def _named_gpus(gpus: Iterable[GPU]) -> dict[str, str]:
    """By place: a GPU that moved to another slot or index is the same one."""
    return {f"GPU {gpu.pci or gpu.index}": f"{gpu.name} {gpu.uuid}" for gpu in gpus if not gpu.lost}


def _named_disks(disks: Iterable[Disk]) -> dict[str, str]:
    return {f"disk {disk.name}": f"{disk.model or disk.kind} {disk.serial or f'{disk.size_gb} GB'}" for disk in disks}


def sentence(differences: Sequence[Difference], *, most: int = 3) -> str:
    """The first few as words, such as "GPUs: 7 instead of 8"."""
    said = [f"{d['part']}: {d['found']} instead of {d['promised']}" for d in differences[:most]]
    rest = len(differences) - most
    return "; ".join(said) + (f"; and {rest} more" if rest > 0 else "")


def _differs(part: str, promised: object, found: object) -> Difference:
    return {"part": part, "promised": f"{promised}", "found": f"{found}"}
