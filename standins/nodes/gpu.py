"""`nvidia-smi` as a simulated node has it: a shell script that reports the node type's GPUs and says so."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from standins.nodes import hardware

SCRIPT = Path(__file__).with_name("nvidia_smi.sh")
HEAD = """#!/bin/sh
# SIMULATED: this node has no GPU. It reports what the node type would have.
"""


def nvidia_smi(node: str, facts: dict[str, Any], lost: Sequence[int] = ()) -> str:
    """The script for a node with these facts, some of whose GPUs have fallen off the bus."""
    count = hardware.gpu_count(facts)
    settings = {
        "node": node,
        "model": facts.get("gpu_model") or "no GPU",
        "count": count,
        "memory": hardware.gpu_memory_mib(facts),
        "serials": " ".join(hardware.serial(node, f"gpu {index}") for index in range(count)),
        "lost": " ".join(map(str, lost)),
        "watts": hardware.model_figures(facts)[0],
    }
    lines = [f"{name}={quote(str(value))}\n" for name, value in settings.items()]
    return HEAD + "".join(lines) + SCRIPT.read_text()


def install(folder: Path, node: str, facts: dict[str, Any], lost: Sequence[int] = ()) -> None:
    """Puts the script into `folder`, readable and executable by the tenant and writable by nobody else."""
    folder.mkdir(parents=True, exist_ok=True)
    script, fresh = folder / "nvidia-smi", folder / ".nvidia-smi.new"
    fresh.write_text(nvidia_smi(node, facts, lost))
    fresh.chmod(0o755)
    fresh.replace(script)
    folder.chmod(0o755)
