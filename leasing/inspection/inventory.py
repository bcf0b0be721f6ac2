"""A host's parts as they were seen. Kept as JSON beside the node; a wipe compares with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class GPU:
    """One GPU. `memory_mib` is the driver's figure, a little below the maker's. None: the driver does not tell.

    `remap_pending` waits for a reset; `remap_failed` means that the GPU must be replaced. `lost` says that it is listed
    but does not answer: it fell off the bus."""

    index: int
    uuid: str
    name: str
    serial: str = ""
    memory_mib: int = 0
    driver: str = ""
    pci: str = ""
    ecc: bool | None = None
    ecc_uncorrected: int | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    mig: bool = False
    nvlinks: int | None = None  # active links
    lost: bool = False


@dataclass(frozen=True)
class Disk:
    """One disk: a whole device, never a partition. `kind` is nvme, ssd, hdd or virtual."""

    name: str
    serial: str
    model: str
    size_gb: int
    kind: str
    read_only: bool = False


@dataclass(frozen=True)
class NIC:
    """One network interface of hardware. `gbps` is the link's speed in Gbit/s, None while it has no link."""

    name: str
    mac: str
    gbps: float | None


@dataclass(frozen=True)
class Inventory:
    """A whole host. `free_gb` is what a tenant's disk could take now."""

    hostname: str
    kernel: str
    boot_id: str
    cpu: str
    vcpus: int
    memory_gb: int
    free_gb: int
    gpus: tuple[GPU, ...] = ()
    disks: tuple[Disk, ...] = ()
    nics: tuple[NIC, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, as stored."""
        return asdict(self)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Inventory:
        """The inventory that `as_json` stored."""
        parts = {"gpus": GPU, "disks": Disk, "nics": NIC}
        lists = {name: tuple(kind(**row) for row in stored.get(name, ())) for name, kind in parts.items()}
        return cls(**{**stored, **lists})
