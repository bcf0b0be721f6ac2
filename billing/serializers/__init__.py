"""What the API of this app reads and shows. Amounts are whole micro-dollars (`_micros`) or cents (`_cents`)."""

from billing.serializers.handing_back import EarlierEnd, HandBackAsked, HandBackShown, HandBackValue
from billing.serializers.money import (
    CardInvoiceShown,
    EntryShown,
    NewRefund,
    NewTopUp,
    RefundShown,
    TopUpShown,
    WalletShown,
)
from billing.serializers.orders import LeaseFilter, NewLease, NewQuote, PricedLease, QuoteShown, UsageShown, priced
from billing.serializers.papers import (
    CreditShown,
    InvoiceLineShown,
    InvoiceShown,
    InvoiceWithLines,
    PreviewShown,
    PricedPart,
    ReceiptLine,
    ReceiptShown,
)

__all__ = [
    "CardInvoiceShown",
    "CreditShown",
    "EarlierEnd",
    "EntryShown",
    "HandBackAsked",
    "HandBackShown",
    "HandBackValue",
    "InvoiceLineShown",
    "InvoiceShown",
    "InvoiceWithLines",
    "LeaseFilter",
    "NewLease",
    "NewQuote",
    "NewRefund",
    "NewTopUp",
    "PreviewShown",
    "PricedLease",
    "PricedPart",
    "QuoteShown",
    "ReceiptLine",
    "ReceiptShown",
    "RefundShown",
    "TopUpShown",
    "UsageShown",
    "WalletShown",
    "priced",
]
