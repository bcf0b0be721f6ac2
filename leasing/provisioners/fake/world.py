"""All that fake nodes are and hold, and what shall go wrong on them."""

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock

from leasing.inspection.inventory import Inventory
from leasing.provisioners.base import (
    Endpoint,
    Host,
    HostKeyMismatch,
    Log,
    Observation,
    Peer,
    ProvisionerError,
    StaleEpoch,
    Unreachable,
)


@dataclass
class Machine:
    """A tenancy on a fake node. `files` stands for its disk, `admits` for its authorized keys; `deadline` is in the
    world's seconds."""

    node_id: str
    endpoint: Endpoint
    state: Observation = "partial"
    admits: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    startup_runs: int = 0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    peers: Mapping[str, Peer] = field(default_factory=dict)
    deadline: float | None = None
    interruption: str = ""
    logs: dict[Log, str] = field(default_factory=dict)


@dataclass
class World:
    """All fake nodes of this process, and what shall go wrong on them.

    Before any verb raises its scripted error it has done nothing; `half_way` makes prepare die after its first half.
    By node: `inventories` and `measures` (made up where a test gives none), `boots` (boot ids), `lost_gpus` (indexes),
    `xids` (index -> code, until somebody watches). By address: `passwords` that `adopt` must bring, `fingerprints` and
    `keys_at` (host keys) that answer. Time stands still but for `pass_time`, unless a test gives a `clock`; `shell`
    runs startup scripts and returns what they print.
    """

    machines: dict[str, Machine] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    host_keys: dict[str, str] = field(default_factory=dict)
    images_missing: set[str] = field(default_factory=set)
    cut_off: set[str] = field(default_factory=set)
    path_blocked: set[str] = field(default_factory=set)
    sick: dict[str, str] = field(default_factory=dict)
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    lying_wipes: int = 0
    half_way: int = 0
    inventories: dict[str, Inventory] = field(default_factory=dict)
    measures: dict[str, Mapping[str, float]] = field(default_factory=dict)
    boots: dict[str, str] = field(default_factory=dict)
    lost_gpus: dict[str, set[int]] = field(default_factory=dict)
    xids: dict[str, dict[int, int]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    keys_at: dict[str, str] = field(default_factory=dict)
    adopted: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = lambda: 0.0
    passed: float = 0.0
    shell: Callable[[str, Mapping[str, str]], str] = lambda script, environment: "The script ran in memory.\n"
    calls: Counter[str] = field(default_factory=Counter)
    lock: RLock = field(default_factory=RLock)

    def fail(self, verb: str, *, times: int = 1, error: Exception | None = None) -> None:
        """The next `times` calls of `verb` ("prepare", "wipe", "inspect", …) raise `error`, by default a passing one;
        a watch tells of it as of a host that cannot be reached."""
        scripted = error or ProvisionerError(f"Scripted failure of {verb}.")
        self.failures.setdefault(verb, []).extend([scripted] * times)

    def pass_time(self, seconds: float) -> None:
        """Lets time pass on all nodes: deadlines that lie in it take access away, also on nodes that are cut off."""
        with self.lock:
            self.passed += seconds
            self.expire()

    def reboot(self, node_id: str) -> None:
        """The node restarts by itself: a new boot id, and its tenancy does not run."""
        with self.lock:
            self.boots[node_id] = os.urandom(16).hex()
            machine = self.held_by(node_id)
            if machine and machine.state == "running":
                machine.state = "partial"

    def seconds(self) -> float:
        """The world's time."""
        return self.clock() + self.passed

    def expire(self) -> None:
        """Closes every machine whose deadline has passed."""
        for machine in self.machines.values():
            if machine.deadline is not None and machine.deadline <= self.seconds():
                machine.admits, machine.deadline = (), None
                machine.state = "paused" if machine.state == "running" else machine.state

    def enter(self, verb: str, host: Host) -> None:
        """Counts the call and raises what is scripted for it."""
        self.knock(verb, host.node_id, f"Node {host.node_id} ({host.address}:{host.port})")
        answering = self.host_keys.setdefault(host.node_id, self.keys_at.get(host.address, host.host_key))
        if answering != host.host_key:
            raise HostKeyMismatch(f"Node {host.node_id} answers with a host key that is not the pinned one.")
        if self.failures.get(verb):
            raise self.failures[verb].pop(0)

    def knock(self, verb: str, node_or_address: str, name: str) -> None:
        """Counts the call and lets time do its work. Raises Unreachable for what is cut off."""
        self.calls[verb] += 1
        self.expire()
        if node_or_address in self.cut_off:
            raise Unreachable(f"{name} cannot be reached: scripted.")

    def fence(self, machine_id: str, epoch: int) -> None:
        """Remembers the highest epoch and refuses a lower one."""
        newest = self.epochs.get(machine_id, epoch)
        if epoch < newest:
            raise StaleEpoch(f"{machine_id}: epoch {epoch} is older than {newest}, which this node has obeyed.")
        self.epochs[machine_id] = epoch

    def held_by(self, node_id: str) -> Machine | None:
        """The one machine on the node."""
        return next((machine for machine in self.machines.values() if machine.node_id == node_id), None)

    def reset(self) -> None:
        """Forgets every node, tenancy and script; for the start of a test."""
        fresh = World()
        for name in vars(self):
            if name != "lock":
                setattr(self, name, getattr(fresh, name))


WORLD = World()


def new_host_key() -> str:
    """A new public key line of the right shape, to which no private key exists."""
    return "ssh-ed25519 " + b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + os.urandom(32)).decode()
