"""A site with power: figures that one can count with in one's head."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from energy.models import Battery, Feed, FeedKind, Generation, PowerContract, Reading
from marketplace.models import Site
from tests import factories
from tests.factories import NOON
from tests.leasing.conftest import acme, staff_browser, world

__all__ = ["acme", "staff_browser", "world"]
LONG_AGO = NOON - timedelta(days=20)
MW = 1_000_000


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
    usual = {"watts": 4 * MW, "watt_hours": 8 * MW, "efficiency_permille": 1000, "note": "tests"}
    return Battery.objects.create(site=site, starts_at=starts_at, **{**usual, **fields})


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
