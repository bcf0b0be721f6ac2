"""An inspector whose hosts are what a test says: a whole machine of a type, or one with something wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from leasing.inspection.inventory import GPU, NIC, Disk, Inventory
from leasing.provisioners.base import Credentials, Host, Log, ProvisionerError, Reading
from marketplace.models import NodeType
from tests.factories import PUBLIC_KEY

FIGURES = {"gpu_memory_bandwidth": 3000.0, "matmul": 700.0, "disk_write": 2000.0, "disk_read": 5000.0, "network": 400.0}


def a_whole(kind: NodeType) -> Inventory:
    """What a host of the type is made of."""
    model = kind.gpu_model
    gpus = [
        GPU(
            index=n,
            uuid=f"GPU-{n}",
            name=f"NVIDIA {model.name}",
            memory_mib=model.memory_gb * 1024,
            pci=f"0000:0{n}:00.0",
        )
        for n in range(kind.gpu_count)
        if model
    ]
    return Inventory(
        hostname="host", kernel="6.1", boot_id="boot", cpu="CPU", vcpus=kind.vcpus, memory_gb=kind.memory_gb,
        free_gb=kind.nvme_gb, gpus=tuple(gpus), disks=(Disk("nvme0n1", "S0", "DISK", kind.nvme_gb, "nvme"),),
        nics=(NIC("eth0", "02:00", float(kind.network_gbps)),),
    )  # fmt: skip


@dataclass
class Scripted:
    """`errors` are raised one after the other, each by the step that it is named for; `heard` are the calls."""

    inventory: Inventory | None = None
    figures: Mapping[str, float] = field(default_factory=lambda: FIGURES)
    errors: list[tuple[str, ProvisionerError]] = field(default_factory=list)
    heard: list[tuple[str, Any]] = field(default_factory=list)

    def adopt(self, *, address: str, port: int, fingerprint: str, credentials: Credentials, operator_key: str) -> str:
        """Answers with the tests' key."""
        self._hear("adopt", (address, port, fingerprint, credentials))
        return PUBLIC_KEY

    def inspect(self, host: Host) -> Inventory:
        """What the test says."""
        self._hear("inspect", host)
        assert self.inventory
        return self.inventory

    def measure(self, host: Host) -> Mapping[str, float]:
        """What the test says."""
        self._hear("measure", host)
        return self.figures

    def log(self, host: Host, machine_id: str, log: Log) -> str:
        """Nothing."""
        return ""

    async def watch(self, hosts: Sequence[Host], push: Callable[[Reading], None], *, every: float) -> None:
        """Nothing."""

    def without(self, **changed: Any) -> None:
        """The host is as before, but for some parts."""
        assert self.inventory
        self.inventory = replace(self.inventory, **changed)

    def fail(self, step: str, error: ProvisionerError, *, times: int = 1) -> None:
        """The step fails so often, then goes well."""
        self.errors += [(step, error)] * times

    def _hear(self, step: str, what: Any) -> None:
        self.heard.append((step, what))
        for place, (of, error) in enumerate(self.errors):
            if of == step:
                del self.errors[place]
                raise error
