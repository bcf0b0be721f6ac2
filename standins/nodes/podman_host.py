"""A real host on this machine for the podman provisioner: its own network, processes, mounts, sshd and podman.

It is a set of Linux namespaces entered by an init of its own, so that killing that init is a power failure and nothing
of it outlives the process that built it. Needs root. `python -m standins.nodes.podman_host` builds one and prints it.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from standins.nodes import gpu
from standins.nodes.tenant_image import lacking, tenant_image

IMAGE = "localhost/gridlease-tenant:latest"
TOOLS = ("podman", "runc", "iptables", "ip", "nsenter", "unshare", "sshd", "ssh-keygen", "ssh")
PACKAGES = "podman runc iptables iproute2 openssh-server busybox-static gocryptfs"
FOLDERS = ("/var/lib/gridlease", "/var/lib/containers", "/var/lib/cni", "/etc/cdi", "/usr/local/sbin")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FACTS: Mapping[str, str | int] = {
    "gpu_model": "SIMULATED GPU",
    "gpu_count": 2,
    "gpu_memory_gb": 24,
    "vcpus": 2,
    "memory_gb": 1,
    "nvme_gb": 1,
}
SSHD_CONFIG = """\
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
"""
INIT = """\
set -e
mount --make-rshared /
cd "$1"; shift
mount -t tmpfs tmpfs /run; mkdir -p /run/sshd /run/lock
mount -t tmpfs tmpfs /dev/shm
mount --bind shadow /etc/shadow
for folder in "$@"; do mkdir -p "root$folder"; mount --bind "root$folder" "$folder"; done
"$(command -v sshd)" -D -e -f "$PWD/sshd_config" </dev/null >>sshd.log 2>&1 &
read -r _ || true
mount -t fusectl fusectl /run
for minor in $(awk '/ - fuse/ { sub(/.*:/, "", $3); print $3 }' /proc/self/mountinfo); do
  echo 1 >"/run/$minor/abort"
done
"""
"""The host's first process. It ends, and all others with it, when its input does: when its builder wants it or dies.

Mounts are shared, as on any Linux host, because podman's attendants live in a view of their own. FUSE file systems are
aborted at the end: a disk in a file on one of them would else wait for ever for its killed daemon.
"""


class CannotBuild(Exception):
    """Why no host can be built on this machine; one sentence that says what to install or do."""


@dataclass
class PodmanHost:
    """A host that is up between `__enter__` and `__exit__`; `facts` are the node type's, with simulated GPUs."""

    directory: Path
    number: int
    lock: IO[str]
    identity: str
    facts: Mapping[str, str | int] = field(default_factory=lambda: FACTS)
    port: int = 22
    user: str = "root"
    host_key: str = ""
    image: str = IMAGE
    image_digest: str = ""
    init: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the host answers on this machine."""
        return f"10.77.{self.number}.2"

    @property
    def name(self) -> str:
        """Of its network namespace and interfaces."""
        return f"glhost{self.number}"

    def __enter__(self) -> Self:
        try:
            self._files()
            self.boot()
            self._import_image()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Takes everything down."""
        self.power_off()
        _clear(self.name, self.directory.parent)
        self.lock.close()

    def boot(self) -> None:
        """Starts the host and waits until its sshd answers."""
        self._network()
        with (self.directory / "init.log").open("ab") as log:
            self.init = self._start(log)
        until = time.monotonic() + 10
        while self.ssh("true", check=False).returncode:
            if self.init.poll() is not None or time.monotonic() > until:
                logs = [self.directory / "init.log", self.directory / "sshd.log"]
                said = " ".join(log.read_text() for log in logs if log.exists())
                raise CannotBuild(f"The test host does not start: {said}")
            time.sleep(0.05)

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """The first process, in namespaces of its own."""
        enter = ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--mount", "--propagation", "private"]
        enter += ["--pid", "--fork", "--mount-proc", "--kill-child"]
        return subprocess.Popen(
            [*enter, "bash", "-c", INIT, "init", str(self.directory), *FOLDERS],
            env={"PATH": PATH},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def power_off(self) -> None:
        """Kills every process of the host at once, and its network, as a power failure does; its disks stay."""
        if self.init:
            self.init.communicate(timeout=20)
            self.init = None
        _unplug(self.name)

    def cut_off(self) -> None:
        """Drops every packet that reaches the host."""
        self.inside("iptables", "-t", "mangle", "-I", "PREROUTING", "-i", f"{self.name}b", "-j", "DROP")

    def join_again(self) -> None:
        """Ends `cut_off`."""
        self.inside("iptables", "-t", "mangle", "-D", "PREROUTING", "-i", f"{self.name}b", "-j", "DROP")

    def inside(self, *argv: str) -> None:
        """Runs a program in the host's network."""
        _run("nsenter", f"--net=/run/netns/{self.name}", *argv)

    def ssh(self, command: str, *, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Runs a command on the host as the operator, through the OpenSSH client."""
        known = self.directory / "known_hosts"
        options = ["-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}", "-o", "ConnectTimeout=5"]
        argv = ["ssh", *options, "-i", self.identity, f"root@{self.address}", command]
        return subprocess.run(argv, input=stdin, capture_output=True, check=check)

    def _files(self) -> None:
        """Keys, sshd's configuration, the simulated GPUs and their CDI specification."""
        for folder in FOLDERS:
            Path(folder).mkdir(parents=True, exist_ok=True)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.directory / "host_key"))
        self.host_key = " ".join((self.directory / "host_key.pub").read_text().split()[:2])
        (self.directory / "known_hosts").write_text(f"{self.address} {self.host_key}\n")
        public = subprocess.run(["ssh-keygen", "-y", "-f", self.identity], capture_output=True, text=True, check=True)
        (self.directory / "authorized_keys").write_text(public.stdout)
        (self.directory / "sshd_config").write_text(SSHD_CONFIG.format(directory=self.directory))
        (self.directory / "shadow").write_text("root:*:1::::::\nsshd:*:1::::::\n")
        smi = self.directory / "root/usr/local/sbin"
        gpu.install(smi, self.name, dict(self.facts))
        cdi = self.directory / "root/etc/cdi"
        cdi.mkdir(parents=True)
        (cdi / "nvidia.json").write_text(json.dumps(_cdi()))

    def _network(self) -> None:
        """A namespace and a pair of interfaces, of which one end stays here."""
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", f"{self.name}a", "type", "veth", "peer", "name", f"{self.name}b", "netns", self.name)
        _run("ip", "address", "add", f"10.77.{self.number}.1/24", "dev", f"{self.name}a")
        _run("ip", "link", "set", f"{self.name}a", "up")
        self.inside("ip", "address", "add", f"{self.address}/24", "dev", f"{self.name}b")
        self.inside("ip", "link", "set", f"{self.name}b", "up")
        self.inside("ip", "link", "set", "lo", "up")

    def _import_image(self) -> None:
        """Brings the tenants' image onto the host, as an operator would without a registry."""
        self.ssh(f"podman import -q - {IMAGE}", stdin=tenant_image())
        shown = self.ssh(f"podman image inspect --format '{{{{.Digest}}}}' {IMAGE}")
        self.image_digest = shown.stdout.decode().strip()


def podman_host(*, identity: Path, directory: Path | None = None) -> PodmanHost:
    """A host, not yet up, that admits the operator's private key `identity`. Raises CannotBuild.

    `directory` is where its disks lie, by default in /var/tmp; a fresh directory in it is made and later removed.
    """
    reason = why_not()
    if reason:
        raise CannotBuild(reason)
    number, lock = _number()
    parent = directory or Path("/var/tmp")
    _clear(f"glhost{number}", parent)
    base = Path(tempfile.mkdtemp(prefix=f"glhost{number}-", dir=parent))
    return PodmanHost(directory=base, number=number, lock=lock, identity=str(identity))


def why_not() -> str:
    """Why this machine cannot play a host, in one sentence; empty when it can."""
    missing = [name for name in TOOLS if not shutil.which(name, path=PATH)] + lacking()
    if os.getuid() != 0:
        return "A real test host needs root, for namespaces and podman."
    if missing:
        return (
            f"A real test host needs {', '.join(missing)}; install: apt-get install --no-install-recommends {PACKAGES}"
        )
    return ""


def _number() -> tuple[int, IO[str]]:
    """The first number that no living builder holds; a dead one's leftovers are cleared by whoever takes it next."""
    for number in range(1, 250):
        lock = Path(f"/run/lock/glhost{number}").open("w")  # noqa: SIM115 - held as long as the host lives
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number, lock
        except BlockingIOError:
            lock.close()
    raise CannotBuild("249 test hosts run on this machine already.")


def _clear(name: str, parent: Path) -> None:
    """Removes a host's network and disks, whether or not its builder lived to do so."""
    _unplug(name)
    for left in parent.glob(f"{name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _unplug(name: str) -> None:
    """Removes a host's network, if there is one."""
    _run("ip", "netns", "delete", name, check=False)
    _run("ip", "link", "delete", f"{name}a", check=False)


def _cdi() -> dict[str, object]:
    """A CDI specification as the NVIDIA toolkit writes it, for the simulated GPUs."""
    smi = {"hostPath": "/usr/local/sbin/nvidia-smi", "containerPath": "/usr/bin/nvidia-smi", "options": ["ro", "bind"]}
    device = {"name": "all", "containerEdits": {"mounts": [smi]}}
    return {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [device]}


def _run(*argv: str, check: bool = True) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | {"PATH": PATH})
    if check and done.returncode:
        raise CannotBuild(f"{' '.join(argv)} failed: {done.stderr.strip()}")


def main() -> None:
    """Builds one host, prints it as one line of JSON, and takes it down at SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m standins.nodes.podman_host", description=__doc__)
    parser.add_argument("--identity", type=Path, required=True, help="the operator's private key file")
    parser.add_argument("--directory", type=Path, help="where the host's disks lie; /var/tmp by default")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with podman_host(identity=arguments.identity, directory=arguments.directory) as host:
            told = ("address", "port", "user", "host_key", "identity", "image", "image_digest", "facts")
            print(json.dumps({name: getattr(host, name) for name in told}), flush=True)
            signal.pause()
    except CannotBuild as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
