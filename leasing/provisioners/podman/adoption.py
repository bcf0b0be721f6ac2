"""The first login on a host: whose key it shows, then our credentials, then the operator's key is admitted for good."""

import asyncio
import shlex
from typing import Any

import asyncssh

from leasing.provisioners.base import (
    Credentials,
    CredentialsRefused,
    HostKeyMismatch,
    HostUnfit,
    ProvisionerError,
    Unreachable,
)
from leasing.provisioners.ssh import CONNECT_SECONDS, pinned

ADOPT_SECONDS = 90.0
KINDS = (["ssh-ed25519"], ["ecdsa-sha2-nistp256"], ["rsa-sha2-512", "rsa-sha2-256"])  # of host keys, best first
# The key comes on the standard input. A line with the same key but other words (options, a command) would win over
# ours, so it is replaced; the file changes in one step and is never without the lines that others put there.
ADMIT = "sh -c " + shlex.quote("""\
set -eu; umask 077; export LC_ALL=C
read -r line
mkdir -p "$HOME/.ssh"
file=$(readlink -f "$HOME/.ssh/authorized_keys")
key=${line#* }; key=${key%% *}
if [ "$(grep -cF "$key" "$file" 2>/dev/null)" != 1 ] || ! grep -qxF "$line" "$file"; then
  { grep -vF "$key" "$file" 2>/dev/null || true; printf '%s\\n' "$line"; } >"$file.new"
  if [ -e "$file" ]; then chown --reference="$file" "$file.new"; fi
  mv -f "$file.new" "$file"
fi
chmod 600 "$file"; chmod go-w "$HOME/.ssh"
""")


def adopt(*, address: str, port: int, fingerprint: str, credentials: Credentials, operator_key: str) -> str:
    """See Inspector."""
    place = f"The host at {address}:{port}"
    try:
        work = _adopt(place, address, port, fingerprint, credentials, operator_key)
        return asyncio.run(asyncio.wait_for(work, ADOPT_SECONDS))
    except ProvisionerError:
        raise
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
        raise HostKeyMismatch(
            f"{place} changed its host key between two connections; nothing was sent to it."
        ) from error
    except TimeoutError as error:
        raise Unreachable(f"{place} did not answer in time; is SSH running there, and its port open?") from error
    except (OSError, asyncssh.Error) as error:
        raise Unreachable(f"{place} cannot be reached: {error}") from error


async def _adopt(
    place: str, address: str, port: int, fingerprint: str, credentials: Credentials, operator_key: str
) -> str:
    key = await _host_key(place, address, port, fingerprint)
    host_key = " ".join(key.export_public_key().decode().split()[:2])
    target = {"host": address, "port": port, "username": credentials.user, **pinned(host_key)}
    public = asyncssh.read_private_key(operator_key).export_public_key().decode().split()
    await _admit(place, target, credentials, operator_key, line=f"{public[0]} {public[1]} gridlease")
    try:
        async with asyncssh.connect(**target, client_keys=[operator_key]):
            return host_key
    except asyncssh.PermissionDenied as error:
        raise HostUnfit(
            f"{place} does not admit the operator's key for user {credentials.user!r} although it was added to "
            "~/.ssh/authorized_keys; look at AuthorizedKeysFile and PermitRootLogin in its sshd_config, and at who may "
            "write to the home."
        ) from error


async def _host_key(place: str, address: str, port: int, fingerprint: str) -> asyncssh.SSHKey:
    """The key of this fingerprint that the host shows, or its best one. Nothing of ours is sent for that."""
    shown = []
    for kind in KINDS:
        key = await _shown(address, port, kind)
        if key is not None and fingerprint in ("", key.get_fingerprint()):
            return key
        shown += [key.get_fingerprint()] if key else []
    if not shown:
        raise Unreachable(f"{place} shows no host key of a kind that is accepted: Ed25519, ECDSA or RSA.")
    raise HostKeyMismatch(
        f"{place} shows the host key {' and '.join(shown)}, not {fingerprint}; nothing was sent to it."
    )


async def _shown(address: str, port: int, kind: list[str]) -> asyncssh.SSHKey | None:
    try:
        asking = asyncssh.get_server_host_key(address, port, server_host_key_algs=kind, config=None)
        return await asyncio.wait_for(asking, CONNECT_SECONDS)
    except (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionResetError):
        return None  # it has none of this kind; some servers say so by hanging up


async def _admit(place: str, target: dict[str, Any], credentials: Credentials, operator_key: str, *, line: str) -> None:
    """Logs in with the credentials and adds the line to the user's keys."""
    try:
        async with asyncssh.connect(**target | _ways(place, credentials, operator_key)) as connection:
            done = await connection.run(ADMIT, input=f"{line}\n")
    except asyncssh.PermissionDenied as error:
        raise CredentialsRefused(f"{place} refuses {_words(credentials)} for user {credentials.user!r}.") from error
    if done.exit_status:
        said = str(done.stderr).strip().splitlines()[-1:] or ["no word why"]
        raise HostUnfit(f"{place} did not take the operator's key into ~/.ssh/authorized_keys: {said[0]}")


def _ways(place: str, credentials: Credentials, operator_key: str) -> dict[str, Any]:
    """asyncssh's options for these credentials and no others."""
    if credentials.password:
        ways = "password,keyboard-interactive"
        return {"password": credentials.password, "client_keys": None, "preferred_auth": ways}
    if not credentials.private_key:
        return {"client_keys": [operator_key]}
    try:
        return {"client_keys": [asyncssh.import_private_key(credentials.private_key)]}
    except asyncssh.KeyImportError as error:
        raise CredentialsRefused(
            f"{place} was not asked: the private key is not one in OpenSSH or PEM format without a passphrase."
        ) from error


def _words(credentials: Credentials) -> str:
    if credentials.password:
        return "the password, or any password (PermitRootLogin, PasswordAuthentication in its sshd_config)"
    return "the private key" if credentials.private_key else "the operator's key, and no other credentials were given"
