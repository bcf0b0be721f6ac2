"""What is wanted of a site's battery: told, kept up, read back and written down; `look` runs on a worker inside it."""

from energy.steering.judging import BatteryRead, has_meter, judge, metered
from energy.steering.keeping import want
from energy.steering.looking import REVERT, Limits, look, steer

__all__ = ["REVERT", "BatteryRead", "Limits", "has_meter", "judge", "look", "metered", "steer", "want"]
