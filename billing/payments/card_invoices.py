"""The provider's invoices of subscriptions, in our words."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from billing.payments.base import Facts, Gateway

PATH = "/v1/invoices"
EXPAND = ("payments.data.payment.payment_intent",)
Status = Literal["open", "paid", "uncollectible", "void"]
UNTAXED = "No tax could be worked out: the address of your tax profile was not found."
# The provider's reasons for a tax, in words for an invoice: https://docs.stripe.com/tax/zero-tax
TAX_NOTES: Mapping[str, str] = {
    "reverse_charge": "Reverse charge: the customer accounts for the tax.",
    "not_collecting": "No tax: the seller is not registered for it where you are.",
    "not_supported": "No tax: the card processor does not work it out where you are.",
    "not_subject_to_tax": "No tax: none is due on this where you are.",
    "product_exempt": "No tax: none is due on this where you are.",
    "zero_rated": "Taxed at zero where you are.",
    "customer_exempt": "No tax: you are exempt from it.",
}


@dataclass(frozen=True)
class Stated:
    """
    An invoice that is final, as the provider states it. Cents; `subtotal_cents` is net, `total_cents` with tax,
    `due_cents` with the customer's balance before it; `charge_reference` is there where a card has paid.
    """

    reference: str
    charge_reference: str
    customer: str
    number: str
    status: Status
    period_start: datetime
    period_end: datetime
    subtotal_cents: int
    tax_cents: int
    tax_note: str
    total_cents: int
    due_cents: int
    paid_cents: int
    page_url: str
    pdf_url: str
    finalized_at: datetime
    paid_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None


@dataclass(frozen=True)
class StatedLine:
    """One line: `export` is ours where it is an item that we put there, else empty, and the meter's."""

    micros: int
    cents: int
    export: str


def stated(facts: Facts) -> Stated | None:
    """
    An invoice that was fetched with EXPAND. None while it is a draft, and for one that no subscription made: those are
    not ours to read.
    """
    of_subscription = (facts.get("parent") or {}).get("type") == "subscription_details"
    if facts["status"] == "draft" or not of_subscription:
        return None
    times = facts["status_transitions"]
    net: int = facts["subtotal"] if facts["total_excluding_tax"] is None else facts["total_excluding_tax"]
    return Stated(
        reference=facts["id"],
        charge_reference=_charge(facts),
        customer=facts["customer"],
        number=facts["number"] or "",
        status=facts["status"],
        period_start=_time(facts["period_start"]),
        period_end=_time(facts["period_end"]),
        subtotal_cents=net,
        tax_cents=facts["total"] - net,
        tax_note=_tax_note(facts),
        total_cents=facts["total"],
        due_cents=facts["amount_due"],
        paid_cents=facts["amount_paid"],
        page_url=facts["hosted_invoice_url"] or "",
        pdf_url=facts["invoice_pdf"] or "",
        finalized_at=_time(times["finalized_at"]),
        paid_at=_time(times["paid_at"]) if times["paid_at"] else None,
        attempts=facts["attempt_count"],
        next_attempt_at=_time(facts["next_payment_attempt"]) if facts["next_payment_attempt"] else None,
    )


def of_customer(gateway: Gateway, *, customer: str) -> Iterator[Facts]:
    """All its invoices, newest first, whichever subscription made them."""
    return gateway.each(PATH, customer=customer)


def lines(gateway: Gateway, *, reference: str) -> list[StatedLine]:
    """All lines of an invoice."""
    return [
        StatedLine(
            micros=int(Decimal(str(line["quantity_decimal"] or line["quantity"] or 0))),
            cents=line["amount"],
            export=(line.get("metadata") or {}).get("export", ""),
        )
        for line in gateway.each(f"{PATH}/{reference}/lines")
    ]


def _tax_note(facts: Facts) -> str:
    """Why there is no tax, or none in part; nothing where it is simply there, or nobody was asked."""
    if facts["automatic_tax"].get("disabled_reason") == "finalization_requires_location_inputs":
        return UNTAXED
    return untaxed(each["taxability_reason"] for each in facts["total_taxes"] or [])


def untaxed(reasons: Iterable[str]) -> str:
    """What of the provider's reasons is one for no tax, in words."""
    return " ".join(dict.fromkeys(TAX_NOTES[reason] for reason in reasons if reason in TAX_NOTES))


def _charge(facts: Facts) -> str:
    """Of the payment that was made; those before it were called off."""
    intents = (paid["payment"].get("payment_intent") or {} for paid in facts["payments"]["data"])
    return next((str(one["latest_charge"]) for one in intents if one.get("status") == "succeeded"), "")


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
