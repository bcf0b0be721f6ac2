"""Sites' power: contracts, loads, feeds, plans and commands."""

from energy.models.feeds import Feed, FeedKind, Reading
from energy.models.ledger import LeaseHour, Quality, SiteHour
from energy.models.site import Battery, Block, Generation, PowerContract, Tariff, flat
from energy.models.versions import SiteVersion

__all__ = [
    "Battery",
    "Block",
    "Feed",
    "FeedKind",
    "Generation",
    "LeaseHour",
    "PowerContract",
    "Quality",
    "Reading",
    "SiteHour",
    "SiteVersion",
    "Tariff",
    "flat",
]
