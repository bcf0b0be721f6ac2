"""Money for staff: everything can be seen, and nothing here can change what has happened."""

from billing.admin.ledger import LedgerAccountAdmin, PostingAdmin, StandingAdmin
from billing.admin.metered import (
    CardInvoiceAdmin,
    ExportAdmin,
    MeteredPriceAdmin,
    MeteredSubscriptionAdmin,
    TieOutAdmin,
)
from billing.admin.orders import BudgetAdmin, StandingOrderAdmin
from billing.admin.papers import InvoiceAdmin
from billing.admin.payments import BillingAccountAdmin, GatewayCallAdmin, GatewayEventAdmin, PaymentAdmin, RefundAdmin
from billing.admin.usage import DifferenceAdmin, HandBackAdmin, MeterAdmin, QuoteAdmin, UsageAdmin

__all__ = [
    "BillingAccountAdmin",
    "BudgetAdmin",
    "CardInvoiceAdmin",
    "DifferenceAdmin",
    "ExportAdmin",
    "GatewayCallAdmin",
    "GatewayEventAdmin",
    "HandBackAdmin",
    "InvoiceAdmin",
    "LedgerAccountAdmin",
    "MeterAdmin",
    "MeteredPriceAdmin",
    "MeteredSubscriptionAdmin",
    "PaymentAdmin",
    "PostingAdmin",
    "QuoteAdmin",
    "RefundAdmin",
    "StandingAdmin",
    "StandingOrderAdmin",
    "TieOutAdmin",
    "UsageAdmin",
]
