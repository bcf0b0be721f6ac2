"""Sites' power: contracts, loads, feeds, plans and commands."""

from energy.models.feeds import Feed, FeedKind, Reading
from energy.models.site import Battery, Block, Generation, PowerContract, Tariff, flat
from energy.models.versions import SiteVersion

__all__ = [
    "Battery",
    "Block",
    "Feed",
    "FeedKind",
    "Generation",
    "PowerContract",
    "Reading",
    "SiteVersion",
    "Tariff",
    "flat",
]
