"""One process of the system: how it starts, when it counts as ready, how it is asked to stop."""

import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """Something a person has to mend; the message is one sentence that says what and how."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A process. It is ready when `ready()` says so, or once it has written `ready_line`; a `once` part, when it ended
    with 0. `needs` names the parts that must be ready before it starts. Lines with a word of `unimportant` in them are
    kept from the screen.
    """

    name: str
    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    ready_line: str = ""
    unimportant: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    once: bool = False
    user: pwd.struct_passwd | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    cwd: str | None = None

    def spawn(self, output: int) -> subprocess.Popen[bytes]:
        """Start it in a session of its own (Ctrl-C is the supervisor's), writing to the descriptor `output`."""
        return subprocess.Popen(
            self.argv,
            env=dict(self.env) if self.env else None,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(self.stop_signal),  # noqa: PLW1509  we have one thread
            **as_user(self.user),
        )


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Arguments that make subprocess run as this user."""
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def die_with_parent(number: int) -> None:
    """Ask the kernel to send this signal to the calling process when its parent ends, however it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def wait_ready(part: Part, process: subprocess.Popen[bytes], *, seconds: float = 60) -> None:
    """Return when the part is ready; raise Trouble when it ends first or takes longer."""
    deadline = time.monotonic() + seconds
    while not part.ready():
        if process.poll() is not None:
            raise Trouble(f"{part.name} ended at once with status {process.returncode}.")
        if time.monotonic() > deadline:
            raise Trouble(f"{part.name} was not ready after {seconds:.0f} s.")
        time.sleep(0.02)


def stop(part: Part, process: subprocess.Popen[bytes], *, seconds: float = 20) -> None:
    """Ask it to end, and end it by force when it has not after `seconds`."""
    if process.poll() is None:
        process.send_signal(part.stop_signal)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
