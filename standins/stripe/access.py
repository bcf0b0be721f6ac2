"""Who may call: secret test keys may all, restricted ones what they were given; and the one version that is spoken."""

import base64
import binascii
import importlib
import re
from typing import TYPE_CHECKING

from standins.stripe.errors import ApiError
from standins.stripe.shapes import ACCOUNT
from standins.stripe.store import Store

if TYPE_CHECKING:
    from standins.stripe.routes import Route

API_VERSION: str = importlib.import_module("stripe._api_version")._ApiVersion.CURRENT
Permissions = dict[str, str]
_KEYS = "restricted_keys"


def authenticate(header: str, store: Store) -> Permissions | None:
    """What a restricted key may do (None: everything). Bearer, or Basic with the key as user. Raises ApiError 401."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if not given:
        message = "You did not provide an API key. Provide it in the Authorization header, using Bearer auth."
        raise ApiError(401, message)
    if re.fullmatch(r"sk_test_\w+", given):
        return None
    with store.transaction():
        restricted: dict[str, Permissions] = store.setting(_KEYS, {})
    if given not in restricted:
        message = f"Invalid API Key provided: {given[:8]}****. The stand-in takes any sk_test_ key, and rk_test_ keys"
        raise ApiError(401, f"{message} that were made with its control `keys`.")
    return restricted[given]


def make_key(store: Store, key: str, permissions: Permissions) -> None:
    """A restricted key: resource, as in a route's `resource`, -> "read" or "write" (which includes reading)."""
    if not re.fullmatch(r"rk_test_\w+", key) or not set(permissions.values()) <= {"read", "write"}:
        raise ApiError(400, "A restricted key is rk_test_… with permissions of resource -> read or write.", param="key")
    store.set(_KEYS, {**store.setting(_KEYS, {}), key: permissions})


def permit(route: "Route", permissions: Permissions | None) -> None:
    """Raises ApiError 403 when the key may not do this."""
    wanted = "read" if route.method == "GET" else "write"
    if permissions is None or permissions.get(route.resource) in (wanted, "write"):
        return
    message = (
        f"The provided key 'rk_test_****' does not have the required permissions for this endpoint on account "
        f"'{ACCOUNT}'. Having the 'rak_{route.resource}_{wanted}' permission would allow this request to continue."
    )
    raise ApiError(403, message)


def version(wanted: str) -> str:
    """The API version asked for. Raises ApiError 400 for any but the one whose objects are given here."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(\.\w+)?", wanted):
        raise ApiError(400, f"Invalid Stripe API version: {wanted}")
    if wanted != API_VERSION:
        raise ApiError(400, f"Invalid Stripe API version: {wanted}. The stand-in speaks {API_VERSION} only.")
    return wanted
