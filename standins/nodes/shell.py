"""One SSH session of a tenant: a shell on a terminal, a command on pipes, or a file transfer."""

import asyncio
import fcntl
import os
import signal
import struct
import termios
from asyncio.subprocess import PIPE
from collections.abc import Coroutine
from contextlib import suppress

import asyncssh

from standins.nodes.processes import SHELL, hit, spawn
from standins.nodes.state import Record, State

CHUNK = 32768
SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")
MOTD = """\
*** SIMULATED NODE: there is no GPU behind it; nvidia-smi reports what the node type would have. ***
This home is thrown away and overwritten when you return the machine; a rebuild keeps ~/scratch alone.
"""

Session = asyncssh.SSHServerProcess[bytes]


async def serve(state: State, record: Record, session: Session) -> None:
    """Runs what the client asked for until it ends, or until the client is gone."""
    argv = _argv(session)
    if argv is None:
        session.stderr.write(f"This node has no {session.subsystem!r} subsystem.\n".encode())
        session.exit(127)
    elif session.term_type:
        await _on_terminal(state, record, session, argv)
    else:
        await _on_pipes(state, record, session, argv)


def _argv(session: Session) -> list[str] | None:
    """The program for the session; None for an unknown subsystem."""
    if session.subsystem:
        servers = [path for path in SFTP_SERVERS if session.subsystem == "sftp" and os.access(path, os.X_OK)]
        return servers[:1] or None
    if session.command is not None:
        return [SHELL, "-c", session.command]
    return [SHELL, "--noprofile", "--norc", "-i"] if session.term_type and "bash" in SHELL else [SHELL]


async def _on_pipes(state: State, record: Record, session: Session, argv: list[str]) -> None:
    child = await spawn(state, record, argv, streams=(PIPE, PIPE, PIPE))
    assert child.stdin and child.stdout and child.stderr
    feeding = asyncio.ensure_future(_feed(session, child.stdin, child.pid))
    pumps = [_pump(child.stdout, session.stdout), _pump(child.stderr, session.stderr)]
    await _until_over(session, child, pumps, grace=10)
    feeding.cancel()


async def _on_terminal(state: State, record: Record, session: Session, argv: list[str]) -> None:
    master, slave = os.openpty()
    if record.uid is not None:
        os.fchown(slave, record.uid, record.uid)
    _resize(master, *session.term_size)
    if session.command is None:
        session.stdout.write(MOTD.replace("\n", "\r\n").encode())
    child = await spawn(state, record, argv, streams=(slave, slave, slave), terminal=session.term_type or "dumb")
    os.close(slave)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    output, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(master, "rb", 0))
    inlet, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(os.dup(master), "wb", 0)
    )
    writer = asyncio.StreamWriter(inlet, protocol, None, loop)
    feeding = asyncio.ensure_future(_feed(session, writer, child.pid, terminal=master))
    await _until_over(session, child, [_pump(reader, session.stdout)], grace=1)
    feeding.cancel()
    inlet.abort()
    output.close()


async def _until_over(
    session: Session, child: asyncio.subprocess.Process, pumps: list[Coroutine[None, None, None]], *, grace: float
) -> None:
    """Waits for the child or the client to end; a client that is gone hangs up on the child. `grace` is in seconds."""
    pumping = [asyncio.ensure_future(pump) for pump in pumps]
    ended, gone = asyncio.ensure_future(child.wait()), asyncio.ensure_future(session.wait_closed())
    await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
    if gone.done():
        hit(child.pid, signal.SIGHUP, group=True)
    else:
        await asyncio.wait(pumping, timeout=grace)
    for task in [*pumping, gone]:
        task.cancel()
    code = await ended
    session.exit(code) if code >= 0 else session.exit_with_signal(signal.Signals(-code).name[3:])


async def _pump(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    """Copies the child's output to the client, no faster than it reads."""
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()


async def _feed(session: Session, sink: asyncio.StreamWriter, pid: int, *, terminal: int | None = None) -> None:
    """Copies the client's input to the child, and its signals and window sizes."""
    with suppress(OSError, asyncssh.Error):
        while True:
            try:
                data = await session.stdin.read(CHUNK)
            except asyncssh.TerminalSizeChanged as change:
                if terminal is not None:
                    _resize(terminal, *change.term_size)
                continue
            except asyncssh.SignalReceived as received:
                hit(pid, signal.Signals[f"SIG{received.signal}"], group=True)
                continue
            except asyncssh.BreakReceived:
                continue
            if not data:
                break
            sink.write(data)
            await sink.drain()
        if terminal is None:
            sink.close()
        else:
            sink.write(b"\x04")


def _resize(terminal: int, columns: int, rows: int, width: int, height: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows or 24, columns or 80, width, height))
