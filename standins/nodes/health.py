"""Looking at a running tenancy as its tenant would meet it."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE

from standins.nodes.processes import spawn
from standins.nodes.state import Record, State

Row = tuple[str, bool, str]


async def answers(address: str, record: Record) -> Row:
    """Whether the tenancy's SSH server greets."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address, record.port), 5)
        banner = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    except (OSError, TimeoutError) as error:
        return "ssh", False, f"port {record.port} does not answer: {error}"
    return "ssh", banner.startswith(b"SSH-2.0"), banner.decode(errors="replace").strip()


async def gpus(state: State, record: Record) -> Row:
    """Whether nvidia-smi lists as many GPUs as the node type has."""
    smi = str(state.tools(record.machine) / "nvidia-smi")
    child = await spawn(state, record, [smi, "-L"], streams=(DEVNULL, PIPE, DEVNULL))
    output, _ = await asyncio.wait_for(child.communicate(), 10)
    seen, wanted = len(output.decode().splitlines()), int(record.facts.get("gpu_count") or 0)
    return "gpu", seen == wanted, f"{seen} of {wanted} simulated GPUs report"
