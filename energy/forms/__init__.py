"""What staff fills in."""

from energy.forms.battery import BatteryDriver
from energy.forms.dispatch import GridEvent
from energy.forms.feeds import Telling
from energy.forms.version import NewVersion

__all__ = ["BatteryDriver", "GridEvent", "NewVersion", "Telling"]
