"""Objects with the keys of Stripe's published fixtures, and the world a request acts on."""

import json
import secrets
import string
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standins.stripe.errors import no_such
from standins.stripe.store import JSON, Store

FIXTURES: dict[str, JSON] = json.loads((Path(__file__).parent / "fixtures.json").read_text())
PREFIXES = {
    "customer": "cus_",
    "checkout.session": "cs_test_",
    "payment_intent": "pi_",
    "payment_method": "pm_",
    "charge": "ch_",
    "refund": "re_",
    "event": "evt_",
}
# Example values that would be untrue of a fresh object; nested examples not named here become null.
_UNTRUE: dict[str, JSON] = {
    "customer": {"currency": None, "invoice_settings": FIXTURES["customer"]["invoice_settings"]},
    "checkout.session": {
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "payment_intent": None,
        "payment_method_options": {},
        "phone_number_collection": {"enabled": False},
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
    },
    "payment_intent": {"amount_details": {"tip": {}}, "canceled_at": None, "payment_method_options": {}},
    "payment_method": {},
    "charge": {"balance_transaction": None, "description": None, "fraud_details": {}, "receipt_url": None},
    "refund": {"charge": None},
    "event": {},
}
_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh identifier such as `re_…`."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def build(kind: str, *, created: int, **members: Any) -> JSON:
    """A new object of the kind with every key of its fixture; `created` in seconds since 1970."""
    fixture = FIXTURES[kind]
    unknown = members.keys() - fixture.keys()
    if unknown:
        raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}")
    item = {name: None if isinstance(value, dict) else deepcopy(value) for name, value in fixture.items()}
    if "metadata" in fixture:
        item["metadata"] = {}
    identity = {"id": new_id(PREFIXES[kind]), "livemode": False, "created": created}
    return item | deepcopy(_UNTRUE[kind]) | identity | members


@dataclass(frozen=True)
class World:
    """What a handler acts on, inside one transaction: the store, the time (seconds since 1970), where this server
    is reached, which request is served, and what to call with an event that has to be delivered."""

    store: Store
    now: int
    base_url: str
    api_version: str
    announce: Callable[[JSON], None]
    request_id: str | None = None
    idempotency_key: str | None = None

    def create(self, kind: str, **members: Any) -> JSON:
        """Build and store a new object."""
        return self.store.put(build(kind, created=self.now, **members))

    def get(self, kind: str, reference: str, param: str = "id") -> JSON:
        """The object. Raises ApiError 404 that names `param`."""
        item = self.store.find(reference, kind)
        if item is None:
            raise no_such(kind, reference, param)
        return item

    def emit(self, type: str, item: JSON) -> None:
        """Record the event that something happened to the object, as it is now, and have it delivered."""
        self.announce(
            self.create(
                "event",
                type=type,
                api_version=self.api_version,
                data={"object": item},
                pending_webhooks=0,
                request={"id": self.request_id, "idempotency_key": self.idempotency_key},
            )
        )
