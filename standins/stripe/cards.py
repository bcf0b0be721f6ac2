"""The test cards, and the checks a card form makes before anything is charged."""

import re
from dataclasses import dataclass

Decline = tuple[str, str, str]


@dataclass(frozen=True)
class Card:
    """
    What a test card does. `decline` is None or (code, decline code, message), at a charge only if `saves`;
    `refund` is how a refund to it goes: at once, or pending or failing later. `asks` is when its bank wants to see its
    owner: "never", "always", "unset" (until it was set up, and whenever the owner is there) or "present" (only when
    the owner is there). `dispute` is the reason with which its owner disputes each charge at once. `token` is the
    payment method that Stripe's documentation gives for it, without `pm_card_`.
    """

    brand: str
    says: str
    token: str
    decline: Decline | None = None
    refund: str = "succeeds"
    asks: str = "never"
    saves: bool = False
    dispute: str = ""


INSUFFICIENT: Decline = (
    "card_declined",
    "insufficient_funds",
    "Your card has insufficient funds. Try another card.",
)
_GENERIC: Decline = ("card_declined", "generic_decline", "Your card was declined. Try another card.")
_EXPIRED: Decline = ("expired_card", "expired_card", "Your card has expired. Try another card.")
_LOST: Decline = ("card_declined", "lost_card", "Your card was declined. Try another card.")
_CVC: Decline = ("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
_PROCESSING: Decline = ("processing_error", "processing_error", "An error occurred while processing your card.")
UNAUTHENTICATED: Decline = (
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

CARDS = {
    "4242424242424242": Card("visa", "Succeeds", "visa"),
    "5555555555554444": Card("mastercard", "Succeeds", "mastercard"),
    "4000000000000002": Card("visa", "Declined", "visa_chargeDeclined", _GENERIC),
    "4000000000009995": Card(
        "visa", "Declined: insufficient funds", "visa_chargeDeclinedInsufficientFunds", INSUFFICIENT
    ),
    "4000000000009987": Card("visa", "Declined: lost card", "visa_chargeDeclinedLostCard", _LOST),
    "4000000000000069": Card("visa", "Declined: expired card", "chargeDeclinedExpiredCard", _EXPIRED),
    "4000000000000127": Card("visa", "Declined: wrong security code", "chargeDeclinedIncorrectCvc", _CVC),
    "4000000000000119": Card("visa", "Declined: processing error", "chargeDeclinedProcessingError", _PROCESSING),
    "4000000000000341": Card(
        "visa", "Can be saved; every charge is declined", "chargeCustomerFail", _GENERIC, saves=True
    ),
    "4000002500003155": Card(
        "visa", "Asks its owner, until it was saved for later", "authenticationRequiredOnSetup", asks="unset"
    ),
    "4000002760003184": Card("visa", "Asks its owner every time", "authenticationRequired", asks="always"),
    "4000003800000446": Card(
        "visa", "Asks its owner when present", "authenticationRequiredSetupForOffSession", asks="present"
    ),
    "4000008260003178": Card(
        "visa",
        "Asks its owner, then insufficient funds",
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        INSUFFICIENT,
        asks="always",
        saves=True,
    ),
    "4000000000000259": Card("visa", "Succeeds; disputed as fraudulent", "createDispute", dispute="fraudulent"),
    "4000000000002685": Card(
        "visa",
        "Succeeds; disputed as not received",
        "createDisputeProductNotReceived",
        dispute="product_not_received",
    ),
    "4000000000001976": Card("visa", "Succeeds; an inquiry is opened", "createDisputeInquiry", dispute="inquiry"),
    "4000000000005423": Card(
        "visa", "Succeeds; an early fraud warning comes", "createIssuerFraudRecord", dispute="warning"
    ),
    "4000000000007726": Card("visa", "Succeeds; a refund stays pending until settled", "pendingRefund", refund="pends"),
    "4000000000005126": Card("visa", "Succeeds; a refund fails when settled", "refundFail", refund="fails"),
}
TOKENS = {f"pm_card_{card.token}": number for number, card in CARDS.items()} | {
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedExpiredCard": "4000000000000069",
}
BY_LAST4 = {number[-4:]: card for number, card in CARDS.items()}
STRANGER = Card(
    "visa",
    "Declined",
    "stranger",
    ("card_declined", "test_mode_live_card", "Your card was declined: only the test cards listed below work here."),
)


def card_of(number: str) -> Card:
    """The test card with these digits; any other number is declined, as Stripe does in test mode."""
    return CARDS.get(number, STRANGER)


def digits_of(text: str) -> str:
    """The number without the spaces and dashes people type."""
    return re.sub(r"[\s-]", "", text)


def problems(form: dict[str, str], *, year: int, month: int) -> dict[str, str]:
    """Field name -> what is wrong with it, of email, number, expiry, cvc and name; empty when all is well."""
    found = {
        "email": "" if re.fullmatch(r"[^@\s]+@[^@\s]+", form["email"]) else "Enter an e-mail address.",
        "number": "" if _luhn(digits_of(form["number"])) else "Your card number is invalid.",
        "expiry": _expiry_problem(form["expiry"], year, month),
        "cvc": "" if re.fullmatch(r"\d{3,4}", form["cvc"]) else "Your card's security code has 3 or 4 digits.",
        "name": "" if form["name"] else "Enter the name on the card.",
    }
    return {field: message for field, message in found.items() if message}


def expiry_of(text: str) -> tuple[int, int] | None:
    """(year, month) of `MM / YY` or `MM/YYYY`, or None."""
    match = re.fullmatch(r"(0?[1-9]|1[0-2])\s*/?\s*(\d{2}|\d{4})", text)
    if match is None:
        return None
    year = int(match[2])
    return (year if year > 99 else 2000 + year), int(match[1])


def _expiry_problem(text: str, year: int, month: int) -> str:
    expiry = expiry_of(text)
    if expiry is None:
        return "Enter the expiry date as month and year, such as 12 / 34."
    return "Your card's expiry date is in the past." if expiry < (year, month) else ""


def _luhn(number: str) -> bool:
    if not re.fullmatch(r"[0-9]{13,19}", number):
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
