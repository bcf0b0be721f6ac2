"""Benches: one node of each provisioner kind, with the same handles, so that one suite can stand on all of them.

The sandbox and podman benches are real: processes, files, and the OpenSSH client as the customer's own.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from leasing.provisioners import inspector_for
from leasing.provisioners.base import (
    Endpoint,
    FactValue,
    Health,
    Host,
    Inspector,
    Peer,
    Provisioner,
    Tenancy,
    Unreachable,
    WipeProof,
)
from leasing.provisioners.fake import Fake, FakeInspector, Machine, World
from leasing.provisioners.podman import Podman
from leasing.provisioners.sandbox import Sandbox
from leasing.provisioners.sandbox.command import command
from standins.nodes.podman_host import PodmanHost, podman_host

ROOT = Path(__file__).resolve().parent.parent
FACTS: dict[str, FactValue] = {
    "gpu_model": "NVIDIA H100",
    "gpu_count": 2,
    "gpu_memory_gb": 80,
    "vcpus": 2,
    "memory_gb": 1,
    "nvme_gb": 1,
}


@dataclass(frozen=True)
class Key:
    """A customer's key pair: the public line, and the path of the private file."""

    line: str
    path: str


def make_key(folder: Path, name: str) -> Key:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return Key(path.with_suffix(".pub").read_text().strip(), str(path))


class Bench(Protocol):
    """A node, a customer in front of it, and somebody who can break it. `scratch` is the folder that a rebuild keeps,
    as a path that `write` and `read` take."""

    kind: str
    provisioner: Provisioner
    inspector: Inspector
    host: Host
    image: str
    scratch: str

    def admits(self, endpoint: Endpoint, key: Key) -> bool: ...
    def write(self, endpoint: Endpoint, key: Key, name: str, text: str) -> None: ...
    def read(self, endpoint: Endpoint, key: Key, name: str) -> str: ...
    def variable(self, endpoint: Endpoint, key: Key, name: str) -> str:
        """What the customer's session has under this name; "" when it has not."""
        ...

    def told(self, endpoint: Endpoint, key: Key) -> str:
        """What the customer's programs find of an interruption; "" for none."""
        ...

    def leads_to(self, endpoint: Endpoint, key: Key, name: str) -> str:
        """The address to which a name leads inside; "" for an unknown one."""
        ...

    def place(self, peer: Peer) -> str:
        """The address to which a sibling's name shall lead."""
        ...

    def startup_runs(self, endpoint: Endpoint, key: Key) -> int:
        """How often the startup script has run in the tenancy's present system."""
        ...

    def cut_off(self) -> None: ...
    def join_again(self) -> None: ...
    def half_make(self, tenancy: Tenancy) -> None: ...
    def lose_gpu(self, index: int) -> None:
        """A GPU falls off the bus, until `mend`."""
        ...

    def report_xid(self, index: int, code: int) -> None:
        """The driver reports an error of a GPU, once."""
        ...

    def mend(self) -> None: ...


class OpenSSH:
    """The customer's side of a bench, with the OpenSSH client and the tenancy's host key pinned."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, endpoint: Endpoint, key: Key, *command: str) -> list[str]:
        known = self.folder / f"known_hosts_{endpoint.host}_{endpoint.port}"
        known.write_text(f"[{endpoint.host}]:{endpoint.port} {endpoint.host_key}\n")
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "IdentitiesOnly=yes"]
        options += ["ConnectTimeout=10", "LogLevel=ERROR"]
        flags = [part for option in options for part in ("-o", option)]
        return [
            "ssh",
            "-F",
            "none",
            *flags,
            "-i",
            key.path,
            "-p",
            str(endpoint.port),
            f"{endpoint.user}@{endpoint.host}",
            *command,
        ]

    def run(self, endpoint: Endpoint, key: Key, command: str) -> str:
        done = subprocess.run(
            self.command(endpoint, key, command), capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout

    def admits(self, endpoint: Endpoint, key: Key, *, inside: Sequence[str] = ()) -> bool:
        """Whether the key opens the machine, from here or from `inside` another network."""
        argv = [*inside, *self.command(endpoint, key, "true")]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def write(self, endpoint: Endpoint, key: Key, name: str, text: str) -> None:
        self.run(endpoint, key, f"printf %s '{text}' > {name}")

    def read(self, endpoint: Endpoint, key: Key, name: str) -> str:
        return self.run(endpoint, key, f"cat {name} 2>/dev/null || true")

    def variable(self, endpoint: Endpoint, key: Key, name: str) -> str:
        return self.run(endpoint, key, f'printf %s "${{{name}-}}"')

    def told(self, endpoint: Endpoint, key: Key) -> str:
        return self.run(endpoint, key, 'cat "$GRIDLEASE_INTERRUPTION" 2>/dev/null || true')

    def leads_to(self, endpoint: Endpoint, key: Key, name: str) -> str:
        hosts = [line.split() for line in self.run(endpoint, key, "cat /etc/hosts").splitlines()]
        return next((line[0] for line in hosts if name in line[1:]), "")

    def place(self, peer: Peer) -> str:
        return peer.address

    def startup_runs(self, endpoint: Endpoint, key: Key) -> int:
        wait_until(lambda: self.read(endpoint, key, "runs") != "")
        return self.read(endpoint, key, "runs").count("run")


class FakeBench:
    """A node in memory."""

    kind = "fake"
    image = "any"
    scratch = "scratch"

    def __init__(self) -> None:
        self.world = World(clock=time.monotonic, shell=_printed)
        self.provisioner: Provisioner = Fake(self.world)
        self.inspector: Inspector = FakeInspector(self.world)
        self.host = _host("fake", "10.0.0.1", 22, "ssh-ed25519 pinned", "/nowhere")
        self.world.keys_at[self.host.address] = self.host.host_key

    def _machine(self, endpoint: Endpoint) -> Machine:
        return next(machine for machine in self.world.machines.values() if machine.endpoint == endpoint)

    def admits(self, endpoint: Endpoint, key: Key) -> bool:
        self.world.expire()
        found = [machine for machine in self.world.machines.values() if machine.endpoint == endpoint]
        return bool(found) and found[0].state == "running" and key.line in found[0].admits

    def write(self, endpoint: Endpoint, key: Key, name: str, text: str) -> None:
        self._machine(endpoint).files[name] = text

    def read(self, endpoint: Endpoint, key: Key, name: str) -> str:
        return self._machine(endpoint).files.get(name, "")

    def variable(self, endpoint: Endpoint, key: Key, name: str) -> str:
        return self._machine(endpoint).environment.get(name, "")

    def told(self, endpoint: Endpoint, key: Key) -> str:
        return self._machine(endpoint).interruption

    def leads_to(self, endpoint: Endpoint, key: Key, name: str) -> str:
        peer = self._machine(endpoint).peers.get(name)
        return peer.address if peer else ""

    def place(self, peer: Peer) -> str:
        return peer.address

    def startup_runs(self, endpoint: Endpoint, key: Key) -> int:
        return self._machine(endpoint).startup_runs

    def cut_off(self) -> None:
        self.world.cut_off.add(self.host.node_id)

    def join_again(self) -> None:
        self.world.cut_off.discard(self.host.node_id)

    def half_make(self, tenancy: Tenancy) -> None:
        self.world.half_way = 1
        with suppress(Unreachable):
            self.provisioner.prepare(self.host, tenancy)

    def lose_gpu(self, index: int) -> None:
        self.world.lost_gpus.setdefault(self.host.node_id, set()).add(index)

    def report_xid(self, index: int, code: int) -> None:
        self.world.xids.setdefault(self.host.node_id, {})[index] = code

    def mend(self) -> None:
        self.world.lost_gpus.clear()


def _printed(script: str, environment: Mapping[str, str]) -> str:
    """What the script prints when it really runs, in a folder that is thrown away."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "startup.sh"
        path.write_text(script)
        argv = ["/bin/sh", str(path)]
        output = subprocess.run(
            argv, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        return output.stdout.decode()


class SandboxBench(OpenSSH):
    """A simulated node of a real sandbox node host, which is a process of its own."""

    kind = "sandbox"
    image = "any"
    scratch = "scratch"

    def __init__(self, folder: Path, operator: Key) -> None:
        super().__init__(folder)
        self.operator = operator
        self.state = folder / "nodes"
        self.provisioner: Provisioner = Sandbox()
        self.inspector = inspector_for("sandbox")
        self.process: subprocess.Popen[str] | None = None
        self.host = _host("sandbox", "127.0.0.1", 0, "", operator.path)
        self.start()

    def start(self) -> None:
        argv = [sys.executable, "-m", "standins.nodes", "--port", str(self.host.port), "--state", str(self.state)]
        argv += ["--authorized-key", f"{self.operator.path}.pub"]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout
        _, address, port, *key = self.process.stdout.readline().split()
        self.host = replace(self.host, address=address, port=int(port), host_key=" ".join(key))

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process:
            self.process.send_signal(how)
            self.process.communicate()

    def cut_off(self) -> None:
        self.kill()

    def join_again(self) -> None:
        self.start()

    def half_make(self, tenancy: Tenancy) -> None:
        """Killed between its first two writes."""
        folder = self.state / "tenancies" / tenancy.machine_id
        folder.mkdir(parents=True)
        (folder / ".record.json.new").write_text('{"machine":')

    def breaks(self, what: str, **how: int) -> None:
        """See `standins.nodes.faults`."""
        command(self.host, "break", what=what, **how)

    def lose_gpu(self, index: int) -> None:
        self.breaks("gpu_lost", gpu=index)

    def report_xid(self, index: int, code: int) -> None:
        self.breaks("xid", gpu=index, code=code)

    def mend(self) -> None:
        self.breaks("mend")


class PodmanBench(OpenSSH):
    """A real host: sshd and podman in namespaces of their own."""

    kind = "podman"
    scratch = "/scratch"

    def __init__(self, folder: Path, built: PodmanHost) -> None:
        super().__init__(folder)
        self.inspector = inspector_for("podman")
        self.built = built
        self.image = built.image
        self.provisioner: Provisioner = Podman()
        self.host = _host("podman", built.address, built.port, built.host_key, built.identity)

    def lose_gpu(self, index: int) -> None:
        self.built.gpus.lose(index)

    def place(self, peer: Peer) -> str:
        """In the lease's own network."""
        return f"10.213.0.{peer.number}"

    def report_xid(self, index: int, code: int) -> None:
        self.built.gpus.report_xid(index, code)

    def mend(self) -> None:
        self.built.gpus.mend()

    def cut_off(self) -> None:
        self.built.cut_off()

    def join_again(self) -> None:
        self.built.join_again()

    def half_make(self, tenancy: Tenancy) -> None:
        """Killed while it made the encrypted disk."""
        folder = f"/var/lib/gridlease/tenancies/{tenancy.machine_id}"
        self.built.ssh(
            f"mkdir -p {folder}/cipher {folder}/plain {folder}/disk && cd {folder} && echo half > key && "
            "gocryptfs -q -init -plaintextnames -scryptn 10 -passfile key cipher && "
            "gocryptfs -q -nosyslog -passfile key cipher plain >/dev/null 2>&1 && "
            "echo gocryptfs > method && echo 1 > plain/disk"
        )


class live_session:
    """An SSH session that has begun: its command has printed its first line."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv

    def __enter__(self) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == "up\n"
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def failed(found: Health | WipeProof) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in found.checks if not check.passed]


@contextmanager
def bench_of(kind: str, folder: Path, operator: Key) -> Iterator[Bench]:
    """The bench of a kind, up as long as the context lives. Raises CannotBuild for a host that cannot be built here."""
    with ExitStack() as stack:
        if kind == "podman":
            yield PodmanBench(folder, stack.enter_context(podman_host(identity=Path(operator.path))))
        elif kind == "sandbox":
            sandbox = SandboxBench(folder, operator)
            stack.callback(sandbox.kill, signal.SIGTERM)
            yield sandbox
        else:
            yield FakeBench()


def wait_until(condition: Callable[[], bool], *, seconds: float = 15) -> None:
    """Returns when the condition holds; fails when it does not in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition did not come true in time"
        time.sleep(0.05)


def _host(kind: str, address: str, port: int, host_key: str, identity: str) -> Host:
    return Host(
        node_id=f"nd_{kind}",
        provisioner=kind,
        address=address,
        port=port,
        user="root",
        host_key=host_key,
        identity=identity,
        facts=FACTS,
    )
