"""Questions about money, answered from rows; nothing here writes."""

from billing.queries.meters import Reading, cost_so_far, open_readings, priced_leases, read, readable
from billing.queries.standing_orders import described, rate_words
from billing.queries.wallet import Wallet, ledger_entries, refundable_cents, refundable_payments, wallet

__all__ = [
    "Reading",
    "Wallet",
    "cost_so_far",
    "described",
    "ledger_entries",
    "open_readings",
    "priced_leases",
    "rate_words",
    "read",
    "readable",
    "refundable_cents",
    "refundable_payments",
    "wallet",
]
