"""A site that can be planned: 50 MW, a price, a hash price, and miners of two classes."""

from datetime import datetime
from typing import Any

from energy.models import FeedKind, MinerClass, Tariff
from marketplace.models import Site
from tests.energy.conftest import LONG_AGO, a_class, a_contract, a_feed, some, told
from tests.factories import HOUR, NOON

USD = 1_000_000


def a_planned_site(site: Site, *, usd: int = 40, at: datetime = NOON, **contract: Any) -> tuple[MinerClass, MinerClass]:
    """Energy at so many $/MWh now and for two days; miners that break even at $112 (new) and $66 (old), which somebody
    looks at all the time."""
    a_contract(site, **contract)
    price = a_feed(slug="macon-price", site=site)
    told(price, usd * USD, at, hours=48)
    told(a_feed(FeedKind.HASH_PRICE), 50 * USD, at, hours=24)
    Tariff.objects.create(site=site, starts_at=LONG_AGO, pricing="day_ahead", micros_per_mwh=0, feed=price, note="t")
    new, old = a_class("new", 17.5), a_class("old", 29.5)
    for place, kind in enumerate((new, old)):
        some(site, kind, 4, net=place, load_watts=kind.watts, since=at - HOUR, read_at=at + 72 * HOUR)
    return new, old
