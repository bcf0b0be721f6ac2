"""The operator's power: contracts, prices, what is made and stored, figures that come from outside, and miners."""

from energy.admin.battery import InverterAdmin
from energy.admin.dispatch import SitePolicyAdmin
from energy.admin.feeds import FeedAdmin, ReadingAdmin
from energy.admin.ledger import LeaseHourAdmin, SiteHourAdmin
from energy.admin.miners import MinerAdmin, MinerClassAdmin
from energy.admin.site import BatteryAdmin, GenerationAdmin, PowerContractAdmin, TariffAdmin

__all__ = [
    "BatteryAdmin",
    "FeedAdmin",
    "GenerationAdmin",
    "InverterAdmin",
    "LeaseHourAdmin",
    "MinerAdmin",
    "MinerClassAdmin",
    "PowerContractAdmin",
    "ReadingAdmin",
    "SiteHourAdmin",
    "SitePolicyAdmin",
    "TariffAdmin",
]
