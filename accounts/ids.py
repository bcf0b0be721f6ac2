"""Public ids: short, typed by their prefix, and not guessable. Database keys never leave the server."""

import secrets
import string
from typing import TYPE_CHECKING, Any

from django.db import models

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 22  # 131 bits
MAX_LENGTH = 40

if TYPE_CHECKING:
    TextField = models.CharField[str, str]
else:
    TextField = models.CharField


def random_base62(length: int) -> str:
    """`length` base62 characters from the system's random source, 5.95 bits each; it is asked once for all of them."""
    number, characters = secrets.randbelow(len(BASE62) ** length), []
    for _ in range(length):
        number, digit = divmod(number, len(BASE62))
        characters.append(BASE62[digit])
    return "".join(characters)


def fresh_id(prefix: str) -> str:
    """
    SQL for a fresh id in each row that a statement makes: as `PublicIdField` gives them, from the random bits of a UUID
    (122 of them, base64; its two other characters become letters).
    """
    uuid = "encode(uuid_send(gen_random_uuid()), 'base64')"
    return f"'{prefix}_' || translate(left({uuid}, {RANDOM_LENGTH}), '+/', 'Zz')"


class PublicIdField(TextField):
    """The id that customers see, such as `ls_4fY…`: `prefix`, an underscore, and 22 random base62 characters."""

    def __init__(self, *args: Any, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        super().__init__(*args, **{**kwargs, "max_length": MAX_LENGTH, "unique": True, "editable": False})

    def get_default(self) -> str:
        """A fresh id for each new row."""
        return f"{self.prefix}_{random_base62(RANDOM_LENGTH)}"

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """How a migration writes this field down: its prefix alone."""
        name, path, args, kwargs = super().deconstruct()
        kept = {key: value for key, value in kwargs.items() if key not in {"max_length", "unique", "editable"}}
        return name, path, args, {**kept, "prefix": self.prefix}
