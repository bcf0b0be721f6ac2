"""Simulated nodes: the control side of the sandbox node host, one process that serves all of them.

The address and host key of every such node are the node host's own.
"""

from datetime import datetime
from typing import Any

from leasing.provisioners.base import Check, Endpoint, Health, Host, Observation, Service, Tenancy, WipeProof
from leasing.provisioners.reach import tenant_path_answers
from leasing.provisioners.sandbox.command import command

WIPE_SECONDS = 300.0


class Sandbox:
    """Speaks to the sandbox node host. Holds no state of its own."""

    def prepare(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """See Provisioner."""
        return Endpoint(**command(host, "ensure", **_wanted(host, tenancy)))

    def check(self, host: Host, tenancy: Tenancy) -> Health:
        """See Provisioner."""
        return Health(_checks(command(host, "check", machine=tenancy.machine_id)))

    def reach(self, endpoint: Endpoint, *, timeout: float = 10.0) -> None:
        """See Provisioner."""
        tenant_path_answers(endpoint, timeout=timeout)

    def pause(self, host: Host, tenancy: Tenancy) -> None:
        """See Provisioner."""
        command(host, "pause", machine=tenancy.machine_id, epoch=tenancy.epoch)

    def resume(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """See Provisioner."""
        return Endpoint(**command(host, "resume", **_wanted(host, tenancy)))

    def revoke(self, host: Host, machine_id: str, epoch: int) -> None:
        """See Provisioner."""
        command(host, "revoke", machine=machine_id, epoch=epoch)

    def wipe(self, host: Host, machine_id: str, epoch: int) -> WipeProof:
        """See Provisioner."""
        answer = command(host, "wipe", timeout=WIPE_SECONDS, machine=machine_id, epoch=epoch)
        return WipeProof(
            answer["method"],
            _checks(answer["checks"]),
            datetime.fromisoformat(answer["started_at"]),
            datetime.fromisoformat(answer["completed_at"]),
        )

    def observe(self, host: Host, machine_id: str) -> Observation:
        """See Provisioner."""
        state: Observation = command(host, "observe", machine=machine_id)
        return state

    def service(self, host: Host, tenancy: Tenancy, what: Service) -> Endpoint:
        """See Provisioner."""
        return Endpoint(**command(host, "service", what=what, **_wanted(host, tenancy)))


def _wanted(host: Host, tenancy: Tenancy) -> dict[str, Any]:
    """The tenancy as the node host's words."""
    return {
        "machine": tenancy.machine_id,
        "epoch": tenancy.epoch,
        "keys": list(tenancy.ssh_keys),
        "startup_script": tenancy.script,
        "image": tenancy.image,
        "label": tenancy.label,
        "peers": {name: peer.address for name, peer in tenancy.peers.items()},
        "environment": dict(tenancy.environment),
        "seconds_left": tenancy.seconds_left,
        "interruption": tenancy.interruption,
        "facts": dict(host.facts),
    }


def _checks(rows: list[list[Any]]) -> tuple[Check, ...]:
    return tuple(Check(name, passed, detail) for name, passed, detail in rows)
