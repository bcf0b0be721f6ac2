"""Disputes and early fraud warnings as the provider tells them, read into our words."""

from dataclasses import dataclass
from datetime import UTC, datetime

from billing.payments.base import Facts

PATH = "/v1/disputes"
WARNINGS = "/v1/radar/early_fraud_warnings"


@dataclass(frozen=True)
class Movement:
    """Money that the bank took (`cents` less than nothing) or gave back, and the provider's fee for it."""

    reference: str
    cents: int
    fee_cents: int


@dataclass(frozen=True)
class DisputeFacts:
    """A dispute as it is now. `state` is the provider's word."""

    reference: str
    charge_reference: str
    state: str
    reason: str
    cents: int
    evidence_due_at: datetime | None
    movements: tuple[Movement, ...]


@dataclass(frozen=True)
class WarningFacts:
    """An early fraud warning."""

    reference: str
    charge_reference: str
    kind: str


def dispute(facts: Facts) -> DisputeFacts:
    """https://docs.stripe.com/api/disputes/object"""
    due = (facts.get("evidence_details") or {}).get("due_by")
    return DisputeFacts(
        reference=facts["id"],
        charge_reference=_id(facts["charge"]),
        state=facts["status"],
        reason=facts["reason"],
        cents=facts["amount"],
        evidence_due_at=datetime.fromtimestamp(due, UTC) if due else None,
        movements=tuple(Movement(row["id"], row["amount"], row["fee"]) for row in facts["balance_transactions"]),
    )


def warning(facts: Facts) -> WarningFacts:
    """https://docs.stripe.com/api/radar/early_fraud_warnings/object"""
    return WarningFacts(facts["id"], _id(facts["charge"]), facts["fraud_type"])


def _id(reference: str | Facts) -> str:
    """Of an object that may have been put in whole."""
    return reference if isinstance(reference, str) else str(reference["id"])
