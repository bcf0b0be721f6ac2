"""Looking at fake nodes: by default they are what their node type promises."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from leasing.inspection.inventory import GPU, NIC, Disk, Inventory
from leasing.provisioners.base import (
    Credentials,
    CredentialsRefused,
    GPUReading,
    Host,
    HostKeyMismatch,
    Log,
    ProvisionerError,
    Reading,
)
from leasing.provisioners.fake.world import WORLD, World, new_host_key

PLENTY = 9_999.0  # what a fake node reaches of every measure: enough for any target
KEPT = 64 << 10  # bytes of a log
IDLE_MW, BUSY_MW = 70_000, 500_000


class FakeInspector:
    """Looks at the shared `WORLD`, or at one of its own."""

    def __init__(self, world: World = WORLD) -> None:
        self.world = world

    def adopt(self, *, address: str, port: int, fingerprint: str, credentials: Credentials, operator_key: str) -> str:
        """Whoever brings the scripted password is admitted from now on, and everybody where none is scripted."""
        with self.world.lock:
            self.world.knock("adopt", address, f"{address}:{port}")
            host_key = self.world.adopted.get(address) or self.world.keys_at.get(address) or new_host_key()
            shown = self.world.fingerprints.get(address) or fingerprint_of(host_key)
            if fingerprint and fingerprint != shown:
                raise HostKeyMismatch(f"{address}:{port} answers with the host key {shown}, not {fingerprint}.")
            wanted = self.world.passwords.get(address)
            brought = {None, credentials.password, credentials.private_key}
            if address not in self.world.adopted and wanted not in brought:
                raise CredentialsRefused(f"{address}:{port} does not admit {credentials.user!r} with what was given.")
            if self.world.failures.get("adopt"):
                raise self.world.failures["adopt"].pop(0)
            self.world.adopted[address] = host_key
            return host_key

    def inspect(self, host: Host) -> Inventory:
        """The scripted inventory, or the promised one, without the GPUs that are lost."""
        with self.world.lock:
            self.world.enter("inspect", host)
            found = self.world.inventories.get(host.node_id) or promised(host)
            lost = self.world.lost_gpus.get(host.node_id, set())
            gpus = tuple(gpu for gpu in found.gpus if gpu.index not in lost)
            return replace(found, gpus=gpus, boot_id=self.world.boots.get(host.node_id, found.boot_id))

    def measure(self, host: Host) -> Mapping[str, float]:
        """The scripted figures, or plenty."""
        with self.world.lock:
            self.world.enter("measure", host)
            gpus = ("gpu_memory_bandwidth", "matmul") if host.facts.get("gpu_count") else ()
            plenty = dict.fromkeys((*gpus, "disk_write", "disk_read", "network"), PLENTY)
            return self.world.measures.get(host.node_id, plenty)

    def log(self, host: Host, machine_id: str, log: Log) -> str:
        """What the machine's script printed, or what was done to it."""
        with self.world.lock:
            self.world.enter("log", host)
            machine = self.world.machines.get(machine_id)
            kept = machine.logs.get(log, "").encode()[-KEPT:] if machine else b""
            return kept.decode(errors="replace")

    async def watch(self, hosts: Sequence[Host], push: Callable[[Reading], None], *, every: float) -> None:
        """A look at each host, turn by turn."""
        while True:
            for host in hosts:
                push(self.look(host))
            await asyncio.sleep(every)

    def look(self, host: Host) -> Reading:
        """One Reading, now. The tenant's own path has no part in it."""
        with self.world.lock:
            at = datetime.now(UTC)
            try:
                self.world.enter("watch", host)
            except ProvisionerError as error:
                return Reading(host.node_id, at, reached=False, detail=str(error))
            machine = self.world.held_by(host.node_id)
            return Reading(
                host.node_id,
                at,
                reached=True,
                boot_id=self.world.boots.get(host.node_id, boot_id_of(host)),
                tenancy=machine.state if machine else "absent",
                gpus=self._gpus(host, busy=machine is not None and machine.state == "running"),
            )

    def _gpus(self, host: Host, *, busy: bool) -> tuple[GPUReading, ...]:
        inventory = self.world.inventories.get(host.node_id) or promised(host)
        xids = self.world.xids.pop(host.node_id, {})
        lost = self.world.lost_gpus.get(host.node_id, set())
        power = BUSY_MW if busy else IDLE_MW
        well = GPUReading(
            0,
            "",
            utilization=80 if busy else 0,
            memory_mib=40_000 if busy else 0,
            temperature_c=65 if busy else 31,
            power_mw=power,
            energy_mj=int(power * self.world.seconds()),
            ecc_uncorrected=0,
        )
        return tuple(
            GPUReading(gpu.index, gpu.uuid, xid=xids.get(gpu.index, 0), lost=True)
            if gpu.index in lost
            else replace(well, index=gpu.index, uuid=gpu.uuid, xid=xids.get(gpu.index, 0))
            for gpu in inventory.gpus
        )


def promised(host: Host) -> Inventory:
    """Exactly what the host's facts say."""
    facts, node = host.facts, host.node_id
    memory = int(float(facts.get("gpu_memory_gb") or 0) * 1024)
    return Inventory(
        hostname=node.replace("_", "-"),
        kernel="in memory",
        boot_id=boot_id_of(host),
        cpu="in memory",
        vcpus=int(facts.get("vcpus") or 0),
        memory_gb=int(facts.get("memory_gb") or 0),
        free_gb=int(facts.get("nvme_gb") or 0),
        gpus=tuple(
            GPU(index, f"GPU-fake-{node}-{index}", str(facts.get("gpu_model")), f"F{node}{index}", memory, "in memory")
            for index in range(int(facts.get("gpu_count") or 0))
        ),
        disks=(Disk("nvme0n1", f"D{node}", "in memory", int(facts.get("nvme_gb") or 0), "nvme"),),
        nics=(NIC("eth0", "02:00:00:00:00:01", 3200.0),),
    )


def boot_id_of(host: Host) -> str:
    """The id of the boot with which a fake node began."""
    return f"boot-of-{host.node_id}"


def fingerprint_of(host_key: str) -> str:
    """The key's fingerprint as OpenSSH writes it."""
    return "SHA256:" + b64encode(sha256(b64decode(host_key.split()[1])).digest()).decode().rstrip("=")
