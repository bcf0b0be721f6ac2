"""Nodes in memory, for tests: they keep every promise of the contract, and break those that a test scripts."""

from leasing.provisioners.fake.driver import Fake
from leasing.provisioners.fake.inspector import FakeInspector
from leasing.provisioners.fake.world import WORLD, Machine, World

__all__ = ["WORLD", "Fake", "FakeInspector", "Machine", "World"]
