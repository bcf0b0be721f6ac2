"""What a provisioner does for a lease, in eight verbs, and the words in which it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Observation = Literal["absent", "running", "paused", "partial"]
FactValue = str | int | float | None


class ProvisionerError(Exception):
    """One clear sentence for staff. `permanent` says that trying again on this host cannot help."""

    permanent = False


class Unreachable(ProvisionerError):
    """The host, or the tenant's own address, did not answer in time; a later attempt may succeed."""


class HostKeyMismatch(ProvisionerError):
    """Something else answered at the address: its host key is not the pinned one, so no command was sent."""

    permanent = True


class StaleEpoch(ProvisionerError):
    """The host has already obeyed a newer command for this machine; the sender must stop working on it."""

    permanent = True


class ImageMissing(ProvisionerError):
    """The image is not on the host and cannot be fetched, or its digest is another one."""

    permanent = True


class HostUnfit(ProvisionerError):
    """The host lacks something that a tenancy needs, or still holds another one."""

    permanent = True


@dataclass(frozen=True, kw_only=True)
class Host:
    """A node as it is reached: `host_key` is the pinned OpenSSH public key line ("ssh-ed25519 AAAA…"),
    `identity` the path of the operator's private key, `facts` what the node type promises
    (gpu_model, gpu_count, gpu_memory_gb per GPU, vcpus, memory_gb, nvme_gb)."""

    node_id: str
    provisioner: str
    address: str
    port: int
    user: str
    host_key: str
    identity: str
    facts: Mapping[str, FactValue]


@dataclass(frozen=True, kw_only=True)
class Tenancy:
    """One machine's tenant as wanted. Everything on the host is named after `machine_id`; `epoch` fences:
    a host that has seen a higher one refuses. `ssh_keys` are public key lines; an empty `image_digest` pins nothing."""

    machine_id: str
    epoch: int
    ssh_keys: tuple[str, ...]
    image: str
    image_digest: str = ""
    startup_script: str = ""
    label: str = ""

    @property
    def script(self) -> str:
        """The startup script with Unix line ends: browsers send CR LF, which no interpreter's name ends in."""
        return self.startup_script.replace("\r\n", "\n")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where the tenant logs in, and the host key (OpenSSH public key line) that must answer there."""

    host: str
    port: int
    user: str
    host_key: str


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, whether it was as it must be, and what was seen."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Health:
    """All that was looked at on a running tenancy."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True when something was looked at and nothing was wrong."""
        return bool(self.checks) and all(check.passed for check in self.checks)


@dataclass(frozen=True)
class WipeProof:
    """How a tenancy was destroyed, and what was looked at afterwards. Times are the worker's, aware, UTC."""

    method: str
    checks: tuple[Check, ...]
    started_at: datetime
    completed_at: datetime

    @property
    def verified(self) -> bool:
        """True when something was looked at afterwards and nothing of the tenant was found."""
        return bool(self.checks) and all(check.passed for check in self.checks)


class Provisioner(Protocol):
    """Makes a node ready for one tenant at a time and wipes it afterwards.

    Every verb may be repeated, and may be killed half-way and repeated: it looks first, then does what is missing.
    All raise ProvisionerError subclasses: Unreachable, HostKeyMismatch, StaleEpoch, ImageMissing, HostUnfit.
    """

    def prepare(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """Ensures that the tenancy runs, with exactly its keys; the startup script is executed once in its life."""

    def check(self, host: Host, tenancy: Tenancy) -> Health:
        """Looks at the running tenancy from the operator's side; changes nothing."""

    def reach(self, endpoint: Endpoint, *, timeout: float = 10.0) -> None:
        """Proves the tenant's own path: SSH answers there with its key within `timeout` seconds. Raises if not."""

    def pause(self, host: Host, tenancy: Tenancy) -> None:
        """Stops the tenancy; its data, keys, host key and address are kept."""

    def resume(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """Starts a paused tenancy again, at the same endpoint."""

    def revoke(self, host: Host, machine_id: str, epoch: int) -> None:
        """Takes access away and ends every session, at once; the data stays until it is wiped."""

    def wipe(self, host: Host, machine_id: str, epoch: int) -> WipeProof:
        """Destroys all that the tenancy left, then looks for it. A proof that is not verified is a failure."""

    def observe(self, host: Host, machine_id: str) -> Observation:
        """What is on the host under this name; changes nothing."""
