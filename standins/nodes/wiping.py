"""Destroying a tenancy's files, and looking for them afterwards."""

import hashlib
import os
import shutil
import socket
import stat
from pathlib import Path

from standins.nodes.state import write

ZEROS = bytes(1 << 20)
METHOD = "simulated node: processes killed, every file overwritten with zeros in place and deleted, host key destroyed"
NOTHING = "simulated node: nothing was there under this name; looked again"

Row = tuple[str, bool, str]


PLACES = ("start", "middle", "end")


def secret_at(place: str, secret: str) -> bytes:
    """What the canary at a place says; `secret` is the tenancy's own."""
    return hashlib.sha256(f"{place} {secret}".encode()).hexdigest().encode()


def write_canary(folder: Path, place: str, secret: str) -> None:
    """Leaves a canary in the folder, once in the life of the tenancy."""
    path = folder / f"canary-{place}"
    if not path.exists():
        write(path, secret_at(place, secret).decode())


class Canaries:
    """The secrets written first, between and last when the tenancy began. They are held open over the wipe, to see that
    their very blocks were overwritten. A half-made tenancy, or one half wiped, has fewer, and the verdicts say so."""

    def __init__(self, folder: Path, secret: str) -> None:
        self.secrets = {place: secret_at(place, secret) for place in PLACES}
        paths = {place: folder / f"canary-{place}" for place in PLACES}
        self.open = {place: os.open(path, os.O_RDONLY) for place, path in paths.items() if path.exists()}
        self.before = [place for place in self.open if self._readable(place)]

    def verdicts(self) -> list[Row]:
        """Whether each can still be read through the open file; to be asked once, after the wipe."""
        before = f"{len(self.before)} of {len(PLACES)} canaries were readable before"
        left = [place for place in self.before if self._readable(place)]
        for descriptor in self.open.values():
            os.close(descriptor)
        return [
            (f"canary {place}", place not in left, f"{before}, this one is {'still' if place in left else 'not now'}")
            for place in PLACES
        ]

    def _readable(self, place: str) -> bool:
        secret = self.secrets[place]
        return os.pread(self.open[place], len(secret), 0) == secret


def clear(home: Path, *, keep: str) -> None:
    """Overwrites and removes all that is in the home but one entry."""
    for entry in home.iterdir():
        if entry.name == keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            destroy(entry)
        else:
            _overwrite(entry)
            entry.unlink()


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
