"""Provisioners by kind. A driver is imported when first asked for: SSH has no place in the web process."""

from functools import cache
from importlib import import_module
from typing import cast

from leasing.provisioners.base import Inspector, Provisioner

PROVISIONERS = {
    "sandbox": "leasing.provisioners.sandbox.Sandbox",
    "podman": "leasing.provisioners.podman.Podman",
    "fake": "leasing.provisioners.fake.Fake",
}


@cache
def provisioner_for(kind: str) -> Provisioner:
    """The driver of a pool's provisioner kind. Raises KeyError for a kind that does not exist."""
    module, _, name = PROVISIONERS[kind].rpartition(".")
    return cast(Provisioner, getattr(import_module(module), name)())


INSPECTORS = {
    "podman": "leasing.provisioners.podman.PodmanInspector",
    "sandbox": "leasing.provisioners.sandbox.SandboxInspector",
    "fake": "leasing.provisioners.fake.FakeInspector",
}


@cache
def inspector_for(kind: str) -> Inspector:
    """Who looks at hosts of a provisioner kind. Raises KeyError for a kind that does not exist."""
    module, _, name = INSPECTORS[kind].rpartition(".")
    return cast(Inspector, getattr(import_module(module), name)())
