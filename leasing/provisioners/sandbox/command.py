"""One command to the sandbox node host: an SSH exec of the verb, a JSON object each way.

The answer is {"ok": …} or {"error": <name of an exception in base>, "message": …}.
"""

import json
from typing import Any

from leasing.provisioners import base
from leasing.provisioners.base import Host, ProvisionerError
from leasing.provisioners.ssh import execute

COMMAND_SECONDS = 60.0


def command(host: Host, verb: str, *, timeout: float = COMMAND_SECONDS, **arguments: Any) -> Any:
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
