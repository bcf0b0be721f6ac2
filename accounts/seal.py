"""Secrets at rest: what must be had again (a password of a host, a customer's variables) is sealed in the database."""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unsealable(Exception):
    """It was sealed under a SECRET_KEY that is no longer known; it has to be entered again."""


def seal(text: str, *, purpose: str) -> str:
    """The text as it is stored. `purpose` separates uses: one use's seal cannot be opened as another's."""
    return _box(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """
    The text as it was. Keys of SECRET_KEY_FALLBACKS still open, so SECRET_KEY can change.

    :raises Unsealable: if no known key opens it
    """
    try:
        return _box(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unsealable("A stored secret cannot be read with today's SECRET_KEY. Enter it again.") from error


def _box(purpose: str) -> MultiFernet:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_key(str(secret), purpose)) for secret in secrets])


def _key(secret: str, purpose: str) -> bytes:
    info = f"gridlease {purpose}".encode()
    return urlsafe_b64encode(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode()))
