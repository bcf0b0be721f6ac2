"""Making a tenancy's files: its record and port, home, canaries, variables, GPU report, and the start of its script."""

import os
import random
import re
import secrets
import socket
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from shlex import quote
from typing import Any

from standins.nodes import gpu
from standins.nodes.processes import MARK, SHELL, spawn
from standins.nodes.state import FIRST_UID, USER, Record, Refused, State, write
from standins.nodes.wiping import write_canary

PORTS = range(20000, 30000)  # below the kernel's own range, so that a stopped tenancy's port is still free later
SCRATCH = "scratch"  # in the home: what a rebuild leaves
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
START = 'umask 077; cat > startup.sh; chmod 700 startup.sh; exec "$@" > startup.log 2>&1 < /dev/null'


def begin(state: State, request: dict[str, Any], address: str) -> Record:
    """A new record with a port of its own. Raises Refused while the node holds another tenancy, and for variables that
    cannot be: before anything is written."""
    for name in request["environment"]:
        if not VARIABLE.fullmatch(name) or name == MARK:
            raise Refused("HostUnfit", f"A variable cannot be named {name!r}: letters, digits and _ only.")
    records = state.records()
    other = state.held_by(request["node"])
    if other:
        raise Refused("HostUnfit", f"Node {request['node']} still holds {other.machine}; it must be wiped first.")
    port = _free_port(address, {record.port for record in records})
    record = Record(
        machine=request["machine"],
        node=request["node"],
        port=port,
        uid=FIRST_UID + port if os.getuid() == 0 else None,
        canary=secrets.token_hex(32),
    )
    state.tenancy(record.machine).mkdir(exist_ok=True)
    state.save(record)
    return record


def furnish(state: State, record: Record, variables: dict[str, str], peers: dict[str, str], lost: list[int]) -> None:
    """The home with its scratch, the customer's variables, the GPU report and the canaries; what is there stays."""
    home = state.home(record.machine)
    home.parent.mkdir(mode=0o711, exist_ok=True)
    home.parent.chmod(0o711)
    write_canary(home.parent, "start", record.canary)
    for folder in (home, home / SCRATCH):
        _give(folder, record.uid)
    if record.uid is not None:
        _name_user(home, record.uid)
        _name_peers(home, peers)
    write_canary(home.parent, "middle", record.canary)
    _keep_variables(state.environment(record.machine), variables, record.uid)
    gpu.install(state.tools(record.machine), record.node, record.facts, lost)
    write_canary(home.parent, "end", record.canary)


async def first_start(state: State, record: Record, script: str) -> None:
    """Starts the tenant's script, once in the life of the tenancy; its output is kept in the home as startup.log.

    It is marked as started before it starts: a crash in between costs the run, never a second one.
    """
    record.started = True
    state.save(record)
    interpreter = ["./startup.sh"] if script.startswith("#!") else [SHELL, "./startup.sh"]
    child = await spawn(state, record, ["/bin/sh", "-c", START, "sh", *interpreter], streams=(PIPE, DEVNULL, DEVNULL))
    assert child.stdin
    child.stdin.write(script.encode())
    child.stdin.close()


def _give(folder: Path, uid: int | None) -> None:
    """A folder for the tenant alone. What the tenant has put in its place is left: it could be a link to anywhere."""
    if not os.path.lexists(folder):
        folder.mkdir(mode=0o700)
        if uid is not None:
            os.chown(folder, uid, uid, follow_symlinks=False)


def _keep_variables(path: Path, variables: dict[str, str], uid: int | None) -> None:
    """Writes the customer's variables down for a shell, once, readable by the tenant alone."""
    if variables and not path.exists():
        write(path, "".join(f"export {name}={quote(value)}\n" for name, value in sorted(variables.items())))
    if uid is not None and path.exists():
        os.chown(path, uid, uid)


def announce(state: State, record: Record, interruption: str) -> None:
    """What the tenant's programs are told of an announced interruption; nothing of it is left when there is none."""
    path = state.interruption(record.machine)
    if not interruption:
        path.unlink(missing_ok=True)
        return
    write(path, interruption)
    if record.uid is not None:
        os.chown(path, record.uid, record.uid)


def _name_user(home: Path, uid: int) -> None:
    """What /etc/passwd and /etc/group shall be to the tenant: programs expect their user to have a name."""
    entries = {
        "passwd": f"{USER}:x:{uid}:{uid}:tenant of a simulated node:{home}:{SHELL}\n",
        "group": f"{USER}:x:{uid}:\n",
    }
    for name, own in entries.items():
        home.with_name(name).write_text((Path("/etc") / name).read_text() + own)
        home.with_name(name).chmod(0o644)


def _name_peers(home: Path, peers: dict[str, str]) -> None:
    """What /etc/hosts shall be to the tenant, where it has a view of its own: all simulated nodes are one machine."""
    own = "".join(f"{address} {name}\n" for name, address in peers.items())
    home.with_name("hosts").write_text((Path("/etc") / "hosts").read_text() + own)
    home.with_name("hosts").chmod(0o644)


def _free_port(address: str, taken: set[int]) -> int:
    """A random port that no record names and nobody listens on."""
    for port in random.sample(PORTS, len(PORTS)):
        if port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                return port
            except OSError:
                continue
    raise Refused("HostUnfit", f"No port from {PORTS[0]} to {PORTS[-1]} is free on {address}.")
