"""The control verb `watch`: one connection on which a site's worker hears about all its nodes, turn by turn.

The worker sends {"facts": …, "nodes": […]} on a line for each kind of node, then an empty line for each turn that it
wants. A turn is a line for each node (see `telemetry.Meter.line`) and an empty one. A silent node has no line.
"""

import asyncio
import json
import time
from collections.abc import Iterator

import asyncssh

from standins.nodes.host import NodeHost
from standins.nodes.telemetry import Meter

BATCH = 100  # nodes between two moments in which the tenants' sessions are served


async def watch(host: NodeHost, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Serves turns until the other side closes its end."""
    meters: list[Meter] = []
    async for line in process.stdin:
        if line.strip():
            asked = json.loads(line)
            meters += [host.meter(node, asked["facts"]) for node in asked["nodes"]]
        else:
            await _turn(host, meters, process)


async def _turn(host: NodeHost, meters: list[Meter], process: asyncssh.SSHServerProcess[bytes]) -> None:
    running = {record.node: host.condition(record) for record in await asyncio.to_thread(host.state.records)}
    for start in range(0, len(meters), BATCH):
        process.stdout.write(b"".join(_lines(host, meters[start : start + BATCH], running)))
        await process.stdout.drain()
        await asyncio.sleep(0)
    process.stdout.write(b"\n")


def _lines(host: NodeHost, meters: list[Meter], running: dict[str, str]) -> Iterator[bytes]:
    """The lines of those nodes that are not silent."""
    now = time.time()
    for meter in meters:
        fault = host.faults.of(meter.node)
        if not fault.silent:
            tenancy = running.get(meter.node, "absent")
            yield meter.line(now=now, boot_id=host.faults.boot_id(meter.node), tenancy=tenancy, fault=fault)
