"""The customer's own path to a machine, proven as a customer's client sees it, without any credential."""

import asyncio

import asyncssh

from leasing.provisioners.base import Endpoint, HostKeyMismatch, Unreachable
from leasing.provisioners.ssh import host_key_algorithms


def tenant_path_answers(endpoint: Endpoint, *, timeout: float = 10.0) -> None:
    """Connects, exchanges keys, compares the host key, and asks which ways of login are offered; `timeout` in seconds.

    Raises Unreachable (no answer, or no login by public key) or HostKeyMismatch.
    """
    place = f"The machine's own SSH at {endpoint.host}:{endpoint.port}"
    expected = asyncssh.import_public_key(endpoint.host_key)
    try:
        shown, methods = asyncio.run(asyncio.wait_for(_probe(endpoint, expected), timeout))
    except TimeoutError as error:
        raise Unreachable(f"{place} did not answer within {timeout:g} s.") from error
    except asyncssh.KeyExchangeFailed as error:
        raise HostKeyMismatch(f"{place} has no host key of the tenancy's kind: {error}") from error
    except (OSError, asyncssh.Error) as error:
        raise Unreachable(f"{place} cannot be reached: {error}") from error
    if shown is None or shown.public_data != expected.public_data:
        raise HostKeyMismatch(f"{place} answers with another host key than the tenancy's.")
    if "publickey" not in methods:
        raise Unreachable(f"{place} does not offer login by public key.")


async def _probe(endpoint: Endpoint, expected: asyncssh.SSHKey) -> tuple[asyncssh.SSHKey | None, list[str]]:
    """(the key that was shown, the ways of login that were offered)."""
    algorithms = host_key_algorithms(expected)
    shown = await asyncssh.get_server_host_key(
        endpoint.host, endpoint.port, server_host_key_algs=algorithms, config=None
    )
    methods = await asyncssh.get_server_auth_methods(
        endpoint.host, endpoint.port, endpoint.user, server_host_key_algs=algorithms, config=None
    )
    return shown, list(methods)
