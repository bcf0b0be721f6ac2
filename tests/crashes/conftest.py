"""Fixtures of the leases' tests are used here too."""

from tests.leasing.conftest import acme, world

__all__ = ["acme", "world"]
