"""Saving a card: a page of the provider's, and the card as it is known afterwards. No card number ever reaches us."""

from dataclasses import dataclass
from typing import Literal

from billing.payments.base import Call, Facts
from billing.payments.checkouts import PATH

METHODS = "/v1/payment_methods"


def page(*, page_id: str, organization_id: str, customer: str, success_url: str, cancel_url: str) -> Call:
    """Open the page on which the customer types the card."""
    marks = {"card_page_id": page_id, "organization_id": organization_id}
    body = {
        "mode": "setup",
        "allowed_payment_method_types": ["card"],
        "customer": customer,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "metadata": marks,
        "setup_intent_data": {"metadata": marks},
    }
    return Call(PATH, body)


def release(*, reference: str) -> Call:
    """Let a saved card go: it can never be charged again."""
    return Call(f"{METHODS}/{reference}/detach", {}, marked=False)


@dataclass(frozen=True)
class PageState:
    """Where such a page stands; `url` is where the card is typed, `card` is there once it is saved."""

    reference: str
    page_id: str
    url: str
    status: Literal["open", "saved", "expired"]
    card: Facts | None


def page_state(facts: Facts) -> PageState:
    """The page as the provider describes it, with `checkouts.EXPAND`."""
    intent = facts.get("setup_intent") or {}
    saved = facts["status"] == "complete" and intent.get("status") == "succeeded"
    return PageState(
        reference=facts["id"],
        page_id=str((facts.get("metadata") or {}).get("card_page_id", "")),
        url=facts.get("url") or "",
        status="saved" if saved else "expired" if facts["status"] == "expired" else "open",
        card=intent["payment_method"] if saved else None,
    )


@dataclass(frozen=True)
class Card:
    """A card as it is shown. `customer` is None once it was let go."""

    reference: str
    customer: str | None
    brand: str
    last4: str
    exp_year: int
    exp_month: int


def card(method: Facts) -> Card:
    """The provider's payment method in our words."""
    face = method["card"]
    return Card(
        reference=method["id"],
        customer=method.get("customer"),
        brand=str(face["brand"]),
        last4=str(face["last4"]),
        exp_year=int(face["exp_year"]),
        exp_month=int(face["exp_month"]),
    )
