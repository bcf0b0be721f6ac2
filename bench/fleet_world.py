"""A simulated fleet: nodes at sites in the database, and GPUs that read as busy ones do."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from accounts.clock import now
from leasing.provisioners.base import GPUReading, Reading
from marketplace.catalogue import load
from marketplace.models import Node, Pool, Site
from marketplace.states import NodeState

GPUS = 8


@dataclass
class SimulatedGPU:
    """Its load wanders; power follows with a few watts of noise, and the energy counter adds up."""

    index: int
    uuid: str
    chance: random.Random
    load: float = 80.0
    memory_mib: int = 70_000
    energy_mj: int = 0

    def read(self, *, seconds: int = 15) -> GPUReading:
        """What the driver tells `seconds` after the last time."""
        gauss = self.chance.gauss
        self.load = min(100.0, max(5.0, self.load + gauss(0, 3)))
        if self.load > 97:
            self.memory_mib = self.chance.randrange(20_000, 80_000)
        power = int(90_000 + 6_000 * self.load + gauss(0, 4_000))
        self.energy_mj += int(seconds * power * gauss(1, 0.01))
        heat = int(35 + self.load * 0.35 + gauss(0, 0.5))
        return GPUReading(self.index, self.uuid, int(self.load), self.memory_mib, heat, power, self.energy_mj, 0, 0)


@dataclass
class SimulatedNode:
    """A node and its GPUs. `key` is its primary key, `name` its public id."""

    key: int
    name: str
    site: str
    gpus: Sequence[SimulatedGPU] = field(default_factory=list)

    def read(self, at: datetime) -> Reading:
        """One look at it."""
        return Reading(
            self.name, at, reached=True, boot_id="simulated", tenancy="running", gpus=tuple(g.read() for g in self.gpus)
        )


Fleet = dict[str, list[SimulatedNode]]
"""The nodes of each site, by its slug."""


def a_fleet(*, nodes: int, sites: int) -> Fleet:
    """That many nodes of eight GPUs, spread evenly over sites of the catalogue; in the database too."""
    load(now=now(), node_limit=0)
    places = list(Site.objects.filter(pools__isnull=False).distinct().order_by("slug")[:sites])
    pools = [Pool.objects.filter(site=place).order_by("pk")[0] for place in places]
    since = now()
    rows = [
        Node(
            name=f"bench-{number:05}",
            pool=pools[number * len(pools) // nodes],
            state=NodeState.LEASED,
            state_since=since,
        )
        for number in range(nodes)
    ]
    fleet: Fleet = {}
    serial = count()
    for row in Node.objects.bulk_create(rows, batch_size=2_000):
        site = row.pool.site.slug
        gpus = [SimulatedGPU(index, f"GPU-{row.pk:08x}-{index}", random.Random(next(serial))) for index in range(GPUS)]
        fleet.setdefault(site, []).append(SimulatedNode(row.pk, row.public_id, site, gpus))
    return fleet


def everybody(fleet: Fleet) -> list[SimulatedNode]:
    """All nodes of the fleet, site by site."""
    return [node for nodes in fleet.values() for node in nodes]
