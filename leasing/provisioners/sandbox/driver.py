"""Simulated nodes: the control side of the sandbox node host, one process that serves all of them.

A command is one SSH exec of the verb, with a JSON object on its standard input and one on its standard output:
{"ok": …} or {"error": <name of an exception in base>, "message": …}. The address and host key are the node host's own.
"""

import json
from datetime import datetime
from typing import Any

from leasing.provisioners import base
from leasing.provisioners.base import Check, Endpoint, Health, Host, Observation, ProvisionerError, Tenancy, WipeProof
from leasing.provisioners.reach import tenant_path_answers
from leasing.provisioners.ssh import execute

COMMAND_SECONDS = 60.0
WIPE_SECONDS = 300.0


class Sandbox:
    """Speaks to the sandbox node host. Holds no state of its own."""

    def prepare(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """See Provisioner."""
        return Endpoint(**_command(host, "ensure", **_wanted(host, tenancy)))

    def check(self, host: Host, tenancy: Tenancy) -> Health:
        """See Provisioner."""
        return Health(_checks(_command(host, "check", machine=tenancy.machine_id)))

    def reach(self, endpoint: Endpoint, *, timeout: float = 10.0) -> None:
        """See Provisioner."""
        tenant_path_answers(endpoint, timeout=timeout)

    def pause(self, host: Host, tenancy: Tenancy) -> None:
        """See Provisioner."""
        _command(host, "pause", machine=tenancy.machine_id, epoch=tenancy.epoch)

    def resume(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """See Provisioner."""
        return Endpoint(**_command(host, "resume", **_wanted(host, tenancy)))

    def revoke(self, host: Host, machine_id: str, epoch: int) -> None:
        """See Provisioner."""
        _command(host, "revoke", machine=machine_id, epoch=epoch)

    def wipe(self, host: Host, machine_id: str, epoch: int) -> WipeProof:
        """See Provisioner."""
        answer = _command(host, "wipe", timeout=WIPE_SECONDS, machine=machine_id, epoch=epoch)
        return WipeProof(
            answer["method"],
            _checks(answer["checks"]),
            datetime.fromisoformat(answer["started_at"]),
            datetime.fromisoformat(answer["completed_at"]),
        )

    def observe(self, host: Host, machine_id: str) -> Observation:
        """See Provisioner."""
        state: Observation = _command(host, "observe", machine=machine_id)
        return state


def _wanted(host: Host, tenancy: Tenancy) -> dict[str, Any]:
    """The tenancy as the node host's words."""
    return {
        "machine": tenancy.machine_id,
        "epoch": tenancy.epoch,
        "keys": list(tenancy.ssh_keys),
        "startup_script": tenancy.script,
        "image": tenancy.image,
        "label": tenancy.label,
        "facts": dict(host.facts),
    }


def _checks(rows: list[list[Any]]) -> tuple[Check, ...]:
    return tuple(Check(name, passed, detail) for name, passed, detail in rows)


def _command(host: Host, verb: str, *, timeout: float = COMMAND_SECONDS, **arguments: Any) -> Any:
    """Sends one command and returns what its "ok" holds; raises the exception that its "error" names."""
    request = json.dumps({"node": host.node_id, **arguments}).encode()
    _, output, errors = execute(host, verb, stdin=request, timeout=timeout)
    try:
        answer = json.loads(output)
    except ValueError as error:
        said = (errors or output).decode(errors="replace").strip()[:300]
        raise ProvisionerError(f"Node {host.node_id} did not answer as a sandbox node host: {said!r}") from error
    if "ok" in answer:
        return answer["ok"]
    kind = getattr(base, str(answer.get("error")), ProvisionerError)
    raise kind(str(answer.get("message", "The sandbox node host gave no reason.")))
