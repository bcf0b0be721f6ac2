"""Money back to a card: what asks for it, and how far it is."""

from dataclasses import dataclass
from typing import Final, Literal

from billing.payments.base import Call, Facts

PATH: Final = "/v1/refunds"


@dataclass(frozen=True)
class Answer:
    """Where a refund stands. A succeeded one may still fail days later; `reason` says why it failed, else is empty.

    `refund_id` is ours, for which it was made.
    """

    reference: str
    refund_id: str
    status: Literal["pending", "succeeded", "failed"]
    reason: str


def refund(*, refund_id: str, charge_reference: str, amount_cents: int) -> Call:
    """Send part or all of a charge back."""
    return Call(PATH, {"charge": charge_reference, "amount": amount_cents, "metadata": {"refund_id": refund_id}})


def read(facts: Facts) -> Answer:
    """A refund as the provider gave it."""
    said = facts.get("status") or ""
    status: Literal["pending", "succeeded", "failed"] = "pending"
    if said == "succeeded":
        status = "succeeded"
    elif said in ("failed", "canceled"):
        status = "failed"
    reason = (facts.get("failure_reason") or said) if status == "failed" else ""
    return Answer(facts["id"], (facts.get("metadata") or {}).get("refund_id", ""), status, reason)
