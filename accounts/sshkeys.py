"""SSH public keys: parsed to the last byte and written anew, so that nothing but a key ever reaches a node."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

MAX_BYTES = 16 * 1024
MIN_RSA_BITS, MAX_RSA_BITS = 3072, 16384
ED25519_BYTES = 32
MAX_APPLICATION_BYTES = 256
CURVES: dict[str, type[ec.EllipticCurve]] = {
    "nistp256": ec.SECP256R1,
    "nistp384": ec.SECP384R1,
    "nistp521": ec.SECP521R1,
}
MAKE_ONE = "Make a key with “ssh-keygen -t ed25519” and paste the line in the file that ends in .pub."


class BadSSHKey(Exception):
    """The text is not a key that may be used; the message says why and what to do. `field` names the input at fault."""

    def __init__(self, message: str, *, field: str = "public_key") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


@dataclass(frozen=True)
class PublicKey:
    """A parsed key: its algorithm, and the whole key in SSH's wire form."""

    algorithm: str
    blob: bytes

    @property
    def text(self) -> str:
        """Algorithm and base64 on one line: what an authorized_keys file holds."""
        return f"{self.algorithm} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it, such as "SHA256:…"."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


class Reader:
    """Takes the fields off a key's wire form, one after another."""

    def __init__(self, blob: bytes) -> None:
        self.rest = blob

    def string(self) -> bytes:
        """The next field: four bytes of length, then as many bytes."""
        length = int.from_bytes(self.rest[:4], "big")
        if len(self.rest) < 4 + length:
            raise BadSSHKey("The key is cut off. Copy the whole line from the file that ends in .pub.")
        field, self.rest = self.rest[4 : 4 + length], self.rest[4 + length :]
        return field

    def integer(self) -> int:
        """The next field as a positive whole number."""
        field = self.string()
        if not field or field[0] & 0x80 or (field[0] == 0 and not (field[1:2] and field[1] & 0x80)):
            raise BadSSHKey(f"A number inside the key is malformed. {MAKE_ONE}")
        return int.from_bytes(field, "big")


def parse(text: str) -> PublicKey:
    """The one public key in `text`, its comment dropped.

    :raises BadSSHKey: for anything but one plain ed25519, ecdsa, sk-* or rsa (3072 bits or more) key
    """
    algorithm, encoded = _split(text)
    blob = _decode(encoded)
    reader = Reader(blob)
    if reader.string() != algorithm.encode():
        raise BadSSHKey(f"The line says {algorithm}, but the key inside is of another kind. {MAKE_ONE}")
    fields = ALGORITHMS[algorithm](reader)
    if reader.rest:
        raise BadSSHKey(f"There is something after the end of the key. {MAKE_ONE}")
    return PublicKey(algorithm, b"".join(_pack(field) for field in (algorithm.encode(), *fields)))


def _split(text: str) -> tuple[str, str]:
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise BadSSHKey("The text is longer than 16 kB. A public key is one line; paste that line alone.")
    if "PRIVATE KEY" in text:
        raise BadSSHKey("This is a private key. Keep it to yourself; paste the file that ends in .pub instead.")
    if "BEGIN SSH2" in text or "PuTTY" in text:
        raise BadSSHKey("This is not OpenSSH's form. Convert it with “ssh-keygen -i -f FILE” and paste the result.")
    line = text.strip(" \t\r\n")
    if any((ord(character) < 32 and character != "\t") or ord(character) == 127 for character in line):
        raise BadSSHKey("The text has several lines or control characters. Add one key at a time, as one line.")
    words = line.split()
    if len(words) < 2:
        raise BadSSHKey(f"This is not a public key. {MAKE_ONE}")
    if words[0] not in ALGORITHMS:
        raise BadSSHKey(_why_not(words))
    return words[0], words[1]


def _why_not(words: list[str]) -> str:
    first = words[0]
    if "-cert-v01@" in first or first.startswith("@"):
        return "Certificates and authorities are not accepted. Paste the plain public key, from a file ending in .pub."
    if first == "ssh-dss":
        return f"DSA keys are no longer safe, and OpenSSH refuses them. {MAKE_ONE}"
    if any(word in ALGORITHMS for word in words[1:]):
        return "Options before the key are not accepted. Start the line with the kind of key, such as ssh-ed25519."
    return f"“{first[:40]}” is not a kind of key that can be used. {MAKE_ONE}"


def _decode(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise BadSSHKey("The key's middle part is damaged (not base64). Copy the whole line again.") from error


def _pack(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field


def _pack_integer(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _ed25519(reader: Reader) -> list[bytes]:
    point = reader.string()
    if len(point) != ED25519_BYTES:
        raise BadSSHKey(f"An ed25519 key has 32 bytes, this one {len(point)}. {MAKE_ONE}")
    return [point]


def _ecdsa(curve: str) -> Callable[[Reader], list[bytes]]:
    def fields(reader: Reader) -> list[bytes]:
        name, point = reader.string(), reader.string()
        try:
            if name != curve.encode():
                raise ValueError(name)
            ec.EllipticCurvePublicKey.from_encoded_point(CURVES[curve](), point)
        except ValueError as error:
            raise BadSSHKey(f"The key is not a point of the curve {curve}. {MAKE_ONE}") from error
        return [name, point]

    return fields


def _rsa(reader: Reader) -> list[bytes]:
    exponent, modulus = reader.integer(), reader.integer()
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise BadSSHKey(
            f"RSA keys must have 3072 to 16384 bits, this one has {modulus.bit_length()}. {MAKE_ONE}",
        )
    if not modulus % 2 or not exponent % 2 or not 3 <= exponent < 1 << 64:
        raise BadSSHKey(f"This RSA key is weak or broken. {MAKE_ONE}")
    return [_pack_integer(exponent), _pack_integer(modulus)]


def _security_key(inner: Callable[[Reader], list[bytes]]) -> Callable[[Reader], list[bytes]]:
    def fields(reader: Reader) -> list[bytes]:
        key, application = inner(reader), reader.string()
        printable = all(32 < byte < 127 for byte in application)
        if not application.startswith(b"ssh:") or not printable or len(application) > MAX_APPLICATION_BYTES:
            raise BadSSHKey("A security key's application begins with “ssh:”. Use “ssh-keygen -t ed25519-sk”.")
        return [*key, application]

    return fields


ALGORITHMS: dict[str, Callable[[Reader], list[bytes]]] = {
    "ssh-ed25519": _ed25519,
    "ecdsa-sha2-nistp256": _ecdsa("nistp256"),
    "ecdsa-sha2-nistp384": _ecdsa("nistp384"),
    "ecdsa-sha2-nistp521": _ecdsa("nistp521"),
    "ssh-rsa": _rsa,
    "sk-ssh-ed25519@openssh.com": _security_key(_ed25519),
    "sk-ecdsa-sha2-nistp256@openssh.com": _security_key(_ecdsa("nistp256")),
}
