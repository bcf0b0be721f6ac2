"""Sweeping a fleet: every node looked at each interval, its health and its samples written site by site."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from django.db import connection

from bench.fleet_world import GPUS, Fleet, SimulatedNode, everybody
from bench.table import Table, seconds
from config.environment import keypair
from leasing.provisioners import inspector_for
from leasing.provisioners.base import Host, Reading
from leasing.telemetry.house import keep_house
from leasing.telemetry.looks import upsert_health
from leasing.telemetry.partitions import MINUTE, SLOT, floor
from leasing.telemetry.samples import Numbers, write

LONGEST_AGE = 20.0  # seconds that the word about a node may be old
DATABASE_SECONDS = 0.5
INTERVAL = 15.0


def looking(table: Table, fleet: Fleet, *, rounds: int) -> None:
    """The database's part of a sweep: the newest word about every node, in one go and site by site."""
    nodes = everybody(fleet)
    whole, by_site = [], []
    for _ in range(rounds):
        whole.append(seconds(lambda: upsert_health(_looks(nodes))))
        by_site.append(seconds(lambda: [upsert_health(_looks(part)) for part in fleet.values()]))
    for name, times in (
        (f"health of {len(nodes):,} nodes in one call", whole),
        (f"the same, in {len(fleet)} calls, one a site", by_site),
    ):
        table.add(name, min(times), "s", bar=DATABASE_SECONDS, most=True, middle=median(times))


def _looks(nodes: Iterable[SimulatedNode]) -> list[tuple[int, datetime, str, str, str]]:
    at = datetime.now(UTC)
    return [(node.key, at, "", "", "simulated") for node in nodes]


@dataclass
class Sweep:
    """What the sweeps of a fleet did: when each node was last heard, how old that was when news came, what it took."""

    keys: dict[str, int]
    sites: dict[str, str]
    sizes: dict[str, int]
    heard: dict[str, datetime] = field(default_factory=dict)
    ages: list[float] = field(default_factory=list)
    database_seconds: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    rows: int = 0
    nodes: int = 0
    known: Numbers = field(default_factory=dict)
    waiting: dict[str, list[Reading]] = field(default_factory=dict)

    @classmethod
    def of(cls, fleet: Fleet) -> "Sweep":
        """Nothing heard yet."""
        nodes = everybody(fleet)
        return cls(
            {node.name: node.key for node in nodes},
            {node.name: node.site for node in nodes},
            {site: len(part) for site, part in fleet.items()},
        )

    def collect(self, reading: Reading) -> list[Reading] | None:
        """The whole site's readings once the last of them has come."""
        site = self.sites[reading.node_id]
        batch = self.waiting.setdefault(site, [])
        batch.append(reading)
        return self.waiting.pop(site) if len(batch) == self.sizes[site] else None

    def store(self, batch: list[Reading]) -> None:
        """Write one site's batch, and note how old the word before it had become."""
        began = time.perf_counter()
        upsert_health(
            (self.keys[seen.node_id], seen.at, "" if seen.reached else "unreachable", seen.detail, seen.boot_id)
            for seen in batch
        )
        self.rows += len(batch) + write(_on_slots(batch), known=self.known)
        self.stored.append(time.perf_counter())
        self.database_seconds.append(self.stored[-1] - began)
        self.nodes += len(batch)
        now = datetime.now(UTC)
        self.ages += [(now - self.heard[seen.node_id]).total_seconds() for seen in batch if seen.node_id in self.heard]
        self.heard |= {seen.node_id: seen.at for seen in batch}

    def report(self, table: Table, took: list[float], *, every: float) -> None:
        """The figures, of sweeps that took so long each and began `every` seconds apart."""
        nodes, database = len(self.keys), sum(self.database_seconds)
        sweeps = self.nodes / nodes
        table.add(f"a sweep over {nodes:,} nodes, the longest", max(took), "s", bar=every, most=True)
        table.add("nodes looked at while a sweep runs", nodes / min(took), "nodes/s", middle=nodes / median(took))
        note = f"{len(self.sizes)} batches in a sweep, {database / sweeps:.2f} s together"
        table.add("rows of health and samples while they are written", self.rows / database, "rows/s", note=note)
        table.add("age of a node's health when news came, the oldest", max(self.ages), "s", bar=LONGEST_AGE, most=True)


def _on_slots(batch: list[Reading]) -> list[Reading]:
    slot = floor(batch[0].at, SLOT)
    return [Reading(r.node_id, slot, reached=r.reached, gpus=r.gpus) for r in batch]


def in_process(table: Table, fleet: Fleet, *, every: float, rounds: int) -> None:
    """One process looks at each site in turn; what the network would take is left out."""
    sweep, took, began = Sweep.of(fleet), [], time.perf_counter()

    def everywhere() -> None:
        for nodes in fleet.values():
            at = datetime.now(UTC)
            sweep.store([node.read(at) for node in nodes])

    for place in range(rounds):
        time.sleep(max(0.0, began + place * every - time.perf_counter()))
        took.append(seconds(everywhere))
    sweep.report(table, took, every=every)
    keeping = seconds(lambda: keep_house(now=datetime.now(UTC) + MINUTE))
    table.add(f"a minute of {len(everybody(fleet)) * GPUS:,} GPUs rolled up", keeping, "s")


def over_ssh(table: Table, fleet: Fleet, *, every: float, rounds: int) -> None:
    """Each site is watched over a kept SSH connection of its own, to a node host that is a process of its own."""
    with tempfile.TemporaryDirectory(prefix="gridlease-bench-") as directory, node_host(Path(directory)) as door:
        asyncio.run(_watch_all(table, fleet, door, every=every, rounds=rounds))


async def _watch_all(table: Table, fleet: Fleet, door: Host, *, every: float, rounds: int) -> None:
    """The first turn connects and meets every GPU for the first time: it is heard but not judged."""
    sweep, loop = Sweep.of(fleet), asyncio.get_running_loop()
    sys.setswitchinterval(
        0.0005
    )  # all sites' workers are one process here: its two threads must not wait 5 ms each time
    with ThreadPoolExecutor(1) as writer:  # one connection writes while the loop listens
        writes: list[asyncio.Future[None]] = []

        def push(reading: Reading) -> None:
            if batch := sweep.collect(reading):
                writes.append(loop.run_in_executor(writer, sweep.store, batch))

        began = time.perf_counter()
        watches = [
            asyncio.create_task(inspector_for("sandbox").watch(hosts, push, every=every))
            for hosts in ([replace(door, node_id=node.name) for node in nodes] for nodes in fleet.values())
        ]
        while len(sweep.stored) < (rounds + 1) * len(fleet) and not any(watch.done() for watch in watches):
            await asyncio.sleep(0.05)
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await asyncio.gather(*writes)
        writer.submit(_hang_up).result()
    ends = [sweep.stored[turn * len(fleet) - 1] for turn in range(2, rounds + 2)]
    took = [end - began - turn * every for turn, end in enumerate(ends, start=1)]
    sweep.report(table, took, every=every)


def _hang_up() -> None:
    """In the thread that has the connection."""
    connection.close()


@contextmanager
def node_host(directory: Path) -> Iterator[Host]:
    """The sandbox node host in a process of its own; a Host that needs only a node's id to be one of its nodes."""
    line = keypair(directory / "operator_key")
    assert line
    argv = [sys.executable, "-m", "standins.nodes", "--port", "0", "--state", str(directory / "nodes")]
    argv += ["--authorized-key", str(directory / "operator_key.pub")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            _, address, port, *key = process.stdout.readline().split()
            yield Host(
                node_id="", provisioner="sandbox", address=address, port=int(port), user="root", host_key=" ".join(key),
                identity=str(directory / "operator_key"),
                facts={"gpu_model": "H100 SXM", "gpu_count": GPUS, "gpu_memory_gb": 80, "vcpus": 224, "memory_gb": 2048,
                       "nvme_gb": 30_000},
            )  # fmt: skip
        finally:
            process.terminate()
