"""A site with power and miners: figures that one can count with in one's head."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from energy.batteries.fake import BATTERIES, Cells
from energy.commanding import Limits
from energy.miners.fake import MACHINES, Machine
from energy.models import (
    Battery,
    BatteryDialect,
    Dialect,
    Feed,
    FeedKind,
    Generation,
    Inverter,
    Miner,
    MinerClass,
    PowerContract,
    Reading,
)
from marketplace.models import Site
from tests import factories
from tests.factories import NOON
from tests.leasing.conftest import acme, staff_browser, world

__all__ = ["acme", "staff_browser", "world"]
LONG_AGO = NOON - timedelta(days=20)
MW = 1_000_000
QUICK = Limits(pause=0.01, look_every=0.01, grace=0.05)
WATTS, STANDBY = 3500, 50


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """Every fake miner and battery is new."""
    for known in (MACHINES, BATTERIES):
        known.clear()
    yield
    for known in (MACHINES, BATTERIES):
        known.clear()


@pytest.fixture
def site(db: None) -> Site:
    return factories.a_site()


def a_contract(site: Site, *, starts_at: datetime = LONG_AGO, **fields: Any) -> PowerContract:
    """50 MW over two transformers that each carry 28.5 MW; no house, a power usage effectiveness of 1."""
    usual = {
        "interconnect_watts": 50 * MW, "largest_supply_watts": 21_500_000, "house_watts": 0,
        "gpu_pue_permille": 1000, "mining_pue_permille": 1000, "note": "tests",
    }  # fmt: skip
    return PowerContract.objects.create(site=site, starts_at=starts_at, **{**usual, **fields})


def a_battery(site: Site, *, starts_at: datetime = LONG_AGO, **fields: Any) -> Battery:
    usual = {"watts": 4 * MW, "watt_hours": 8 * MW, "efficiency_permille": 1000, "reserve_percent": 0, "note": "tests"}
    return Battery.objects.create(site=site, starts_at=starts_at, **{**usual, **fields})


def a_steered_battery(site: Site, *, watts: int = 20_000, hours: int = 2, **fields: Any) -> Cells:
    """One with a driver, half full; what stands behind it."""
    a_battery(site, watts=watts, watt_hours=watts * hours, **fields)
    row = Inverter.objects.create(site=site, dialect=BatteryDialect.FAKE, address="10.1.0.1")
    return BATTERIES.setdefault((row.address, row.port), Cells(most=watts))


def some_sun(site: Site, **fields: Any) -> Generation:
    usual = {"kind": "solar", "rated_watts": 10 * MW, "usual_permille": [500] * 24, "note": "tests"}
    return Generation.objects.create(site=site, starts_at=LONG_AGO, **{**usual, **fields})


def a_feed(kind: str = FeedKind.PRICE, **fields: Any) -> Feed:
    slug = fields.pop("slug", f"{kind}-feed".replace("_", "-"))
    return Feed.objects.create(slug=slug, name=slug, kind=kind, **fields)


def told(feed: Feed, value: int, starts_at: datetime, *, hours: int = 1) -> Reading:
    return Reading.objects.create(
        feed=feed, starts_at=starts_at, ends_at=starts_at + timedelta(hours=hours), value=value, source="tests",
        fetched_at=starts_at,
    )  # fmt: skip


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
