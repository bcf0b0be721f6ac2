"""The text of API tokens: a prefix that scanners know, 43 random characters, and a checksum that saves look-ups."""

import hashlib
import string
import zlib

from accounts.ids import BASE62, random_base62

PREFIX = "gl_live_"
SECRET_LENGTH = 43  # 256 bits
CHECKSUM_LENGTH = 6
SHOWN_LENGTH = len(PREFIX) + 4


def new_text() -> str:
    """A fresh token, such as `gl_live_…`."""
    secret = random_base62(SECRET_LENGTH)
    return PREFIX + secret + checksum(secret)


def well_formed(text: str) -> bool:
    """Whether `text` can be a token at all: prefix, length and checksum are right."""
    secret, check = text[len(PREFIX) : -CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    return (
        text.startswith(PREFIX)
        and len(secret) == SECRET_LENGTH
        and set(secret) <= set(string.ascii_letters + string.digits)
        and check == checksum(secret)
    )


def digest(text: str) -> str:
    """What is stored in place of the token: its SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def checksum(secret: str) -> str:
    """The CRC-32 of `secret` as six base62 characters."""
    number, characters = zlib.crc32(secret.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, position = divmod(number, len(BASE62))
        characters = BASE62[position] + characters
    return characters
