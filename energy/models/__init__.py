"""Sites' power: contracts, loads, feeds, plans and commands."""

from energy.models.dispatch import Command, CommandTransition, PowerPlan, SitePolicy
from energy.models.feeds import BY_METERS, BY_SILENCE, Feed, FeedKind, Reading
from energy.models.inverter import BatteryDialect, Inverter
from energy.models.ledger import LeaseHour, Quality, SiteHour
from energy.models.miner import FRESH, Dialect, Miner, MinerClass, Outcome, Source
from energy.models.site import Battery, Block, Generation, PowerContract, Tariff, flat
from energy.models.versions import SiteVersion

__all__ = [
    "BY_METERS",
    "BY_SILENCE",
    "FRESH",
    "Battery",
    "BatteryDialect",
    "Block",
    "Command",
    "CommandTransition",
    "Dialect",
    "Feed",
    "FeedKind",
    "Generation",
    "Inverter",
    "LeaseHour",
    "Miner",
    "MinerClass",
    "Outcome",
    "PowerContract",
    "PowerPlan",
    "Quality",
    "Reading",
    "SiteHour",
    "SitePolicy",
    "SiteVersion",
    "Source",
    "Tariff",
    "flat",
]
