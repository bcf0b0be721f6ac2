"""Charging a saved card, and what became of it. https://docs.stripe.com/payments/save-and-reuse"""

from dataclasses import dataclass
from typing import Literal

from billing.payments.base import Call, Facts

PATH = "/v1/payment_intents"
CURRENCY = "usd"
AUTHENTICATE = "authentication_required"
# What banks say, in plain words. https://docs.stripe.com/declines/codes
WORDS = {
    "insufficient_funds": "the bank says that there is not enough money on the card",
    "card_velocity_exceeded": "the card has reached its limit",
    "withdrawal_count_limit_exceeded": "the card has reached its limit",
    "expired_card": "the card has expired",
    "lost_card": "the bank says that the card was reported lost",
    "stolen_card": "the bank says that the card was reported stolen",
    "pickup_card": "the bank has blocked the card",
    "restricted_card": "the bank has blocked the card",
    "incorrect_cvc": "the security code does not match",
    "processing_error": "the bank could not work on it just now",
    "issuer_not_available": "the bank could not be reached",
    "try_again_later": "the bank could not work on it just now",
    "currency_not_supported": "the card does not take US dollars",
    "not_confirmed": "it was not confirmed with the bank",
    "payment_intent_authentication_failure": "it was not confirmed with the bank",
    "never_made": "the card processor has no trace of it",
}
REFUSED = "the bank refused it without a reason"
# The same card will never work: nothing is tried again. The processor's documentation says so of these.
HARD = frozenset(
    {
        "lost_card",
        "stolen_card",
        "pickup_card",
        "restricted_card",
        "fraudulent",
        "expired_card",
        "invalid_account",
        "incorrect_number",
        "card_not_supported",
        "currency_not_supported",
        "service_not_allowed",
        "transaction_not_allowed",
        "security_violation",
        "stop_payment_order",
        "revocation_of_authorization",
        "revocation_of_all_authorizations",
        "payment_method_unexpected_state",  # removed
        "resource_missing",
    }
)


def charge(
    *,
    payment_id: str,
    organization_id: str,
    customer: str,
    card: str,
    amount_cents: int,
    back_url: str | None,
) -> Call:
    """
    Charge a card. With `back_url` its owner is there, and comes back to it from the bank's page; without, nobody is.
    """
    present = {"return_url": back_url} if back_url else {"off_session": True}
    body = {
        "amount": amount_cents,
        "currency": CURRENCY,
        "customer": customer,
        "payment_method": card,
        "allowed_payment_method_types": ["card"],
        "confirm": True,
        "description": "Gridlease wallet top-up",
        "metadata": {"payment_id": payment_id, "organization_id": organization_id},
    }
    return Call(PATH, body | present)


def confirm(*, reference: str, card: str, back_url: str) -> Call:
    """Try a charge again with its owner there."""
    return Call(f"{PATH}/{reference}/confirm", {"payment_method": card, "return_url": back_url}, marked=False)


def cancel(*, reference: str) -> Call:
    """See that it never succeeds any more."""
    return Call(f"{PATH}/{reference}/cancel", {}, marked=False)


@dataclass(frozen=True)
class Charge:
    """
    Where a charge stands. It waits for the processor, for its owner (`action`, at `bank_url` if that is known), or has
    ended; `code` says why it failed.
    """

    reference: str
    payment_id: str
    status: Literal["waiting", "action", "paid", "failed"]
    amount_cents: int
    currency: str
    livemode: bool
    charge_reference: str
    bank_url: str
    code: str


def read(facts: Facts) -> Charge:
    """The provider's intent in our words."""
    error = facts.get("last_payment_error") or {}
    code = str(error.get("decline_code") or error.get("code") or "")
    action = facts.get("next_action") or {}
    return Charge(
        reference=facts["id"],
        payment_id=(facts.get("metadata") or {}).get("payment_id", ""),
        status=_status(str(facts["status"]), code),
        amount_cents=facts["amount_received"] or facts["amount"],
        currency=facts["currency"],
        livemode=facts["livemode"],
        charge_reference=str(facts.get("latest_charge") or ""),
        bank_url=(action.get("redirect_to_url") or {}).get("url", ""),
        code="not_confirmed" if facts["status"] == "canceled" else code,
    )


def _status(status: str, code: str) -> Literal["waiting", "action", "paid", "failed"]:
    if status == "succeeded":
        return "paid"
    if status == "canceled":
        return "failed"
    if status == "requires_action":
        return "action"
    if status == "requires_payment_method" and code:
        return "action" if code == AUTHENTICATE else "failed"
    return "waiting"


def words(code: str) -> str:
    """Why a charge failed, for people, as the end of a sentence."""
    return WORDS.get(code, REFUSED)
