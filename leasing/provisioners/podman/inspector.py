"""Looking at real hosts: the first login, what they are made of, what they reach, what their tenants' logs say."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from leasing.inspection.inventory import Inventory
from leasing.inspection.nvidia import Unreadable
from leasing.provisioners.base import Credentials, Host, HostUnfit, Log, Reading
from leasing.provisioners.podman import adoption, survey, watching
from leasing.provisioners.podman.command import command, sections

MEASURE_SECONDS = 1800.0
MEASURES = frozenset({"gpu_memory_bandwidth", "matmul", "disk_write", "disk_read", "network"})
LOG_SECONDS = 60.0
LOG_BYTES = 64 * 1024


class PodmanInspector:
    """Speaks to hosts over SSH. Holds no state of its own."""

    def adopt(self, *, address: str, port: int, fingerprint: str, credentials: Credentials, operator_key: str) -> str:
        """See Inspector."""
        return adoption.adopt(
            address=address, port=port, fingerprint=fingerprint, credentials=credentials, operator_key=operator_key
        )

    def inspect(self, host: Host) -> Inventory:
        """See Inspector."""
        try:
            return survey.inventory(host)
        except Unreadable as error:
            raise HostUnfit(f"Node {host.node_id}: {error}") from error

    def measure(self, host: Host) -> Mapping[str, float]:
        """See Inspector."""
        answer = command(host, "measure", "host", timeout=MEASURE_SECONDS)
        return {line[1]: float(line[2]) for line in answer if line[0] == "measure" and line[1] in MEASURES}

    def log(self, host: Host, machine_id: str, log: Log) -> str:
        """See Inspector."""
        text = sections(command(host, "log", machine_id, timeout=LOG_SECONDS, log=log)).get(log, "")
        return text.encode()[-LOG_BYTES:].decode(errors="ignore")

    async def watch(self, hosts: Sequence[Host], push: Callable[[Reading], None], *, every: float) -> None:
        """See Inspector."""
        await asyncio.gather(*(watching.Watched(host, push, every).forever() for host in hosts))
