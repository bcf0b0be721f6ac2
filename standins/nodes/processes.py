"""The tenants' processes: started as a user of their own where that is possible, found again by user or mark."""

import asyncio
import fcntl
import os
import resource
import signal
import subprocess
import termios
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from shutil import which

from standins.nodes.state import Record, State

MARK = "GRIDLEASE_MACHINE"
SHELL = which("bash") or "/bin/sh"
LIMITS = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: 4096,
    resource.RLIMIT_FSIZE: 8 << 30,
    resource.RLIMIT_NPROC: 256,
}


# As root: the tenant's rights and no way to more; before that, where the machine allows it, a private view of the
# machine in which the tenant's user, and the other machines of its lease, have names.
VIEW = ["/usr/bin/unshare", "--mount", "--propagation", "private"]
NAMED = (
    'for name in passwd group hosts; do [ ! -e "$1/$name" ] || mount --bind "$1/$name" "/etc/$name" || exit; done; '
    'shift && exec "$@"'
)

# The customer's variables are read after the tenant's rights are taken on: a loader's variable must not reach root.
WITH_VARIABLES = '. "$0" && exec "$@"'


async def spawn(
    state: State,
    record: Record,
    argv: Sequence[str],
    *,
    streams: tuple[int, int, int],
    terminal: str = "",
) -> asyncio.subprocess.Process:
    """Starts `argv` in the tenant's home as the tenant, in a new session; `terminal` names TERM when stdin is a pty."""
    return await asyncio.create_subprocess_exec(
        *_as_tenant(state, record, argv),
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        cwd=state.home(record.machine),
        env=surroundings(state, record) | ({"TERM": terminal} if terminal else {}),
        start_new_session=True,
        preexec_fn=partial(_enter, terminal=bool(terminal), own_user=record.uid is not None),
    )


def surroundings(state: State, record: Record) -> dict[str, str]:
    """All that the tenant's processes inherit besides the customer's own variables."""
    return {
        "HOME": str(state.home(record.machine)),
        "PATH": f"{state.tools(record.machine)}:/usr/local/bin:/usr/bin:/bin",
        "SHELL": SHELL,
        "USER": "gpu",
        "LOGNAME": "gpu",
        "LANG": "C.UTF-8",
        "PS1": r"gpu@simulated-node:\w\$ ",
        MARK: record.machine,
        "GRIDLEASE_INTERRUPTION": str(state.interruption(record.machine)),
    }


def pids(machine: str, uid: int | None) -> list[int]:
    """Every living process of the tenancy."""
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _belongs(entry, machine, uid)
    ]


async def kill_all(machine: str, uid: int | None, *, seconds: float = 5.0) -> list[int]:
    """Kills until none is left, at most for `seconds`; returns those that still live."""
    until = asyncio.get_running_loop().time() + seconds
    while (left := pids(machine, uid)) and asyncio.get_running_loop().time() < until:
        for pid in left:
            hit(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)
    return left


def hit(pid: int, number: int, *, group: bool = False) -> None:
    """Sends a signal to a process, or to its group, if it is still there."""
    try:
        os.killpg(pid, number) if group else os.kill(pid, number)
    except ProcessLookupError:
        return


def _as_tenant(state: State, record: Record, argv: Sequence[str]) -> Sequence[str]:
    """`argv` with the customer's variables, as the tenant's own user, where the node host has one to give."""
    variables = state.environment(record.machine)
    if variables.exists():
        argv = ["/bin/sh", "-c", WITH_VARIABLES, str(variables), *argv]
    if record.uid is None:
        return argv
    user, names = str(record.uid), str(state.home(record.machine).parent)
    view = [*VIEW, "/bin/sh", "-c", NAMED, "sh", names] if private_views() else []
    rights = ["--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
    return [*view, "/usr/bin/setpriv", *rights, *argv]


@cache
def private_views() -> bool:
    """Whether processes can be given a view of their own: not in a plain container or chroot. Asked once."""
    return subprocess.run([*VIEW, "/bin/true"], capture_output=True, check=False).returncode == 0


def _belongs(entry: Path, machine: str, uid: int | None) -> bool:
    """Whether /proc/PID is the tenant's and not a zombie."""
    try:
        if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        if uid is not None and entry.stat().st_uid == uid:
            return True
        return f"{MARK}={machine}".encode() in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _enter(*, terminal: bool, own_user: bool) -> None:
    """Runs in the child before the program: its terminal and its limits."""
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for kind, limit in LIMITS.items():
        if kind != resource.RLIMIT_NPROC or own_user:
            highest = resource.getrlimit(kind)[1]
            limit = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
            resource.setrlimit(kind, (limit, limit))
