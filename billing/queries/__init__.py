"""Questions about money, answered from rows; nothing here writes."""

from billing.queries.commitments import Commitment, Commitments, commitments, split
from billing.queries.credit import credits_left
from billing.queries.meters import Reading, cost_so_far, just_ordered, open_readings, priced_leases, read, readable
from billing.queries.prices import Price, price_at, price_of_window, price_of_windows, prices_of, with_price
from billing.queries.standing_orders import described, rate_words
from billing.queries.wallet import Wallet, ledger_entries, refundable_cents, refundable_payments, wallet

__all__ = [
    "Commitment",
    "Commitments",
    "Price",
    "Reading",
    "Wallet",
    "commitments",
    "cost_so_far",
    "credits_left",
    "described",
    "just_ordered",
    "ledger_entries",
    "open_readings",
    "price_at",
    "price_of_window",
    "price_of_windows",
    "priced_leases",
    "prices_of",
    "rate_words",
    "read",
    "readable",
    "refundable_cents",
    "refundable_payments",
    "split",
    "wallet",
    "with_price",
]
