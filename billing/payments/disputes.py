"""Disputes and early fraud warnings as the provider tells them, read into our words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from billing.payments.base import Facts

PATH: Final = "/v1/disputes"
WARNINGS: Final = "/v1/radar/early_fraud_warnings"


@dataclass(frozen=True)
class DisputeFacts:
    """A dispute as it is now. `state` is the provider's word; of its cents the bank took some, and gave some back."""

    reference: str
    charge_reference: str
    state: str
    reason: str
    cents: int
    evidence_due_at: datetime | None
    taken_cents: int = 0
    returned_cents: int = 0


@dataclass(frozen=True)
class WarningFacts:
    """An early fraud warning."""

    reference: str
    charge_reference: str
    kind: str


def dispute(facts: Facts) -> DisputeFacts:
    """https://docs.stripe.com/api/disputes/object"""
    moved = [row["amount"] for row in facts["balance_transactions"]]
    due = (facts.get("evidence_details") or {}).get("due_by")
    return DisputeFacts(
        reference=facts["id"],
        charge_reference=_id(facts["charge"]),
        state=facts["status"],
        reason=facts["reason"],
        cents=facts["amount"],
        evidence_due_at=datetime.fromtimestamp(due, UTC) if due else None,
        taken_cents=-sum(cents for cents in moved if cents < 0),
        returned_cents=sum(cents for cents in moved if cents > 0),
    )


def warning(facts: Facts) -> WarningFacts:
    """https://docs.stripe.com/api/radar/early_fraud_warnings/object"""
    return WarningFacts(facts["id"], _id(facts["charge"]), facts["fraud_type"])


def _id(reference: str | Facts) -> str:
    """Of an object that may have been put in whole."""
    return reference if isinstance(reference, str) else str(reference["id"])
