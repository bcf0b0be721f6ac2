"""A class of miners in memory, and a site that has some."""

from collections.abc import Iterator
from typing import Any

import pytest

from energy.commanding import Limits
from energy.miners.fake import MACHINES, Machine
from energy.models import Dialect, Miner, MinerClass
from marketplace.models import Site
from tests import factories
from tests.factories import NOON

QUICK = Limits(pause=0.01, look_every=0.01, grace=0.05)
WATTS, STANDBY = 3500, 50


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """Every fake miner is new."""
    MACHINES.clear()
    yield
    MACHINES.clear()


@pytest.fixture
def site(db: None) -> Site:
    return factories.a_site()


@pytest.fixture
def kind(db: None) -> MinerClass:
    return a_class()


def a_class(slug: str = "fake", efficiency: float = 17.5, **given: Any) -> MinerClass:
    defaults = {"name": slug.title(), "dialect": Dialect.FAKE, "watts": WATTS, "standby_watts": STANDBY}
    return MinerClass.objects.create(
        slug=slug, joules_per_terahash=efficiency, **{**defaults, "ramp_down_seconds": 0, **given}
    )


def some(site: Site, kind: MinerClass, count: int, *, net: int = 0, **given: Any) -> list[Miner]:
    """So many miners that were awake since noon."""
    rows = [
        Miner(
            site=site, miner_class=kind, name=f"{kind.slug}-{number:02}", address=f"10.0.{net}.{number + 1}",
            **{"since": NOON, "load_watts": kind.watts, **given},
        )
        for number in range(count)
    ]  # fmt: skip
    return Miner.objects.bulk_create(rows)


def machine(miner: Miner) -> Machine:
    """What stands behind it."""
    return MACHINES.setdefault((miner.address, miner.port), Machine())
