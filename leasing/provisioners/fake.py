"""A provisioner in memory, for tests: it keeps every promise of the contract, and breaks those that a test scripts."""

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock

from leasing.provisioners.base import (
    Check,
    Endpoint,
    Health,
    Host,
    HostKeyMismatch,
    HostUnfit,
    ImageMissing,
    Observation,
    ProvisionerError,
    StaleEpoch,
    Tenancy,
    Unreachable,
    WipeProof,
)


@dataclass
class Machine:
    """A tenancy on a fake node. `files` stands for its disk, `admits` for its authorized keys."""

    node_id: str
    endpoint: Endpoint
    state: Observation = "partial"
    admits: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    startup_runs: int = 0


@dataclass
class World:
    """All fake nodes of this process, and what shall go wrong on them.

    Before any verb raises its scripted error it has done nothing; `half_way` makes prepare die after its first half.
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
    calls: Counter[str] = field(default_factory=Counter)
    lock: RLock = field(default_factory=RLock)

    def fail(self, verb: str, *, times: int = 1, error: Exception | None = None) -> None:
        """The next `times` calls of `verb` ("prepare", "wipe", …) raise `error`, by default a passing one."""
        scripted = error or ProvisionerError(f"Scripted failure of {verb}.")
        self.failures.setdefault(verb, []).extend([scripted] * times)

    def enter(self, verb: str, host: Host) -> None:
        """Counts the call and raises what is scripted for it."""
        self.calls[verb] += 1
        if host.node_id in self.cut_off:
            raise Unreachable(f"Node {host.node_id} ({host.address}:{host.port}) cannot be reached: scripted.")
        if self.host_keys.setdefault(host.node_id, host.host_key) != host.host_key:
            raise HostKeyMismatch(f"Node {host.node_id} answers with a host key that is not the pinned one.")
        if self.failures.get(verb):
            raise self.failures[verb].pop(0)

    def fence(self, machine_id: str, epoch: int) -> None:
        """Remembers the highest epoch and refuses a lower one."""
        newest = self.epochs.get(machine_id, epoch)
        if epoch < newest:
            raise StaleEpoch(f"{machine_id}: epoch {epoch} is older than {newest}, which this node has obeyed.")
        self.epochs[machine_id] = epoch

    def reset(self) -> None:
        """Forgets every node, tenancy and script; for the start of a test."""
        fresh = World()
        for name in vars(self):
            if name != "lock":
                setattr(self, name, getattr(fresh, name))


WORLD = World()


class Fake:
    """Serves the shared `WORLD`, or one of its own."""

    def __init__(self, world: World = WORLD) -> None:
        self.world = world

    def prepare(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """Creates or completes the tenancy."""
        with self.world.lock:
            self._enter("prepare", host, tenancy.machine_id, tenancy.epoch)
            if tenancy.image in self.world.images_missing:
                raise ImageMissing(f"Node {host.node_id} does not have image {tenancy.image!r}.")
            machine = self._machine(host, tenancy.machine_id)
            if self.world.half_way:
                self.world.half_way -= 1
                raise Unreachable(f"Node {host.node_id} broke off the command.")
            machine.startup_runs = 1 if tenancy.startup_script else 0
            return self._open(machine, tenancy)

    def check(self, host: Host, tenancy: Tenancy) -> Health:
        """A running tenancy is well unless `sick` says otherwise."""
        with self.world.lock:
            self.world.enter("check", host)
            machine = self.world.machines.get(tenancy.machine_id)
            running = machine is not None and machine.state == "running"
            illness = self.world.sick.get(host.node_id, "")
            return Health((Check("running", running), Check("gpu", not illness, illness or _gpus(host.facts))))

    def reach(self, endpoint: Endpoint, *, timeout: float = 10.0) -> None:
        """The endpoint answers while its tenancy runs and the path is not blocked."""
        self.world.calls["reach"] += 1
        found = [machine for machine in self.world.machines.values() if machine.endpoint == endpoint]
        if not found or found[0].state != "running" or found[0].node_id in self.world.path_blocked:
            raise Unreachable(f"The machine's own SSH at {endpoint.host}:{endpoint.port} cannot be reached.")

    def pause(self, host: Host, tenancy: Tenancy) -> None:
        """Stops the tenancy and keeps everything."""
        with self.world.lock:
            self._enter("pause", host, tenancy.machine_id, tenancy.epoch)
            self._existing(host, tenancy.machine_id).state = "paused"

    def resume(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """Opens the same endpoint again."""
        with self.world.lock:
            self._enter("resume", host, tenancy.machine_id, tenancy.epoch)
            return self._open(self._existing(host, tenancy.machine_id), tenancy)

    def revoke(self, host: Host, machine_id: str, epoch: int) -> None:
        """Admits nobody any more."""
        with self.world.lock:
            self._enter("revoke", host, machine_id, epoch)
            machine = self.world.machines.get(machine_id)
            if machine:
                machine.admits, machine.state = (), "paused"

    def wipe(self, host: Host, machine_id: str, epoch: int) -> WipeProof:
        """Forgets the machine; a lying wipe forgets nothing and its check says so."""
        with self.world.lock:
            started = datetime.now(UTC)
            self._enter("wipe", host, machine_id, epoch)
            if self.world.lying_wipes:
                self.world.lying_wipes -= 1
            else:
                self.world.machines.pop(machine_id, None)
            gone = machine_id not in self.world.machines
            checks = (Check("files", gone, "none left" if gone else "a canary written at the start can still be read"),)
            return WipeProof("fake: memory dropped", checks, started, datetime.now(UTC))

    def observe(self, host: Host, machine_id: str) -> Observation:
        """What the world holds."""
        self.world.enter("observe", host)
        machine = self.world.machines.get(machine_id)
        return machine.state if machine else "absent"

    def _enter(self, verb: str, host: Host, machine_id: str, epoch: int) -> None:
        self.world.enter(verb, host)
        self.world.fence(machine_id, epoch)

    def _machine(self, host: Host, machine_id: str) -> Machine:
        """The machine under this name, made if absent; refuses a second tenant on a node."""
        others = [name for name, other in self.world.machines.items() if other.node_id == host.node_id]
        if any(name != machine_id for name in others):
            raise HostUnfit(f"Node {host.node_id} still holds {others[0]}; it must be wiped first.")
        endpoint = Endpoint(
            host=host.address,
            port=20000 + len(self.world.epochs),
            user="gpu",
            host_key=_host_key(),
        )
        return self.world.machines.setdefault(machine_id, Machine(host.node_id, endpoint))

    def _existing(self, host: Host, machine_id: str) -> Machine:
        machine = self.world.machines.get(machine_id)
        if machine is None:
            raise HostUnfit(f"Node {host.node_id} holds nothing named {machine_id}.")
        return machine

    @staticmethod
    def _open(machine: Machine, tenancy: Tenancy) -> Endpoint:
        machine.admits, machine.state = tenancy.ssh_keys, "running"
        return machine.endpoint


def _gpus(facts: Mapping[str, object]) -> str:
    return f"{facts.get('gpu_count', 0)} x {facts.get('gpu_model', 'no GPU')}"


def _host_key() -> str:
    """A new public key line of the right shape, to which no private key exists."""
    return "ssh-ed25519 " + b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + os.urandom(32)).decode()
