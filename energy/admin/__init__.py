"""The operator's power: contracts, prices, what is made and stored, and the figures that come from outside."""

from energy.admin.feeds import FeedAdmin, ReadingAdmin
from energy.admin.site import BatteryAdmin, GenerationAdmin, PowerContractAdmin, TariffAdmin

__all__ = ["BatteryAdmin", "FeedAdmin", "GenerationAdmin", "PowerContractAdmin", "ReadingAdmin", "TariffAdmin"]
