"""A real host on this machine for the podman provisioner: its own network, processes, mounts, sshd and podman.

It is a set of Linux namespaces entered by an init of its own, so that killing that init is a power failure and nothing
of it outlives the process that built it. Needs root. `python -m standins.nodes.podman_host` builds one and prints it;
options say what is missing on it.
"""

import argparse
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from standins.nodes.podman_gpus import SimulatedGPUs
from standins.nodes.tenant_image import lacking, tenant_image

IMAGE = "localhost/gridlease-tenant:latest"
TOOLS = ("podman", "runc", "iptables", "ip", "nsenter", "unshare", "sshd", "ssh-keygen", "ssh")
PACKAGES = "podman runc iptables iproute2 openssh-server busybox-static gocryptfs fuse3"
FOLDERS = (
    *("/var/lib/gridlease", "/var/lib/containers", "/var/lib/cni", "/etc/cdi"),
    *("/usr/local/sbin", "/usr/local/lib/gridlease", "/root"),
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FACTS: Mapping[str, str | int] = {
    "gpu_model": "SIMULATED GPU",
    "gpu_count": 2,
    "gpu_memory_gb": 24,
    "vcpus": 2,
    "memory_gb": 1,
    "nvme_gb": 1,
}
TOLD = ("address", "port", "user", "host_key", "identity", "image", "image_digest", "facts", "fingerprint", "password")
SSHD_CONFIG = """\
HostKey {directory}/host_key
AuthorizedKeysFile .ssh/authorized_keys
PermitRootLogin {root_login}
PasswordAuthentication {password}
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
[ ! -e full ] || mount -t tmpfs -o size=64m tmpfs /var/lib/gridlease
[ ! -e without_podman ] || mount --bind /dev/null /usr/bin/podman
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
    """
    A host that is up between `__enter__` and `__exit__`; `facts` are the node type's, with simulated GPUs.

    With a root `password` that is the only way in: the operator's key `identity` is not admitted. `lacks` names what is
    missing on it: "podman" (then no image either), "cdi", "space".
    """

    directory: Path
    number: int
    lock: IO[str]
    identity: str
    facts: Mapping[str, str | int] = field(default_factory=lambda: FACTS)
    password: str = ""
    lacks: frozenset[str] = frozenset()
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
    def gateway(self) -> str:
        """This machine's end of the line to the host."""
        return f"10.77.{self.number}.1"

    @property
    def name(self) -> str:
        """Of its network namespace and interfaces."""
        return f"glhost{self.number}"

    def __enter__(self) -> Self:
        try:
            self._files()
            self.boot()
            if "podman" not in self.lacks:
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

    @property
    def fingerprint(self) -> str:
        """Of the host key, as OpenSSH shows it."""
        digest = hashlib.sha256(b64decode(self.host_key.split()[1])).digest()
        return "SHA256:" + b64encode(digest).decode().rstrip("=")

    @property
    def gpus(self) -> SimulatedGPUs:
        """Its simulated GPUs, which can be broken and mended."""
        return SimulatedGPUs(self.directory / "root", self.name, self.facts)

    def boot(self) -> None:
        """Starts the host and waits until its sshd answers."""
        self._network()
        with (self.directory / "init.log").open("ab") as log:
            self.init = self._start(log)
        until = time.monotonic() + 10
        while not self._answers():
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

    def link(self, other: "PodmanHost") -> tuple[str, str]:
        """A cable to another host, as in a rack; returns the addresses at which this one and the other answer on it."""
        mine, its = f"10.78.{self.number}.1", f"10.78.{self.number}.2"
        _run(
            "ip", "link", "add", "rack", "netns", self.name, "type", "veth", "peer", "name", "rack", "netns", other.name
        )
        for host, address in ((self, mine), (other, its)):
            host.inside("ip", "address", "add", f"{address}/24", "dev", "rack")
            host.inside("ip", "link", "set", "rack", "up")
        return mine, its

    def inside(self, *argv: str) -> None:
        """Runs a program in the host's network."""
        _run("nsenter", f"--net=/run/netns/{self.name}", *argv)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def console(self, command: str, *, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Runs a command as somebody in front of the host: also while it is cut off, and whoever may log in."""
        assert self.init
        children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        enter = ["nsenter", f"--net=/run/netns/{self.name}", "--target", children[0], "--mount", "--pid"]
        argv = [*enter, "sh", "-c", command]
        return subprocess.run(argv, input=stdin, capture_output=True, check=check, env={"PATH": PATH, "HOME": "/root"})

    def ssh(self, command: str, *, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Runs a command on the host as the operator, through the OpenSSH client."""
        known = self.directory / "known_hosts"
        options = ["-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}", "-o", "ConnectTimeout=5"]
        argv = ["ssh", *options, "-i", self.identity, f"root@{self.address}", command]
        return subprocess.run(argv, input=stdin, capture_output=True, check=check)

    def _files(self) -> None:
        """Keys, sshd's configuration, what is missing, the simulated GPUs."""
        for folder in FOLDERS:
            Path(folder).mkdir(parents=True, exist_ok=True)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.directory / "host_key"))
        self.host_key = " ".join((self.directory / "host_key.pub").read_text().split()[:2])
        (self.directory / "known_hosts").write_text(f"{self.address} {self.host_key}\n")
        self._logins()
        for missing in self.lacks & {"podman", "space"}:
            (self.directory / {"podman": "without_podman", "space": "full"}[missing]).touch()
        self.gpus.install(cdi="cdi" not in self.lacks)

    def _logins(self) -> None:
        """Who gets in: the operator, or whoever knows the password."""
        admitted, hashed = self.directory / "root/root/.ssh/authorized_keys", "*"
        admitted.parent.mkdir(parents=True, mode=0o700)
        admitted.parent.parent.chmod(0o700)
        if self.password:
            libcrypt = ctypes.CDLL("libcrypt.so.1")
            libcrypt.crypt.restype = ctypes.c_char_p
            hashed = libcrypt.crypt(self.password.encode(), b"$6$gridlease").decode()
        else:
            argv = ["ssh-keygen", "-y", "-f", self.identity]
            public = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
            admitted.write_text(public)
        (self.directory / "shadow").write_text(f"root:{hashed}:1::::::\nsshd:*:1::::::\n")
        root_login, password = ("yes", "yes") if self.password else ("prohibit-password", "no")
        config = SSHD_CONFIG.format(directory=self.directory, root_login=root_login, password=password)
        (self.directory / "sshd_config").write_text(config)

    def _network(self) -> None:
        """A namespace and a pair of interfaces, of which one end stays here."""
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", f"{self.name}a", "type", "veth", "peer", "name", f"{self.name}b", "netns", self.name)
        _run("ip", "address", "add", f"{self.gateway}/24", "dev", f"{self.name}a")
        _run("ip", "link", "set", f"{self.name}a", "up")
        self.inside("ip", "address", "add", f"{self.address}/24", "dev", f"{self.name}b")
        self.inside("ip", "link", "set", f"{self.name}b", "up")
        self.inside("ip", "link", "set", "lo", "up")

    def _import_image(self) -> None:
        """Brings the tenants' image onto the host, as an operator would without a registry."""
        self.console(f"podman import -q - {IMAGE}", stdin=tenant_image())
        shown = self.console(f"podman image inspect --format '{{{{.Digest}}}}' {IMAGE}")
        self.image_digest = shown.stdout.decode().strip()


def podman_host(
    *,
    identity: Path,
    directory: Path | None = None,
    password: str = "",
    lacks: Collection[str] = (),
    facts: Mapping[str, str | int] = FACTS,
) -> PodmanHost:
    """A host, not yet up; see PodmanHost. Raises CannotBuild.

    `directory` is where its disks lie, by default in /var/tmp; a fresh directory in it is made and later removed.
    """
    reason = why_not()
    if reason:
        raise CannotBuild(reason)
    number, lock = _number()
    parent = directory or Path("/var/tmp")
    _clear(f"glhost{number}", parent)
    base = Path(tempfile.mkdtemp(prefix=f"glhost{number}-", dir=parent))
    return PodmanHost(
        directory=base,
        number=number,
        lock=lock,
        identity=str(identity),
        facts=facts,
        password=password,
        lacks=frozenset(lacks),
    )


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


def _run(*argv: str, check: bool = True) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | {"PATH": PATH})
    if check and done.returncode:
        raise CannotBuild(f"{' '.join(argv)} failed: {done.stderr.strip()}")


def main() -> None:
    """Builds one host, prints it as one line of JSON, and takes it down at SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m standins.nodes.podman_host", description=__doc__)
    parser.add_argument("--identity", type=Path, required=True, help="the operator's private key file")
    parser.add_argument("--directory", type=Path, help="where the host's disks lie; /var/tmp by default")
    parser.add_argument("--password", default="", help="root's, and the only way in; by default the key is admitted")
    parser.add_argument("--lacks", action="append", default=[], choices=["podman", "cdi", "space"])
    parser.add_argument(
        "--gpu-count", type=int, default=FACTS["gpu_count"], help="simulated; 0 for a host without GPUs"
    )
    parser.add_argument("--gpu-model", default=FACTS["gpu_model"], help="as nvidia-smi names it")
    parser.add_argument("--gpu-memory-gb", type=int, default=FACTS["gpu_memory_gb"])
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked = vars(arguments)
    facts = {**FACTS, **{name: asked.pop(name) for name in ("gpu_count", "gpu_model", "gpu_memory_gb")}}
    try:
        with podman_host(**asked, facts=facts) as host:
            print(json.dumps({name: getattr(host, name) for name in TOLD}), flush=True)
            signal.pause()
    except CannotBuild as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
