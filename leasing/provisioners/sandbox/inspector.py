"""Looking at simulated nodes. What they are made of and reach is made up from their node type, and says SIMULATED."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import asyncssh

from leasing.inspection.inventory import Inventory
from leasing.provisioners.base import (
    Credentials,
    CredentialsRefused,
    Host,
    HostKeyMismatch,
    HostUnfit,
    Log,
    Reading,
    Unreachable,
)
from leasing.provisioners.sandbox.command import command
from leasing.provisioners.sandbox.watching import Watch

ANSWER_SECONDS = 10.0


class SandboxInspector:
    """Asks the sandbox node host. Holds no state of its own."""

    def adopt(self, *, address: str, port: int, fingerprint: str, credentials: Credentials, operator_key: str) -> str:
        """See Inspector. The node host admits the operator's key or nobody, so that the credentials are not needed."""
        host_key = _host_key(address, port)
        shown = host_key.get_fingerprint()
        if fingerprint and fingerprint != shown:
            raise HostKeyMismatch(
                f"{address}:{port} answers with the host key {shown}, not {fingerprint}; nothing was sent to it."
            )
        line = " ".join(host_key.export_public_key().decode().split()[:2])
        host = Host(
            node_id="new",
            provisioner="sandbox",
            address=address,
            port=port,
            user=credentials.user,
            host_key=line,
            identity=operator_key,
            facts={},
        )
        try:
            command(host, "greet", timeout=ANSWER_SECONDS)
        except HostUnfit as refusal:
            raise CredentialsRefused(f"{address}:{port} does not admit the operator's key.") from refusal
        return line

    def inspect(self, host: Host) -> Inventory:
        """See Inspector."""
        return Inventory.of(command(host, "inspect", facts=dict(host.facts)))

    def measure(self, host: Host) -> Mapping[str, float]:
        """See Inspector."""
        figures: Mapping[str, float] = command(host, "measure", facts=dict(host.facts))
        return figures

    def log(self, host: Host, machine_id: str, log: Log) -> str:
        """See Inspector."""
        return str(command(host, "log", machine=machine_id, log=log))

    async def watch(self, hosts: Sequence[Host], push: Callable[[Reading], None], *, every: float) -> None:
        """See Inspector. All nodes of one node host share one connection."""
        doors = defaultdict(list)
        for host in hosts:
            doors[host.address, host.port, host.user, host.host_key, host.identity].append(host)
        async with asyncio.TaskGroup() as group:
            for same in doors.values():
                group.create_task(Watch(same, push).keep(every=every))


def _host_key(address: str, port: int) -> asyncssh.SSHKey:
    """The key that answers. Raises Unreachable when none does."""
    try:
        asked = asyncssh.get_server_host_key(address, port, config=None)
        key = asyncio.run(asyncio.wait_for(asked, ANSWER_SECONDS))
    except (OSError, asyncssh.Error) as error:
        raise Unreachable(f"{address}:{port} cannot be reached: {error}") from error
    if key is None:
        raise Unreachable(f"{address}:{port} shows no host key.")
    return key
