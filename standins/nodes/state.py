"""What the sandbox node host keeps on disk, so that a crash and a restart change nothing for any tenant.

DIR/host_key                       the host key of the control door
DIR/fences/MACHINE                 the highest epoch obeyed for the machine; outlives the tenancy
DIR/tenancies/MACHINE/record.json  the tenancy; written last, so a directory without it is a half-made one
DIR/tenancies/MACHINE/host_key     the tenancy's own host key
DIR/tenancies/MACHINE/console.log  what happened to the tenancy
DIR/faults/NODE                    what a test broke on the node, and how often it has booted
HOMES/MACHINE/home, HOMES/MACHINE/bin, HOMES/MACHINE/environment,
HOMES/MACHINE/interruption.json and the canaries
"""

import fcntl
import hashlib
import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

MACHINE = re.compile(r"[A-Za-z0-9_-]{1,60}")
USER = "gpu"
FIRST_UID = 3_000_000


class Refused(Exception):
    """A command that cannot be done: `kind` is the name that the control side knows, the message one sentence."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(kw_only=True)
class Record:
    """One tenancy as it is kept. `uid` is the user its processes run as, or null for the node host's own user;
    `deadline` is when access ends by itself, in seconds since 1970, or null for never."""

    machine: str
    node: str
    port: int
    uid: int | None
    canary: str
    keys: list[str] = field(default_factory=list)
    open: bool = False
    started: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    deadline: float | None = None


class State:
    """The directory, held by one process at a time, and the files of each machine in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (root, root / "fences", root / "tenancies", root / "faults"):
            folder.mkdir(parents=True, exist_ok=True)
        self.lock = (root / "lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SystemExit(f"Another sandbox node host already serves {root}; stop it first.") from error
        self.homes = _homes(root)

    def close(self) -> None:
        """Leaves no empty directory behind outside the state's own."""
        with suppress(OSError):
            self.homes.rmdir()

    def tenancy(self, machine: str) -> Path:
        """The private directory of a machine. Raises Refused for a name that is none."""
        return self.root / "tenancies" / named(machine)

    def home(self, machine: str) -> Path:
        """The tenant's home."""
        return self.homes / named(machine) / "home"

    def tools(self, machine: str) -> Path:
        """Programs put first in the tenant's PATH."""
        return self.homes / named(machine) / "bin"

    def environment(self, machine: str) -> Path:
        """The customer's variables as a shell reads them: for the tenant's user alone."""
        return self.homes / named(machine) / "environment"

    def interruption(self, machine: str) -> Path:
        """What the tenant's programs are told of an announced interruption, while there is one."""
        return self.homes / named(machine) / "interruption.json"

    def load(self, machine: str) -> Record | None:
        """The machine's record, or None when there is none."""
        try:
            return Record(**json.loads((self.tenancy(machine) / "record.json").read_text()))
        except FileNotFoundError:
            return None

    def save(self, record: Record) -> None:
        """Keeps the record."""
        write(self.tenancy(record.machine) / "record.json", json.dumps(asdict(record)))

    def records(self) -> list[Record]:
        """Every tenancy that is there."""
        found = (self.load(path.name) for path in sorted((self.root / "tenancies").iterdir()))
        return [record for record in found if record]

    def held_by(self, node: str) -> Record | None:
        """The one tenancy of a node, if it holds one."""
        return next((record for record in self.records() if record.node == node), None)

    def fence(self, machine: str, epoch: int) -> None:
        """Remembers the highest epoch; raises Refused("StaleEpoch") for a lower one."""
        path = self.root / "fences" / named(machine)
        newest = int(path.read_text()) if path.exists() else epoch
        if epoch < newest:
            raise Refused("StaleEpoch", f"{machine}: epoch {epoch} is older than {newest}, already obeyed here.")
        write(path, str(epoch))


def host_key(path: Path) -> asyncssh.SSHKey:
    """The private key at `path`, made when absent."""
    if not path.exists():
        write(path, asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode())
    return asyncssh.read_private_key(str(path))


def public_line(key: asyncssh.SSHKey) -> str:
    """The key's OpenSSH public line, without a comment."""
    return " ".join(key.export_public_key().decode().split()[:2])


def write(path: Path, text: str) -> None:
    """Replaces a private file in one step."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def named(machine: str) -> str:
    """The name of a machine or a node, if it is one. Raises Refused: names are parts of paths."""
    if not MACHINE.fullmatch(machine):
        raise Refused("HostUnfit", f"{machine!r} is not the name of a machine.")
    return machine


def _homes(root: Path) -> Path:
    """Where homes lie: beside the state, or in /var/tmp when other users (the tenants) may not pass through to it."""
    homes = root / "homes"
    if os.getuid() == 0 and not all(parent.stat().st_mode & stat.S_IXOTH for parent in homes.resolve().parents):
        homes = Path("/var/tmp") / f"gridlease-homes-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]}"
    homes.mkdir(mode=0o711, exist_ok=True)
    if homes.is_symlink() or homes.stat().st_uid != os.getuid():
        raise SystemExit(f"{homes} belongs to another user; remove it and start again.")
    homes.chmod(0o711)
    return homes
