"""The provider's own account of the money it moves."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from billing.payments.base import Facts

PATH: Final = "/v1/balance_transactions"


@dataclass(frozen=True)
class Moved:
    """One movement: `kind` in the provider's words, `source` the object that it is of, cents before the fee."""

    reference: str
    kind: str
    source: str
    at: datetime
    amount_cents: int
    fee_cents: int


def read(facts: Facts) -> Moved:
    """A movement as the provider gave it."""
    return Moved(
        reference=facts["id"],
        kind=facts["reporting_category"],
        source=facts.get("source") or facts["id"],
        at=datetime.fromtimestamp(facts["created"], UTC),
        amount_cents=facts["amount"],
        fee_cents=facts["fee"],
    )
