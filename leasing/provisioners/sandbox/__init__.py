"""Simulated nodes, as the demonstration and the tests have them."""

from leasing.provisioners.sandbox.driver import Sandbox
from leasing.provisioners.sandbox.inspector import SandboxInspector

__all__ = ["Sandbox", "SandboxInspector"]
