"""What tests and demonstrations break on simulated nodes: the control verb `break`. It survives a restart of the host.

echo '{"node": "nd_…", "what": "gpu_lost", "gpu": 1}' | ssh -p PORT -i operator_key root@127.0.0.1 break
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from standins.nodes.state import Refused, named, write


@dataclass(kw_only=True)
class Fault:
    """One node's condition. `lost` are the indexes of GPUs that fell off the bus, `xids` the pairs (GPU, code) that
    nobody has heard of yet; a `silent` node answers no command. `boots` counts how often it was restarted."""

    lost: list[int] = field(default_factory=list)
    xids: list[tuple[int, int]] = field(default_factory=list)
    silent: bool = False
    boots: int = 0

    def hear_xids(self) -> dict[int, int]:
        """The newest code of each GPU since this was last asked."""
        heard = dict(self.xids)
        self.xids = []
        return heard


class Faults:
    """Every node's condition; one that was never broken is well."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known = {path.name: Fault(**json.loads(path.read_text())) for path in folder.glob("[!.]*")}

    def of(self, node: str) -> Fault:
        """The node's condition."""
        return self.known.get(node) or Fault()

    def boot_id(self, node: str) -> str:
        """The kernel's id of this boot, as it would be: new after each restart of the node and stable until then."""
        digest = hashlib.sha256(f"{node} {self.of(node).boots}".encode()).hexdigest()
        return "-".join(digest[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))

    def change(self, request: dict[str, Any]) -> Fault:
        """
        Breaks `what` of the node, or mends all but the boots: gpu_lost and xid (with `gpu`, an index, and `code`),
        reboot, silence, mend.

        :raises Refused: for anything else
        """
        fault = self.known.setdefault(named(request["node"]), Fault())
        gpu = int(request.get("gpu", 0))
        match request["what"]:
            case "gpu_lost":
                fault.lost = sorted({*fault.lost, gpu})
            case "xid":
                fault.xids = [*fault.xids, (gpu, int(request.get("code", 79)))]
            case "reboot":
                fault.boots += 1
            case "silence":
                fault.silent = True
            case "mend":
                fault.lost, fault.xids, fault.silent = [], [], False
            case what:
                raise Refused("ProvisionerError", f"Nobody can break {what!r} of a node.")
        write(self.folder / request["node"], json.dumps(asdict(fault) | {"xids": []}))  # an error is of the moment
        return fault
