"""The test cards, and the checks a card form makes before anything is charged."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """What a test card number does. `decline` is None or (code, decline code, message); `refund` is how a refund to it
    goes: at once, or pending or failing later."""

    brand: str
    says: str
    decline: tuple[str, str, str] | None = None
    refund: str = "succeeds"


CARDS = {
    "4242424242424242": Card("visa", "Succeeds"),
    "5555555555554444": Card("mastercard", "Succeeds"),
    "4000000000000002": Card(
        "visa", "Declined", ("card_declined", "generic_decline", "Your card was declined. Try another card.")
    ),
    "4000000000009995": Card(
        "visa",
        "Declined: insufficient funds",
        ("card_declined", "insufficient_funds", "Your card has insufficient funds. Try another card."),
    ),
    "4000000000000069": Card(
        "visa", "Declined: expired card", ("expired_card", "expired_card", "Your card has expired. Try another card.")
    ),
    "4000000000007726": Card("visa", "Succeeds; a refund stays pending until settled", refund="pends"),
    "4000000000005126": Card("visa", "Succeeds; a refund fails when settled", refund="fails"),
}
STRANGER = Card(
    "visa",
    "Declined",
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
