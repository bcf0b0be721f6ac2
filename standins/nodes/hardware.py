"""What a simulated node is made of and can do, made up from what its node type promises. Everything says SIMULATED."""

import hashlib
from typing import Any

from standins.nodes.faults import Faults

Facts = dict[str, Any]
DRIVER = "SIMULATED"
LARGEST_DISK_GB = 7680
CARDS, CARD_GBPS = 8, 400.0  # network cards: enough for any node type
ABOVE = 1.01  # a simulated burn-in reaches 1 % more than what is promised

# A part of the model's name: power in W, memory bandwidth in GB/s, FP16 TFLOP/s. The first that is found counts.
MODELS = {
    "GB200": (1200, 8000, 2500),
    "B200": (1000, 7700, 2250),
    "GH200": (1000, 4000, 990),
    "H200": (700, 4800, 989),
    "H100 PCIe": (350, 2000, 756),
    "H100": (700, 3350, 989),
    "A100 40 GB PCIe": (250, 1555, 312),
    "A100 80 GB PCIe": (300, 1935, 312),
    "A100": (400, 2039, 312),
    "MI325X": (1000, 6000, 1307),
    "MI300X": (750, 5300, 1307),
    "L40S": (350, 864, 362),
    "L40": (300, 864, 181),
    "L4": (72, 300, 121),
    "A40": (300, 696, 150),
    "A6000": (300, 768, 155),
    "A10": (150, 600, 125),
    "5090": (575, 1792, 209),
    "4090": (450, 1008, 165),
    "6000": (300, 960, 364),
}
UNKNOWN = (300, 1000, 150)


def model_figures(facts: Facts) -> tuple[int, int, int]:
    """(power in W, memory bandwidth in GB/s, FP16 TFLOP/s) of one of the node's GPUs at full load."""
    name = str(facts.get("gpu_model") or "")
    return next((figures for part, figures in MODELS.items() if part in name), UNKNOWN)


def gpu_count(facts: Facts) -> int:
    """How many GPUs the node type has."""
    return int(facts.get("gpu_count") or 0)


def gpu_memory_mib(facts: Facts) -> int:
    """The memory of one GPU in MiB, as the real nvidia-smi shows it."""
    return int(float(facts.get("gpu_memory_gb") or 0) * 1024)


def gpu_uuid(node: str, index: int) -> str:
    """The identity of a GPU."""
    return f"GPU-simulated-{node}-{index}"


def serial(node: str, part: str) -> str:
    """The serial number of a part of the node: the same each time it is asked for."""
    return "SIM" + hashlib.sha256(f"{node} {part}".encode()).hexdigest()[:10].upper()


def inventory(node: str, facts: Facts, faults: Faults) -> dict[str, Any]:
    """All parts of the node, in the words of the control side. A lost GPU is not among them."""
    lost = faults.of(node).lost
    return {
        "hostname": f"simulated-{node.replace('_', '-').lower()}",
        "kernel": "6.1.0-simulated",
        "boot_id": faults.boot_id(node),
        "cpu": "SIMULATED CPU",
        "vcpus": int(facts.get("vcpus") or 0),
        "memory_gb": int(facts.get("memory_gb") or 0),
        "free_gb": int(facts.get("nvme_gb") or 0),
        "gpus": [_gpu(node, facts, index) for index in range(gpu_count(facts)) if index not in lost],
        "disks": [_disk(node, name, size) for name, size in _disk_sizes(int(facts.get("nvme_gb") or 0)).items()],
        "nics": [{"name": f"eth{at}", "mac": _mac(node, at), "gbps": CARD_GBPS} for at in range(CARDS)],
    }


def measures(facts: Facts) -> dict[str, float]:
    """A burn-in's figures: simulated, a little above the promise of the facts, or above the maker's where there is
    none, so that a simulated node always passes."""
    _, bandwidth, tflops = model_figures(facts)
    gpus = {"gpu_memory_bandwidth": bandwidth, "matmul": tflops} if gpu_count(facts) else {}
    promised = gpus | {"disk_write": 4000, "disk_read": 6500, "network": CARDS * CARD_GBPS}
    return {name: round(float(facts.get(name) or value) * ABOVE, 2) for name, value in promised.items()}


def _gpu(node: str, facts: Facts, index: int) -> dict[str, Any]:
    return {
        "index": index,
        "uuid": gpu_uuid(node, index),
        "name": str(facts.get("gpu_model") or ""),
        "serial": serial(node, f"gpu {index}"),
        "memory_mib": gpu_memory_mib(facts),
        "driver": DRIVER,
        "pci": f"00000000:{16 + index:02X}:00.0",
        "ecc": True,
        "ecc_uncorrected": 0,
        "remap_pending": False,
        "remap_failed": False,
    }


def _disk_sizes(total_gb: int) -> dict[str, int]:
    """The NVMe disks, each as large as can be, that make up the promised space."""
    sizes: dict[str, int] = {}
    while total_gb > 0:
        sizes[f"nvme{len(sizes)}n1"] = min(total_gb, LARGEST_DISK_GB)
        total_gb -= LARGEST_DISK_GB
    return sizes


def _disk(node: str, name: str, size_gb: int) -> dict[str, Any]:
    return {"name": name, "serial": serial(node, name), "model": "SIMULATED NVMe", "size_gb": size_gb, "kind": "nvme"}


def _mac(node: str, card: int) -> str:
    """A locally administered address, which no real card has."""
    digest = hashlib.sha256(f"{node} eth{card}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (2, *digest[:5]))
