"""The operator's view of power: miners."""

from energy.admin.miners import MinerAdmin, MinerClassAdmin

__all__ = ["MinerAdmin", "MinerClassAdmin"]
