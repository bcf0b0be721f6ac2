"""Ports: which are free, and who sits on one that is not."""

import socket
from contextlib import suppress
from pathlib import Path

from config.part import Trouble

HOST = "127.0.0.1"


def claim(port: int) -> int:
    """This port, which a person chose. Raises Trouble, naming the holder, when it is taken."""
    if not 1 <= port <= 65535:
        raise Trouble(f"There is no port {port}: choose one from 1 to 65535 with --port.")
    if not _free(port):
        raise Trouble(f"Port {port} is in use{_by(port)}: stop that, or choose another port with ./run --port N.")
    return port


def near(port: int) -> int:
    """The first free port from this one up. Raises Trouble when a hundred are taken."""
    for candidate in range(port, min(port + 100, 65536)):
        if _free(candidate):
            return candidate
    raise Trouble(f"Ports {port} to {port + 99} are all in use: choose others with ./run --port N.")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise Trouble(f"Only root may use port {port}: choose one above 1023 with --port.") from None
        except OSError:
            return False
    return True


def _by(port: int) -> str:
    """Words naming the process that listens there, or none when the system does not tell."""
    sockets = {f"socket:[{inode}]" for inode in _listeners(port)}
    for process in Path("/proc").glob("[0-9]*"):
        if sockets & _held(process):
            return f" by {(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _held(process: Path) -> set[str]:
    """What the process has open; empty when it is not ours to look at."""
    held = set()
    with suppress(PermissionError, FileNotFoundError):
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed while we looked
                held.add(str(descriptor.readlink()))
    return held


def _listeners(port: int) -> list[str]:
    rows = [line.split() for file in ("tcp", "tcp6") for line in _rows(Path("/proc/net") / file)]
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]


def _rows(file: Path) -> list[str]:
    return file.read_text().splitlines()[1:] if file.exists() else []


def answers(port: int, *, host: str = HOST) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
