"""The first login on a real host: whose key must answer, which credentials open it, and what is left of it there."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasing.provisioners import inspector_for
from leasing.provisioners.base import Credentials, CredentialsRefused, HostKeyMismatch, HostUnfit, Unreachable
from standins.nodes.podman_host import PodmanHost, podman_host, why_not
from tests.hosts import Key, PodmanBench, make_key

PASSWORD = "a pass'word $1"
KEYS = "/root/.ssh/authorized_keys"


@pytest.fixture(scope="module")
def operator(folder: Path) -> Key:
    return make_key(folder, "adopting")


@pytest.fixture(scope="module")
def built(operator: Key) -> Iterator[PodmanHost]:
    if why_not() and os.environ.get("CI") != "true":
        pytest.skip(why_not())
    with podman_host(identity=Path(operator.path), password=PASSWORD) as host:
        yield host


@pytest.fixture
def fresh(built: PodmanHost) -> PodmanHost:
    built.console("rm -rf /root/.ssh")
    return built


def adopt(host: PodmanHost, credentials: Credentials, operator: Key, *, fingerprint: str = "") -> str:
    return inspector_for("podman").adopt(
        address=host.address,
        port=host.port,
        fingerprint=fingerprint,
        credentials=credentials,
        operator_key=operator.path,
    )


def admitted(host: PodmanHost) -> list[str]:
    return host.console(f"cat {KEYS} 2>/dev/null || true").stdout.decode().splitlines()


def body(key: Key) -> str:
    return key.line.split()[1]


def test_a_password_opens_the_host_and_from_then_on_the_operators_key_does(
    fresh: PodmanHost, operator: Key, folder: Path
) -> None:
    assert adopt(fresh, Credentials("root", password=PASSWORD), operator) == fresh.host_key
    assert adopt(fresh, Credentials("root"), operator, fingerprint=fresh.fingerprint) == fresh.host_key
    bench = PodmanBench(folder, fresh)
    assert bench.inspector.inspect(bench.host).hostname


def test_adopting_again_adds_no_second_line_and_takes_no_other_away(fresh: PodmanHost, operator: Key) -> None:
    other = "ssh-ed25519 AAAAsomebodyelse other"
    fresh.console(f"mkdir -p /root/.ssh && printf '%s' '{other}' > {KEYS} && chmod 644 {KEYS}")  # no last line end
    for _ in range(2):
        adopt(fresh, Credentials("root", password=PASSWORD), operator)
    assert admitted(fresh) == [other, f"ssh-ed25519 {body(operator)} gridlease"]
    assert fresh.console(f"stat -c '%a %U' {KEYS} /root/.ssh").stdout.decode().split() == ["600", "root", "755", "root"]


def test_a_line_that_restricts_the_operators_key_is_replaced(fresh: PodmanHost, operator: Key) -> None:
    fresh.console(f"mkdir -p /root/.ssh && echo 'command=\"false\" ssh-ed25519 {body(operator)} old' > {KEYS}")
    adopt(fresh, Credentials("root", password=PASSWORD), operator)
    assert admitted(fresh) == [f"ssh-ed25519 {body(operator)} gridlease"]


def test_a_private_key_as_text_opens_the_host(fresh: PodmanHost, operator: Key, ana: Key) -> None:
    fresh.console(f"mkdir -p /root/.ssh && echo '{ana.line}' > {KEYS}")
    text = Path(ana.path).read_text()
    assert adopt(fresh, Credentials("root", private_key=text), operator) == fresh.host_key
    assert admitted(fresh) == [ana.line, f"ssh-ed25519 {body(operator)} gridlease"]


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (Credentials("root", password="wrong"), "refuses the password"),
        (Credentials("nobody-here", password=PASSWORD), "user 'nobody-here'"),
        (Credentials("root"), "the operator's key, and no other credentials"),
        (Credentials("root", private_key="-----BEGIN nonsense"), "not one in OpenSSH or PEM format"),
    ],
)
def test_credentials_that_do_not_open_the_host_are_named_and_change_nothing(
    fresh: PodmanHost, operator: Key, credentials: Credentials, words: str
) -> None:
    with pytest.raises(CredentialsRefused, match=words) as raised:
        adopt(fresh, credentials, operator)
    assert PASSWORD not in str(raised.value)
    assert admitted(fresh) == []


def test_a_private_key_that_the_host_does_not_know_is_refused(fresh: PodmanHost, operator: Key, boris: Key) -> None:
    with pytest.raises(CredentialsRefused, match="the private key"):
        adopt(fresh, Credentials("root", private_key=Path(boris.path).read_text()), operator)


def test_another_fingerprint_is_noticed_before_any_credential_is_sent(fresh: PodmanHost, operator: Key) -> None:
    wanted = "SHA256:" + "A" * 43
    tries = len(_logins(fresh))
    with pytest.raises(HostKeyMismatch) as raised:
        adopt(fresh, Credentials("root", password=PASSWORD), operator, fingerprint=wanted)
    assert wanted in str(raised.value) and fresh.fingerprint in str(raised.value)
    assert len(_logins(fresh)) == tries
    assert admitted(fresh) == []


def test_nobody_at_the_address_is_unreachable(fresh: PodmanHost, operator: Key) -> None:
    with pytest.raises(Unreachable):
        inspector_for("podman").adopt(
            address=fresh.address,
            port=1,
            fingerprint="",
            credentials=Credentials("root", password=PASSWORD),
            operator_key=operator.path,
        )


def test_a_host_that_does_not_heed_the_users_own_keys_is_told_so(fresh: PodmanHost, operator: Key) -> None:
    fresh.console("chmod 777 /root")  # sshd then ignores what is in it
    try:
        with pytest.raises(HostUnfit, match="AuthorizedKeysFile"):
            adopt(fresh, Credentials("root", password=PASSWORD), operator)
    finally:
        fresh.console("chmod 700 /root")


def _logins(host: PodmanHost) -> list[str]:
    """What the host's sshd says of logins that were tried."""
    lines = (host.directory / "sshd.log").read_text().splitlines()
    return [line for line in lines if line.startswith(("Accepted", "Failed"))]
