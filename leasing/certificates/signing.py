"""
Signatures: Ed25519 over the canonical JSON of a document (keys sorted, no spaces, UTF-8).

The key is an OpenSSH one, at settings.CERTIFICATE_KEY; beside it, in the file of the same name with ".pub", are the
public keys that are published, one a line: its own, and those that signed before it.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)
from django.conf import settings

ALGORITHM = "Ed25519"
PARTS = {"certificate", "report"}  # under which an envelope holds what is signed

UNAVAILABLE = "Certificates cannot be signed at the moment. Nothing of them is lost: try again later."


class KeyMissing(Exception):
    """Nothing can be signed here: the operator has not made a key, or not one of the right kind."""


class NotGenuine(Exception):
    """One sentence that says what is wrong with a file."""


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with. `id` is its fingerprint, as ssh-keygen shows it: "SHA256:…"."""

    key: Ed25519PublicKey

    @property
    def id(self) -> str:
        """The fingerprint of its OpenSSH form."""
        digest = hashlib.sha256(base64.b64decode(self.openssh.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def openssh(self) -> str:
        """ "ssh-ed25519 AAAA…"."""
        return self.key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    @property
    def pem(self) -> str:
        """The same, as openssl reads it."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def canonical(value: object) -> bytes:
    """The one way to write a value down."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def envelope(part: str, content: dict[str, Any]) -> bytes:
    """
    The signed file: `part` ("certificate" or "report") with its content, and the signature over that content alone.

    :raises KeyMissing: if there is no key to sign with
    """
    key = _signing_key()
    value = base64.b64encode(key.sign(canonical(content))).decode()
    signature = {"algorithm": ALGORITHM, "key_id": PublicKey(key.public_key()).id, "value": value}
    return canonical({part: content, "signature": signature})


def verify(content: bytes, *, keys: Sequence[PublicKey]) -> dict[str, Any]:
    """
    The envelope in the file, if one of the keys signed it and not a byte was changed since.

    :raises NotGenuine: otherwise, saying what is wrong
    """
    try:
        found: dict[str, Any] = json.loads(content)
        as_signed = canonical(found)
    except (ValueError, RecursionError) as error:
        raise NotGenuine("This is not a certificate: it is not a JSON document.") from error
    parts = PARTS & set(found) if isinstance(found, dict) else set()
    signature = found.get("signature") if len(parts) == 1 else None
    if not isinstance(signature, dict) or set(found) != {*parts, "signature"}:
        raise NotGenuine("This is not a certificate: it has no certificate and signature in it.")
    if signature.get("algorithm") != ALGORITHM:
        raise NotGenuine(f"It is not signed with {ALGORITHM}.")
    key = next((key for key in keys if key.id == signature.get("key_id")), None)
    if key is None:
        raise NotGenuine(f"It names {signature.get('key_id')!r} as its key, which is none of ours. It may be forged.")
    part = parts.pop()
    _must_be_signed(canonical(found[part]), signature, key)
    if found[part].get("kind") != f"wipe {part}":
        raise NotGenuine(f"It calls itself a {part}, but what was signed is a {found[part].get('kind')}.")
    if as_signed != content.removesuffix(b"\n"):
        raise NotGenuine("It was written anew after it was signed. Use the file as it was downloaded.")
    return found


def public_keys() -> list[PublicKey]:
    """
    The keys whose signatures are ours, the one that signs now first.

    :raises KeyMissing: if there is none, or a line of the file is no Ed25519 key
    """
    lines = _read(Path(f"{settings.CERTIFICATE_KEY}.pub")).decode(errors="replace").splitlines()
    return [public_key(line) for line in lines if line.strip()]


def public_key(line: str) -> PublicKey:
    """
    The key in an OpenSSH line.

    :raises KeyMissing: if it is no Ed25519 key
    """
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyMissing(f"{line[:40]!r} is no OpenSSH public key.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyMissing(f"{line[:40]!r} is no {ALGORITHM} key.")
    return PublicKey(key)


def _signing_key() -> Ed25519PrivateKey:
    try:
        key = load_ssh_private_key(_read(Path(settings.CERTIFICATE_KEY)), password=None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyMissing(f"{settings.CERTIFICATE_KEY} is no OpenSSH private key without a password.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyMissing(f"{settings.CERTIFICATE_KEY} is no {ALGORITHM} key.")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyMissing(
            f"{path} cannot be read. docs/operations.md says how to make the key of certificates."
        ) from error


def _must_be_signed(signed: bytes, signature: dict[str, Any], key: PublicKey) -> None:
    try:
        value = base64.b64decode(str(signature.get("value")), validate=True)
        key.key.verify(value, signed)
    except (InvalidSignature, binascii.Error) as error:
        raise NotGenuine(
            "The signature does not fit what is written there: it was changed after it was signed."
        ) from error
    if base64.b64encode(value).decode() != signature["value"]:
        raise NotGenuine("The signature was written anew after it was made. Use the file as it was downloaded.")
