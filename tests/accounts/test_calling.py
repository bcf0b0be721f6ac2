"""Calling addresses that strangers gave us: never into our own networks, and never for longer than we want."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from accounts.calling import AddressRefused, Answer, CallFailed, call, check, public
from tests.accounts.receiver import Receiver, receiving

HERE = ["127.0.0.0/8"]
NAME = "hooks.example.test"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def post(url: str, **wanted: Any) -> Answer:
    return call(url, method="POST", body=b"{}", headers={}, **{"networks": HERE, "seconds": 0.3, **wanted})


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A name server that says something else each time; the names that it was asked."""
    asked: list[str] = []

    def answer(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


INSIDE = """
    0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1
    192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250
    240.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1
    64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
"""
FORMS = """
    https://2130706433/ https://0x7f000001/ https://0177.0.0.1/ https://127.1/ https://0/ https://[::1]/
    https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/ https://169.254.169.254/latest/meta-data https://0xa9fea9fe/
    https://[fd00:ec2::254]/ https://10.0.0.1:8443/ https://[64:ff9b::a9fe:a9fe]/ https://[fe80::1]/
"""
MALFORMED = [
    ("http://hooks.example/", "https://"),
    ("ftp://hooks.example/", "https://"),
    ("file:///etc/passwd", "https://"),
    ("//hooks.example/", "https://"),
    ("https://", "https://"),
    ("https:///path", "https://"),
    ("https://hooks.example:99999/", "https://"),
    ("https://user:word@hooks.example/", "user"),
    ("https://hooks.example@127.0.0.1/", "user"),
    ("https://hooks.example/#part", "#"),
    ("https://hooks.example\\@127.0.0.1/", "backslash"),
    ("https://hooks.example/a b", "spaces"),
    ("https://hooks.example/\r\nHost: x", "spaces"),
    ("https://bücher.example/", "ASCII"),
]


def test_only_hosts_of_the_internet_are_public() -> None:
    assert [address for address in INSIDE.split() if public(address)] == []
    assert [address for address in ("8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00::1") if not public(address)] == []


def test_an_address_inside_is_refused_however_it_is_written_before_anything_is_called() -> None:
    for url in FORMS.split():
        for refusing in (lambda url=url: check(url, networks=()), lambda url=url: post(url, networks=())):
            with pytest.raises(AddressRefused, match="public internet"):
                refusing()


@pytest.mark.parametrize(("url", "words"), MALFORMED)
def test_an_address_that_is_none_is_refused_in_words(url: str, words: str) -> None:
    with pytest.raises(AddressRefused, match=words):
        check(url, networks=())


def test_names_that_lead_inside_are_refused_if_any_of_their_addresses_does(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for found in (["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"]):
        resolving(monkeypatch, found)
        with pytest.raises(AddressRefused, match="public internet"):
            post(receiver.url(host=NAME, scheme="https"), networks=())
    assert receiver.received == []


def test_plain_http_is_for_our_own_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["8.8.8.8"])
    with pytest.raises(AddressRefused, match="https://"):
        post("http://hooks.example/")


def test_the_address_that_was_checked_is_called_whatever_the_name_says_later(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    assert post(receiver.url(host=NAME)).status == 200
    assert asked == [NAME]
    assert receiver.received.pop()[1]["host"] == f"{NAME}:{receiver.port}"


def test_an_answer_is_bounded_and_its_redirect_not_followed(receiver: Receiver) -> None:
    long = post(receiver.url("long"), most_bytes=1000)
    assert (long.status, len(long.body), long.cut) == (200, 1000, True)
    assert post(receiver.url("moved")).status == 302
    assert [path for path, _, _ in receiver.received] == ["long", "moved"]


def test_who_is_slow_hangs_up_or_is_not_there_is_said(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for url, words in [
        (receiver.url("slow"), "within 0.3 s"),
        (receiver.url("hang_up"), "closed connection"),
        ("http://127.0.0.1:1/", "refused"),
    ]:
        with pytest.raises(CallFailed, match=words):
            post(url)
    monkeypatch.undo()
    with pytest.raises(CallFailed, match="name was not found"):
        post("https://a..example/", networks=())


def a_certificate(folder: Path, name: str) -> Path:
    """Key and self-signed certificate of a name, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return path


def test_over_tls_the_name_is_what_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = a_certificate(tmp_path, NAME)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    resolving(monkeypatch, ["127.0.0.1"])
    with receiving(context) as receiver:
        with pytest.raises(CallFailed, match="certificate"):
            post(receiver.url(host=NAME, scheme="https"), seconds=5)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert post(receiver.url(host=NAME, scheme="https"), seconds=5).body == b"thanks"
        with pytest.raises(CallFailed, match=r"certificate.*other\.example"):
            post(receiver.url(host="other.example", scheme="https"), seconds=5)
        assert len(receiver.received) == 1
