"""Sites' power: contracts, loads, feeds, plans and commands."""

from energy.models.feeds import Feed, FeedKind, Reading
from energy.models.ledger import LeaseHour, Quality, SiteHour
from energy.models.miner import Dialect, Miner, MinerClass, Outcome, Source
from energy.models.site import Battery, Block, Generation, PowerContract, Tariff, flat
from energy.models.versions import SiteVersion

__all__ = [
    "Battery",
    "Block",
    "Dialect",
    "Feed",
    "FeedKind",
    "Generation",
    "LeaseHour",
    "Miner",
    "MinerClass",
    "Outcome",
    "PowerContract",
    "Quality",
    "Reading",
    "SiteHour",
    "SiteVersion",
    "Source",
    "Tariff",
    "flat",
]
