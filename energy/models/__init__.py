"""Sites' power: contracts, loads, feeds, plans and commands."""

from energy.models.miner import Dialect, Miner, MinerClass, Outcome, Source

__all__ = ["Dialect", "Miner", "MinerClass", "Outcome", "Source"]
