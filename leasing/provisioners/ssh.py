"""Commands on one host over SSH: pinned host key, operator's key, time limits, no user configuration."""

import asyncio
from contextlib import AbstractAsyncContextManager

import asyncssh

from leasing.provisioners.base import Host, HostKeyMismatch, HostUnfit, ProvisionerError, Unreachable

CONNECT_SECONDS = 10.0


def execute(host: Host, command: str, *, stdin: bytes = b"", timeout: float) -> tuple[int, bytes, bytes]:
    """Runs `command` within `timeout` seconds and returns (exit status, stdout, stderr).

    Raises HostKeyMismatch before anything is sent, HostUnfit when the operator's key is refused, Unreachable otherwise.
    """
    try:
        return asyncio.run(asyncio.wait_for(_execute(host, command, stdin), timeout))
    except (OSError, asyncssh.Error) as error:
        raise in_our_words(host, error, timeout=timeout) from error


def connection(host: Host) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
    """A connection to the host with its pinned key, for as long as the context lives.

    Entering it raises OSError or asyncssh.Error; see `in_our_words`.
    """
    pinned = asyncssh.import_public_key(host.host_key)
    return asyncssh.connect(
        host.address,
        host.port,
        username=host.user,
        client_keys=[host.identity],
        known_hosts=([pinned], [], []),
        server_host_key_algs=host_key_algorithms(pinned),
        config=None,
        agent_path=None,
        preferred_auth="publickey",
        connect_timeout=CONNECT_SECONDS,
        login_timeout=CONNECT_SECONDS,
        keepalive_interval=15,
    )


def in_our_words(host: Host, error: OSError | asyncssh.Error, *, timeout: float) -> ProvisionerError:
    """What went wrong with a connection that had `timeout` seconds, to be raised or told."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable | asyncssh.KeyExchangeFailed):
        return HostKeyMismatch(
            f"{_name(host)} answers with a host key that is not the pinned one; nothing was sent to it."
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return HostUnfit(f"{_name(host)} refuses the operator's key for user {host.user!r}.")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{_name(host)} did not answer within {timeout:g} s.")
    return Unreachable(f"{_name(host)} cannot be reached: {error}")


async def _execute(host: Host, command: str, stdin: bytes) -> tuple[int, bytes, bytes]:
    """The connection's whole life."""
    async with connection(host) as connected:
        done = await connected.run(command, input=stdin, encoding=None)
    if done.exit_status is None or done.exit_status < 0:
        raise Unreachable(f"{_name(host)} broke off the command.")
    return done.exit_status, _bytes(done.stdout), _bytes(done.stderr)


def host_key_algorithms(key: asyncssh.SSHKey) -> list[str]:
    """The signature algorithms by which a host may prove that it holds this key."""
    algorithm = key.get_algorithm()
    return ["rsa-sha2-512", "rsa-sha2-256"] if algorithm == "ssh-rsa" else [algorithm]


def _name(host: Host) -> str:
    return f"Node {host.node_id} ({host.address}:{host.port})"


def _bytes(output: object) -> bytes:
    return output if isinstance(output, bytes) else str(output or "").encode()
