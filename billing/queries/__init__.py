"""Questions about money, answered from rows; nothing here writes."""

from billing.queries.meters import Reading, cost_so_far, open_readings, priced_leases, read, readable
from billing.queries.prices import Price, price_at, price_of_window, price_of_windows, prices_of, with_price
from billing.queries.wallet import Wallet, ledger_entries, refundable_cents, refundable_payments, wallet

__all__ = [
    "Price",
    "Reading",
    "Wallet",
    "cost_so_far",
    "ledger_entries",
    "open_readings",
    "price_at",
    "price_of_window",
    "price_of_windows",
    "priced_leases",
    "prices_of",
    "read",
    "readable",
    "refundable_cents",
    "refundable_payments",
    "wallet",
    "with_price",
]
