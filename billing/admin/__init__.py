"""Money for staff: everything can be seen, and nothing here can change what has happened."""

from billing.admin.ledger import LedgerAccountAdmin, PostingAdmin, StandingAdmin
from billing.admin.orders import BudgetAdmin, StandingOrderAdmin
from billing.admin.papers import BankTransferAdmin, CreditNoteAdmin, InvoiceAdmin, ParkedMonthAdmin
from billing.admin.payments import BillingAccountAdmin, GatewayCallAdmin, GatewayEventAdmin, PaymentAdmin, RefundAdmin
from billing.admin.usage import DifferenceAdmin, HandBackAdmin, MeterAdmin, QuoteAdmin, UsageAdmin

__all__ = [
    "BankTransferAdmin",
    "BillingAccountAdmin",
    "BudgetAdmin",
    "CreditNoteAdmin",
    "DifferenceAdmin",
    "GatewayCallAdmin",
    "GatewayEventAdmin",
    "HandBackAdmin",
    "InvoiceAdmin",
    "LedgerAccountAdmin",
    "MeterAdmin",
    "ParkedMonthAdmin",
    "PaymentAdmin",
    "PostingAdmin",
    "QuoteAdmin",
    "RefundAdmin",
    "StandingAdmin",
    "StandingOrderAdmin",
    "UsageAdmin",
]
