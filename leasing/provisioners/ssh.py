"""Connections to hosts over SSH: pinned host key, operator's key, time limits, no user configuration."""

import asyncio
from typing import Any

import asyncssh

from leasing.provisioners.base import Host, HostKeyMismatch, HostUnfit, ProvisionerError, Unreachable

CONNECT_SECONDS = 10.0
FAILURES = (OSError, asyncssh.Error, ValueError)  # what `explained` can explain; a broken key is a ValueError


def execute(host: Host, command: str, *, stdin: bytes = b"", timeout: float) -> tuple[int, bytes, bytes]:
    """Runs `command` within `timeout` seconds and returns (exit status, stdout, stderr).

    Raises HostKeyMismatch before anything is sent, HostUnfit when the operator's key is refused, Unreachable otherwise.
    """
    try:
        return asyncio.run(asyncio.wait_for(_execute(host, command, stdin), timeout))
    except TimeoutError as error:
        raise Unreachable(f"{_name(host)} did not answer within {timeout:g} s.") from error
    except (OSError, asyncssh.Error) as error:
        raise explained(host, error) from error


async def _execute(host: Host, command: str, stdin: bytes) -> tuple[int, bytes, bytes]:
    """The connection's whole life."""
    async with asyncssh.connect(
        host.address, host.port, username=host.user, client_keys=[host.identity], **pinned(host.host_key)
    ) as connection:
        done = await connection.run(command, input=stdin, encoding=None)
    if done.exit_status is None or done.exit_status < 0:
        raise Unreachable(f"{_name(host)} broke off the command.")
    return done.exit_status, _bytes(done.stdout), _bytes(done.stderr)


def pinned(host_key: str) -> dict[str, Any]:
    """asyncssh's options for a connection to the holder of this key (OpenSSH public key line) alone, by public key
    unless the caller says otherwise."""
    key = asyncssh.import_public_key(host_key)
    return {
        "known_hosts": ([key], [], []),
        "server_host_key_algs": host_key_algorithms(key),
        "config": None,
        "agent_path": None,
        "preferred_auth": "publickey",
        "connect_timeout": CONNECT_SECONDS,
        "login_timeout": CONNECT_SECONDS,
        "keepalive_interval": 15,
    }


def explained(host: Host, error: Exception) -> ProvisionerError:
    """One sentence for what went wrong with a connection."""
    match error:
        case ProvisionerError():
            return error
        case asyncssh.HostKeyNotVerifiable() | asyncssh.KeyExchangeFailed():
            return HostKeyMismatch(
                f"{_name(host)} answers with a host key that is not the pinned one; nothing was sent to it."
            )
        case asyncssh.PermissionDenied():
            return HostUnfit(f"{_name(host)} refuses the operator's key for user {host.user!r}.")
        case TimeoutError():
            return Unreachable(f"{_name(host)} does not answer.")
        case _:
            return Unreachable(f"{_name(host)} cannot be reached: {error}")


def host_key_algorithms(key: asyncssh.SSHKey) -> list[str]:
    """The signature algorithms by which a host may prove that it holds this key."""
    algorithm = key.get_algorithm()
    return ["rsa-sha2-512", "rsa-sha2-256"] if algorithm == "ssh-rsa" else [algorithm]


def _name(host: Host) -> str:
    return f"Node {host.node_id} ({host.address}:{host.port})"


def _bytes(output: object) -> bytes:
    return output if isinstance(output, bytes) else str(output or "").encode()
