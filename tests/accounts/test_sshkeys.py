"""Only plain, strong public keys get in, and they are written anew."""

import base64
import os
import subprocess
from pathlib import Path

import pytest

from accounts.sshkeys import BadSSHKey, parse
from tests.accounts.cast import ED25519, ED25519_PRINT

P256 = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBP59fbvBOPmkP1eD3l775dn+A87L"
    "HvYlA5m7f2iiBPkDX0dQPv6BbVflzD6GC9iQoIb3a1xQdUlIMC91aJ4FDVA="
)


def field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def line(algorithm: str, *fields: bytes) -> str:
    return f"{algorithm} {base64.b64encode(field(algorithm.encode()) + b''.join(map(field, fields))).decode()}"


def number(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def test_a_key_loses_its_comment_and_shows_the_fingerprint_that_ssh_keygen_shows() -> None:
    key = parse(f"  {ED25519} ada@laptop; rm -rf /\n")
    assert (key.text, key.fingerprint) == (ED25519, ED25519_PRINT)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521", "rsa -b 3072"])
def test_what_ssh_keygen_makes_is_accepted_unchanged(kind: str, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "me", "-f", tmp_path / "key", "-t", *kind.split()], check=True)
    printed = (tmp_path / "key.pub").read_text()
    shown = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    key = parse(printed)
    assert key.text == " ".join(printed.split()[:2])
    assert key.fingerprint in shown.stdout


def test_keys_that_live_in_a_security_key_are_accepted() -> None:
    text = line("sk-ssh-ed25519@openssh.com", os.urandom(32), b"ssh:work")
    assert parse(text).text == text
    blob = base64.b64decode(P256.split()[1])
    curve_and_point = blob[4 + len("ecdsa-sha2-nistp256") :]
    name = "sk-ecdsa-sha2-nistp256@openssh.com"
    whole = field(name.encode()) + curve_and_point + field(b"ssh:")
    assert parse(f"{name} {base64.b64encode(whole).decode()}").algorithm == name


WRONG = {
    "nothing": ("", "not a public key"),
    "a word": ("hello", "not a public key"),
    "a private key": ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END", "private key"),
    "the other form": ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END", "ssh-keygen -i"),
    "two keys": (f"{ED25519}\n{ED25519}", "one key at a time"),
    "a hidden second line": (f"{ED25519}\r{ED25519}", "one key at a time"),
    "a NUL": (f"{ED25519}\0", "control characters"),
    "an escape sequence": (f"{ED25519} \x1b[2J", "control characters"),
    "a command": (f'command="sh" {ED25519}', "Options"),
    "a source": (f'from="10.0.0.0/8",no-pty {ED25519}', "Options"),
    "an environment": (f'environment="LD_PRELOAD=/tmp/x" {ED25519}', "Options"),
    "an authority": (f"@cert-authority * {ED25519}", "authorities"),
    "a certificate": ("ssh-ed25519-cert-v01@openssh.com AAAA", "Certificates"),
    "an unsafe kind": ("ssh-dss AAAAB3NzaC1kc3MAAACB", "no longer safe"),
    "an unknown kind": ("ssh-rot13 AAAA", "not a kind of key"),
    "a kind with other letters": ("ssh-ed25519х AAAA", "not a kind of key"),
    "damage": ("ssh-ed25519 AAAA*AAA", "damaged"),
    "letters that look the same": ("ssh-ed25519 ААААC3Nz", "damaged"),
    "half a key": ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq", "cut off"),
    "another kind inside": ("ssh-rsa " + ED25519.split()[1], "another kind"),
    "a short ed25519 key": (line("ssh-ed25519", b"x" * 31), "32 bytes"),
    "something after the key": (line("ssh-ed25519", b"x" * 32, b"more"), "after the end"),
    "a point off the curve": (line("ecdsa-sha2-nistp256", b"nistp256", b"\x04" + b"\1" * 64), "curve"),
    "another curve": (line("ecdsa-sha2-nistp256", b"nistp384", b"\x04" + b"\1" * 64), "curve"),
    "a short rsa key": (line("ssh-rsa", number(65537), number((1 << 2047) + 1)), "3072"),
    "a giant rsa key": (line("ssh-rsa", number(65537), number((1 << 20000) + 1)), "3072"),
    "an even rsa key": (line("ssh-rsa", number(65537), number(1 << 3071)), "weak"),
    "exponent one": (line("ssh-rsa", number(1), number((1 << 3071) + 1)), "weak"),
    "a negative number": (line("ssh-rsa", b"\xff", number((1 << 3071) + 1)), "malformed"),
    "a padded number": (line("ssh-rsa", b"\0\0\1", number((1 << 3071) + 1)), "malformed"),
    "no number": (line("ssh-rsa", b"", b""), "malformed"),
    "another application": (line("sk-ssh-ed25519@openssh.com", b"x" * 32, b"https://bank"), "ssh:"),
    "a line break in the application": (line("sk-ssh-ed25519@openssh.com", b"x" * 32, b"ssh:\nroot"), "ssh:"),
    "a length that lies": ("ssh-ed25519 " + base64.b64encode(b"\xff\xff\xff\xff").decode(), "cut off"),
    "a flood": (ED25519 + " " + "x" * 17_000, "16 kB"),
}


@pytest.mark.parametrize("case", WRONG)
def test_anything_else_is_refused_with_the_way_out(case: str) -> None:
    text, words = WRONG[case]
    with pytest.raises(BadSSHKey, match=words):
        parse(text)
