"""What billing asks of a payment provider, in our own words. Times are UTC aware; amounts are cents of one currency."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

KEY_REUSED = "idempotency_error"  # the provider's word: the key came before, with another call
BRIEF_SECONDS = 15.0  # for all that is asked while somebody waits for a page
Facts = Mapping[str, Any]
"""An object of the provider's, as it gave it. The modules beside this one read them; nobody else does."""


class GatewayUnavailable(Exception):
    """The provider gave no outcome. Ask again later with the same identifiers: nothing doubles."""


class GatewaySilent(GatewayUnavailable):
    """The provider did not answer at all, or could not be reached: others that are asked now wait as long in vain."""


class KeyRefused(GatewayUnavailable):
    """The provider does not take our key: a person must change it. Nothing that is asked with it is done."""


class PermissionRefused(GatewayUnavailable):
    """The key may not do this: a person must change it. All else may still be done."""


class GatewayBroke(GatewayUnavailable):
    """The provider answered with an error of its own. It may have acted, and answers a retry with the same error."""


class GatewayRefused(Exception):
    """
    The provider's final no. `code` is its word for the reason; `message` is for people; `facts` is the object that it
    was about, where there is one, such as a charge that was declined.
    """

    def __init__(self, code: str, message: str, facts: Facts | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.facts = facts


class BadSignature(Exception):
    """The webhook was not signed by the provider for this account and mode, or not within 300 s of now."""


@dataclass(frozen=True)
class Call:
    """
    A change to ask the provider for: made before it is stored, and sent as it is, however often. What is not `marked`
    makes no object that carries metadata: what became of it is found in another way.
    """

    path: str
    body: dict[str, Any]
    marked: bool = True
    method: Literal["post", "delete"] = "post"


class ObjectKind(StrEnum):
    """What a message of the provider's is about; where a kind has work to do, `billing.inbox.RULES` has it."""

    CHECKOUT = "checkout"
    PAYMENT_INTENT = "payment_intent"
    CARD = "card"
    SETUP_INTENT = "setup_intent"
    REFUND = "refund"
    DISPUTE = "dispute"
    FRAUD_WARNING = "fraud_warning"
    INVOICE = "invoice"
    SUBSCRIPTION = "subscription"
    METER_ERROR = "meter_error"
    OTHER = "other"


@dataclass(frozen=True)
class WebhookEvent:
    """News that an object changed, no more: ask the gateway for its present state before acting.

    `id` is the same when the event is sent again. `account` is whose object it is, where the provider says so.
    `our_id` is the payment or refund of ours that the object names, else empty.
    """

    id: str
    kind: ObjectKind
    object_reference: str
    our_id: str
    account: str | None
    livemode: bool
    created: datetime
    facts: Facts


class Gateway(Protocol):
    """A payment provider. `send`, `fetch`, `each` and `account` call it over the network: never inside a transaction.

    They raise GatewayUnavailable or GatewayRefused. Doing the same again with the same identifiers has one effect.
    `accepted` counts the calls for which our key was taken.
    """

    accepted: int

    def brief(self) -> "Gateway":
        """
        The same for somebody who waits: all that is asked of it lasts BRIEF_SECONDS from now at most. What is over then
        is GatewayUnavailable, and may have happened.
        """
        ...

    def check_time(self) -> None:
        """Raises GatewayUnavailable once whoever waits has waited for so long that nothing more is asked for him."""
        ...

    def send(self, call: Call, *, key: str) -> Facts:
        """Make a change, once for a key: the object that was made. A key is good for a day. Raises GatewayBroke too."""
        ...

    def fetch(self, path: str, **params: Any) -> Facts:
        """An object as it is now."""
        ...

    def each(self, path: str, **params: Any) -> Iterator[Facts]:
        """All objects of a list, newest first, page by page."""
        ...

    def account(self) -> str:
        """The id of the account that the key belongs to; asked for once."""
        ...

    def read_event(self, facts: Facts) -> WebhookEvent:
        """An event, of a webhook or of the list of events. Raises KeyError, TypeError or AttributeError for others."""
        ...

    def verify_webhook(self, payload: bytes, signature: str, now: datetime) -> WebhookEvent:
        """The event of a webhook's raw body, once its signature, its time and its mode are checked: BadSignature."""
        ...
