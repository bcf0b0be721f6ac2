"""What billing asks of a payment provider, in our own words. Times are UTC aware; amounts are cents of one currency."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

Facts = Mapping[str, Any]
"""An object of the provider's, as it gave it. The modules beside this one read them; nobody else does."""


class GatewayUnavailable(Exception):
    """The provider gave no outcome. Ask again later with the same identifiers: nothing doubles."""


class GatewayBroke(GatewayUnavailable):
    """The provider answered with an error of its own. It may have acted, and answers a retry with the same error."""


class GatewayRefused(Exception):
    """The provider's final no. `code` is its word for the reason; `message` is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class BadSignature(Exception):
    """The webhook was not signed by the provider for this account and mode, or not within 300 s of now."""


@dataclass(frozen=True)
class Call:
    """
    A change to ask the provider for: made before it is stored, and sent as it is, however often. What is not `marked`
    makes objects that carry no metadata: they are found again by another way.
    """

    path: str
    body: dict[str, Any]
    marked: bool = True


@dataclass(frozen=True)
class CheckoutPage:
    """A hosted page where the customer pays, good until `expires_at`."""

    reference: str
    url: str
    expires_at: datetime


@dataclass(frozen=True)
class CheckoutState:
    """Where a checkout stands. `charge_reference` is what a refund needs, and there once it is paid.

    `payment_id` is the one it was opened for; `livemode` is False where no real money moves.
    """

    reference: str
    payment_id: str
    status: Literal["open", "paid", "expired"]
    amount_cents: int
    currency: str
    charge_reference: str | None
    livemode: bool


@dataclass(frozen=True)
class RefundState:
    """Where a refund stands. A succeeded one may still fail days later; `reason` says why it failed, else is empty."""

    reference: str
    status: Literal["pending", "succeeded", "failed"]
    reason: str


@dataclass(frozen=True)
class WebhookEvent:
    """News that an object changed, no more: ask the gateway for its present state before acting.

    `id` is the same when the event is sent again. `object_reference` is for `checkout` or `refund_state`, after `kind`.
    `payment_id` and `refund_id` are ours, where the object carries them.
    """

    id: str
    kind: Literal["checkout", "refund", "invoice", "other"]
    object_reference: str
    payment_id: str | None
    livemode: bool
    created: datetime
    refund_id: str | None = None


class Gateway(Protocol):
    """A payment provider. Every method but verify_webhook calls it over the network, so never inside a transaction.

    They raise GatewayUnavailable or GatewayRefused. Doing the same again with the same identifiers has one effect.
    """

    def send(self, call: Call, *, key: str) -> Facts:
        """Make a change, once for a key: the object that was made. A key is good for a day. Raises GatewayBroke too."""
        ...

    def fetch(self, path: str, **params: Any) -> Facts:
        """An object as it is now."""
        ...

    def each(self, path: str, **params: Any) -> Iterator[Facts]:
        """All objects of a list, newest first, page by page."""
        ...

    def open_checkout(
        self,
        *,
        payment_id: str,
        amount_cents: int,
        organization_id: str,
        customer_email: str,
        success_url: str,
        cancel_url: str,
    ) -> CheckoutPage:
        """Open the page where this payment is made; the same page again for the same payment."""
        ...

    def checkout(self, reference: str) -> CheckoutState:
        """The checkout as it is now."""
        ...

    def refund(self, *, refund_id: str, charge_reference: str, amount_cents: int) -> RefundState:
        """Send part or all of a charge back to the card; once for one refund_id."""
        ...

    def refund_state(self, reference: str) -> RefundState:
        """The refund as it is now."""
        ...

    def find_refund(self, refund_id: str, charge_reference: str) -> RefundState | None:
        """The refund of this charge that was made for refund_id, or None: what to ask when `refund` keeps failing."""
        ...

    def verify_webhook(self, payload: bytes, signature: str, now: datetime) -> WebhookEvent:
        """Read a webhook's raw body after checking its signature header. Raises BadSignature."""
        ...
