"""Destroying a tenancy's files, and looking for them afterwards."""

import os
import shutil
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

ZEROS = bytes(1 << 20)
METHOD = "simulated node: processes killed, every file overwritten with zeros in place and deleted, host key destroyed"
NOTHING = "simulated node: nothing was there under this name; looked again"

Row = tuple[str, bool, str]


@dataclass
class Canary:
    """A secret written when the tenancy began, held open over the wipe to see that its very blocks were overwritten."""

    path: Path
    secret: bytes
    descriptor: int | None = None

    def hold(self) -> None:
        """Opens it, if it is there."""
        if self.path.exists():
            self.descriptor = os.open(self.path, os.O_RDONLY)

    def verdict(self) -> Row:
        """Whether it can still be read, by its name or through the open file."""
        if self.path.exists():
            return "canary", False, "the canary is still there"
        if self.descriptor is None:
            return "canary", True, "no canary was left to read"
        seen = os.pread(self.descriptor, len(self.secret) or 1, 0)
        os.close(self.descriptor)
        survived = seen == self.secret
        return "canary", not survived, "read back unchanged" if survived else "gone, and its blocks read back as zeros"


def destroy(folder: Path) -> None:
    """Overwrites every regular file below `folder` and removes the tree."""
    for parent, _, names in os.walk(folder):
        for name in names:
            _overwrite(Path(parent) / name)
    shutil.rmtree(folder, ignore_errors=True)


def absent(name: str, path: Path) -> Row:
    """Whether nothing is at `path`."""
    there = path.exists() or path.is_symlink()
    return name, not there, f"{path.name} is still there" if there else "none left"


def closed(address: str, port: int | None) -> Row:
    """Whether nobody listens at the tenant's old address."""
    if port is None:
        return "address", True, "no address was left"
    with socket.socket() as probe:
        probe.settimeout(2)
        answered = probe.connect_ex((address, port)) == 0
    return "address", not answered, f"port {port} still answers" if answered else f"port {port} is closed"


def _overwrite(path: Path) -> None:
    """Zeros over the allocated parts of a regular file; anything else is left to the deletion."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        for start, end in _allocated(descriptor):
            os.lseek(descriptor, start, os.SEEK_SET)
            while start < end:
                start += os.write(descriptor, ZEROS[: end - start])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _allocated(descriptor: int) -> list[tuple[int, int]]:
    """The parts of the file that are not holes: a sparse file must not fill the disk when it is overwritten."""
    size, at, parts = os.fstat(descriptor).st_size, 0, []
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        parts.append((start, at))
    return parts
