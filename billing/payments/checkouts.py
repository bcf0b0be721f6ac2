"""The provider's page where a top-up is paid: what opens it, and what it says of itself."""

from dataclasses import dataclass
from typing import Final, Literal

from billing.payments.base import Call, Facts

PATH: Final = "/v1/checkout/sessions"
CURRENCY: Final = "usd"
EXPAND: Final = ("payment_intent.payment_method", "setup_intent.payment_method")  # where charge and card are


@dataclass(frozen=True)
class Checkout:
    """Where a checkout stands. `charge_reference` is what a refund needs, and there once it is paid.

    `payment_id` is the one it was opened for; `url` is where it is paid, empty once it is over; `livemode` is False
    where no real money moves. `card` is the payment method that was kept for later, if that was asked for and it is
    paid.
    """

    reference: str
    payment_id: str
    url: str
    status: Literal["open", "paid", "expired"]
    amount_cents: int
    currency: str
    charge_reference: str | None
    livemode: bool
    card: Facts | None = None


def top_up(
    *,
    payment_id: str,
    amount_cents: int,
    organization_id: str,
    customer_email: str,
    success_url: str,
    cancel_url: str,
    keep_for: str = "",
) -> Call:
    """
    Open the page. Without an address for the receipt, the customer is asked for one there. The card is kept for the
    provider's customer `keep_for`, if there is one.
    """
    metadata = {"payment_id": payment_id, "organization_id": organization_id}
    price = {
        "currency": CURRENCY,
        "unit_amount": amount_cents,
        "product_data": {"name": "Gridlease wallet top-up"},
    }
    body = {
        "mode": "payment",
        "allowed_payment_method_types": ["card"],
        "line_items": [{"quantity": 1, "price_data": price}],
        "client_reference_id": payment_id,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata} | ({"setup_future_usage": "off_session"} if keep_for else {}),
    }
    payer = {"customer": keep_for} if keep_for else {"customer_email": customer_email} if customer_email else {}
    return Call(PATH, body | payer)


def saves_a_card(facts: Facts) -> bool:
    """Whether the page is one where a card is saved, and nothing paid."""
    return bool(facts.get("mode") == "setup")


def read(facts: Facts) -> Checkout:
    """A checkout as the provider gave it, with `EXPAND`."""
    paid = facts["status"] == "complete" and facts["payment_status"] == "paid"
    intent = facts.get("payment_intent")
    charge = intent.get("latest_charge") if isinstance(intent, dict) else None
    method = intent.get("payment_method") if isinstance(intent, dict) else None
    return Checkout(
        reference=facts["id"],
        payment_id=(facts.get("metadata") or {}).get("payment_id", ""),
        url=facts.get("url") or "",
        status="paid" if paid else "expired" if facts["status"] == "expired" else "open",
        amount_cents=facts.get("amount_total") or 0,
        currency=facts.get("currency") or "",
        # A declined try leaves a charge as well, which is of no use to anybody.
        charge_reference=charge if paid else None,
        livemode=facts["livemode"],
        card=method if paid and isinstance(method, dict) and method.get("customer") else None,
    )
