"""Provisioners and inspectors by kind, imported when first asked for: SSH has no place in the web process."""

from functools import cache
from importlib import import_module
from typing import cast

from leasing.provisioners.base import Inspector, Provisioner

PROVISIONERS = {
    "sandbox": "leasing.provisioners.sandbox.Sandbox",
    "podman": "leasing.provisioners.podman.Podman",
    "fake": "leasing.provisioners.fake.Fake",
}
INSPECTORS = {
    "sandbox": "leasing.provisioners.sandbox.SandboxInspector",
    "podman": "leasing.provisioners.podman.PodmanInspector",
    "fake": "leasing.provisioners.fake.FakeInspector",
}


@cache
def provisioner_for(kind: str) -> Provisioner:
    """The driver of a pool's provisioner kind. Raises KeyError for a kind that does not exist."""
    return cast(Provisioner, _made(PROVISIONERS[kind]))


@cache
def inspector_for(kind: str) -> Inspector:
    """Who looks at hosts of this kind. Raises KeyError for a kind that does not exist."""
    return cast(Inspector, _made(INSPECTORS[kind]))


def _made(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)()
