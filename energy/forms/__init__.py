"""What staff fills in."""

from energy.forms.feeds import Telling
from energy.forms.version import NewVersion

__all__ = ["NewVersion", "Telling"]
