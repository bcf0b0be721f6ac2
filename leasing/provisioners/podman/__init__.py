"""Real nodes: any Linux host with OpenSSH and podman, whose tenant is root in a container that owns all GPUs."""

from leasing.provisioners.podman.driver import Podman
from leasing.provisioners.podman.inspector import PodmanInspector

__all__ = ["Podman", "PodmanInspector"]
