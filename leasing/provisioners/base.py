"""What a provisioner does for a lease, in nine verbs; what an inspector asks of a host, in five; and their words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from leasing.inspection.inventory import Inventory

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


class CredentialsRefused(ProvisionerError):
    """The host does not admit us with what we have; nothing was changed on it."""

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


@dataclass(frozen=True)
class Peer:
    """Another machine of the lease: its number in it, and the address of its host."""

    number: int
    address: str


@dataclass(frozen=True, kw_only=True)
class Tenancy:
    """One machine's tenant as wanted. Everything on the host is named after `machine_id`; `epoch` fences:
    a host that has seen a higher one refuses. `ssh_keys` are public key lines; an empty `image_digest` pins nothing.

    `label` is the machine's own name and `number` its place in the lease; `peers` are its siblings by name. Inside,
    each name leads to that machine, every port of which is open to its siblings and to nobody else.

    `interruption` is what the tenant's programs are to find in $GRIDLEASE_INTERRUPTION (podman: the file
    /gridlease/interruption.json) while one is announced; empty: no such file.

    `environment` are the customer's variables, secrets among them: they never reach a log, a command line or a listing.
    `seconds_left` is until when the tenant may be on the host without hearing from us again: the host counts them on a
    clock that nobody sets, and then takes access away by itself. None: it never does."""

    machine_id: str
    epoch: int
    ssh_keys: tuple[str, ...]
    image: str
    image_digest: str = ""
    startup_script: str = ""
    label: str = ""
    number: int = 1
    peers: Mapping[str, Peer] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds_left: int | None = None
    interruption: str = ""

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


Service = Literal["power_cycle", "gpu_reset", "rebuild", "rebuild_all"]
"""What break-fix can do to a running tenancy: stop it hard and start it again; reset its GPUs (its processes end);
make its system anew from the image and keep /scratch; the same with a new, empty /scratch."""

Log = Literal["startup", "console"]
"""What the startup script printed; what the tenancy's first process and the kernel of its container printed."""


@dataclass(frozen=True)
class Credentials:
    """What opens a host the first time: a password, or the text of an OpenSSH private key. With neither, the operator's
    own key is admitted already. Neither is ever logged."""

    user: str
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class GPUReading:
    """One GPU at one moment. Numbers that the driver does not tell are None. `energy_mj` counts millijoules since the
    driver was loaded; `xid` is the code of the newest Xid error since the last reading, 0 for none; `ecc_uncorrected`
    counts since the driver was loaded. `lost` says that it is listed but does not answer: it fell off the bus."""

    index: int
    uuid: str
    utilization: int | None = None  # per cent
    memory_mib: int | None = None
    temperature_c: int | None = None
    power_mw: int | None = None
    energy_mj: int | None = None
    xid: int = 0
    ecc_uncorrected: int | None = None
    lost: bool = False


@dataclass(frozen=True)
class Reading:
    """One look at one node from its site. `at` is when the site's worker heard it, aware, UTC. `reached` says whether
    the host itself answered; only then are the other fields meaningful. `boot_id` is the kernel's, new at each boot.
    `tenancy` is what the host holds and runs (seen from the host, not by the tenant's own word)."""

    node_id: str
    at: datetime
    reached: bool
    detail: str = ""
    boot_id: str = ""
    tenancy: Observation = "absent"
    gpus: tuple[GPUReading, ...] = ()


class Inspector(Protocol):
    """Looks at hosts, before they are nodes and afterwards. Changes nothing on them but what `adopt` says.

    All raise ProvisionerError subclasses: Unreachable, HostKeyMismatch, CredentialsRefused, HostUnfit.
    """

    def adopt(self, *, address: str, port: int, fingerprint: str, credentials: Credentials, operator_key: str) -> str:
        """Logs in with the credentials and ensures that the operator's key (path of the private file) is admitted for
        that user from now on. Returns the host's public key line, to be pinned. With a `fingerprint` ("SHA256:…") any
        other host key raises HostKeyMismatch before the credentials are sent."""

    def inspect(self, host: Host) -> Inventory:
        """What the host is made of. Raises HostUnfit, with the package to install, where it lacks what a node needs
        (podman, a container runtime, the NVIDIA container toolkit where there are GPUs, disk space)."""

    def measure(self, host: Host) -> Mapping[str, float]:
        """Burn-in: each of `marketplace.models.Measure` that this host can measure, in the measure's unit. Minutes."""

    def log(self, host: Host, machine_id: str, log: Log) -> str:
        """The newest 64 KiB of a tenancy's log, as UTF-8 with what is not text replaced; "" where there is none."""

    async def watch(self, hosts: Sequence[Host], push: Callable[[Reading], None], *, every: float) -> None:
        """Until cancelled: one Reading of each host every `every` seconds, over connections that are kept. A host that
        cannot be reached gets a Reading that says so at each turn, and is tried again; nothing is raised for it."""


class Provisioner(Protocol):
    """Makes a node ready for one tenant at a time and wipes it afterwards.

    Every verb may be repeated, and may be killed half-way and repeated: it looks first, then does what is missing.
    All raise ProvisionerError subclasses: Unreachable, HostKeyMismatch, StaleEpoch, ImageMissing, HostUnfit.
    """

    def prepare(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """Ensures that the tenancy runs, with exactly its keys and peers and until its deadline; the startup script is
        executed once in its life. Repeated on a running tenancy it changes keys, peers, deadline and what is told of an
        interruption alone."""

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

    def service(self, host: Host, tenancy: Tenancy, what: Service) -> Endpoint:
        """Break-fix on a prepared tenancy; afterwards it runs, at the same endpoint with the same keys and host key.
        After `rebuild` and `rebuild_all` the startup script is executed once more."""
