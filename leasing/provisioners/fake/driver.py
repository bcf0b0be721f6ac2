"""The fake nodes' provisioner: what it does is a change in the world."""

from collections.abc import Mapping
from datetime import UTC, datetime

from leasing.provisioners.base import (
    Check,
    Endpoint,
    Health,
    Host,
    HostUnfit,
    ImageMissing,
    Observation,
    Service,
    Tenancy,
    Unreachable,
    WipeProof,
)
from leasing.provisioners.fake.world import WORLD, Machine, World, new_host_key

SCRATCH = "scratch/"


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
            machine = self._machine(host, tenancy)
            if self.world.half_way:
                self.world.half_way -= 1
                raise Unreachable(f"Node {host.node_id} broke off the command.")
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
        self.world.knock("reach", "", "")
        found = [machine for machine in self.world.machines.values() if machine.endpoint == endpoint]
        if not found or found[0].state != "running" or found[0].node_id in self.world.path_blocked:
            raise Unreachable(f"The machine's own SSH at {endpoint.host}:{endpoint.port} cannot be reached.")

    def pause(self, host: Host, tenancy: Tenancy) -> None:
        """Stops the tenancy and keeps everything."""
        with self.world.lock:
            self._enter("pause", host, tenancy.machine_id, tenancy.epoch)
            machine = self._existing(host, tenancy.machine_id)
            machine.state = "paused"
            _note(machine, "paused")

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
                _note(machine, "access was taken away")

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
        with self.world.lock:
            self.world.enter("observe", host)
            machine = self.world.machines.get(machine_id)
            return machine.state if machine else "absent"

    def service(self, host: Host, tenancy: Tenancy, what: Service) -> Endpoint:
        """Drops the files that are to be made anew, all or all but scratch/, and opens the machine."""
        with self.world.lock:
            self._enter("service", host, tenancy.machine_id, tenancy.epoch)
            machine = self._existing(host, tenancy.machine_id)
            if what in {"rebuild", "rebuild_all"}:
                kept = (SCRATCH,) if what == "rebuild" else ()
                machine.files = {name: text for name, text in machine.files.items() if name.startswith(kept)}
                machine.startup_runs = 0
            _note(machine, what)
            return self._open(machine, tenancy)

    def _enter(self, verb: str, host: Host, machine_id: str, epoch: int) -> None:
        self.world.enter(verb, host)
        self.world.fence(machine_id, epoch)

    def _machine(self, host: Host, tenancy: Tenancy) -> Machine:
        """The machine under this name, made if absent; refuses a second tenant on a node."""
        others = [name for name, other in self.world.machines.items() if other.node_id == host.node_id]
        if any(name != tenancy.machine_id for name in others):
            raise HostUnfit(f"Node {host.node_id} still holds {others[0]}; it must be wiped first.")
        for name in tenancy.environment:
            if not (name.isidentifier() and name.isascii()):
                raise HostUnfit(f"A variable cannot be named {name!r}: letters, digits and _ only.")
        endpoint = Endpoint(
            host=host.address,
            port=20000 + len(self.world.epochs),
            user="gpu",
            host_key=new_host_key(),
        )
        new = Machine(host.node_id, endpoint, environment=dict(tenancy.environment))
        return self.world.machines.setdefault(tenancy.machine_id, new)

    def _existing(self, host: Host, machine_id: str) -> Machine:
        machine = self.world.machines.get(machine_id)
        if machine is None:
            raise HostUnfit(f"Node {host.node_id} holds nothing named {machine_id}.")
        return machine

    def _open(self, machine: Machine, tenancy: Tenancy) -> Endpoint:
        """Runs the script if it has not run yet, and lets the tenant in until the deadline."""
        if tenancy.startup_script and not machine.startup_runs:
            machine.startup_runs = 1
            machine.logs["startup"] = self.world.shell(tenancy.script, machine.environment)
        left = tenancy.seconds_left
        machine.deadline = None if left is None else self.world.seconds() + left
        machine.admits, machine.peers, machine.state = tenancy.ssh_keys, tenancy.peers, "running"
        machine.interruption = tenancy.interruption
        _note(machine, "opened")
        return machine.endpoint


def _note(machine: Machine, text: str) -> None:
    machine.logs["console"] = machine.logs.get("console", "") + f"in memory: {text}\n"


def _gpus(facts: Mapping[str, object]) -> str:
    return f"{facts.get('gpu_count', 0)} x {facts.get('gpu_model', 'no GPU')}"
