"""What staff fills in."""

from energy.forms.version import NewVersion

__all__ = ["NewVersion"]
