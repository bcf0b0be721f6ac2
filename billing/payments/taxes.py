"""
Tax on what we invoice ourselves, by the provider: a calculation says how much it is and changes nothing, a transaction
has it in the provider's tax reports, a reversal takes a part of it back. https://docs.stripe.com/tax/custom
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from billing.payments.base import Call, Facts
from billing.payments.card_invoices import TAX_NOTES, untaxed
from billing.payments.meters import NET

CALCULATIONS: Final = "/v1/tax/calculations"
TRANSACTIONS: Final = "/v1/tax/transactions"
KNOWN_ALREADY: Final = "resource_already_exists"  # a reference is given once, to transactions and reversals together
LONGEST_NOTE: Final = 300


@dataclass(frozen=True)
class Calculated:
    """An answer: the tax in cents, and whose it is or why there is none, in words for an invoice."""

    reference: str
    tax_cents: int
    note: str


def calculation(*, reference: str, net_cents: int, address: Mapping[str, str], tax_ids: Collection[Any]) -> Call:
    """
    Ask for the tax on an amount of today, for who is there; `tax_ids` are pairs of kind and value, which the provider
    believes. The tax code is the account's. An address that it does not find is refused as UNLOCATED.
    """
    details: dict[str, Any] = {"address": dict(address), "address_source": "billing"}
    if tax_ids:
        details["tax_ids"] = [{"type": kind, "value": value} for kind, value in tax_ids]
    line = {"amount": net_cents, "reference": reference, "tax_behavior": NET}
    body = {"currency": "usd", "customer_details": details, "line_items": [line]}
    return Call(CALCULATIONS, body | {"expand": ["line_items.data.tax_breakdown"]}, marked=False)


def calculated(facts: Facts) -> Calculated:
    """https://docs.stripe.com/api/tax/calculations/object, with the parts of its one line."""
    (line,) = facts["line_items"]["data"]
    return Calculated(facts["id"], facts["tax_amount_exclusive"], _note(line["tax_breakdown"] or []))


def transaction(*, calculation: str, reference: str) -> Call:
    """Have the tax of a calculation in the reports, as of now, under the number of its invoice."""
    return Call(f"{TRANSACTIONS}/create_from_calculation", {"calculation": calculation, "reference": reference})


def reversal(*, transaction: str, reference: str, gross_cents: int) -> Call:
    """Take back a part of a transaction, tax included, under the number of its credit note."""
    body = {"mode": "partial", "original_transaction": transaction, "flat_amount": -gross_cents}
    return Call(f"{TRANSACTIONS}/create_reversal", body | {"reference": reference})


def _note(parts: Collection[Facts]) -> str:
    """Such as "Sales Tax: New York 4 %, New York City 4.5 %."; why there is none where there is none."""
    imposed: dict[str, list[str]] = {}
    for part in parts:
        rate = part["tax_rate_details"]
        if part["taxability_reason"] not in TAX_NOTES and rate and Decimal(rate["percentage_decimal"]):
            percent = f"{part['jurisdiction']['display_name']} {rate['percentage_decimal']} %"
            imposed.setdefault(rate["display_name"], []).append(percent)
    if not imposed:
        return untaxed(part["taxability_reason"] for part in parts)
    whole = " ".join(f"{name}: {', '.join(percents)}." for name, percents in imposed.items())
    short = f"{', '.join(imposed)}, of {sum(map(len, imposed.values()))} jurisdictions."
    return whole if len(whole) <= LONGEST_NOTE else short[:LONGEST_NOTE]
