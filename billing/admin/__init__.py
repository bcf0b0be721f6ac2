"""Money for staff: everything can be seen, and nothing here can change what has happened."""

from billing.admin.cards import AutoTopUpAdmin, CardPageAdmin, CreditGrantAdmin, SavedCardAdmin
from billing.admin.ledger import AdjustmentAdmin, LedgerAccountAdmin, PostingAdmin, StandingAdmin
from billing.admin.metered import (
    CardInvoiceAdmin,
    ExportAdmin,
    MeteredPriceAdmin,
    MeteredSubscriptionAdmin,
    TieOutAdmin,
)
from billing.admin.orders import BudgetAdmin, StandingOrderAdmin
from billing.admin.papers import BankTransferAdmin, CreditNoteAdmin, InvoiceAdmin, ParkedMonthAdmin, TaxCalculationAdmin
from billing.admin.payments import (
    BillingAccountAdmin,
    DisputeAdmin,
    FraudWarningAdmin,
    GatewayCallAdmin,
    GatewayEventAdmin,
    GatewayIncidentAdmin,
    PaymentAdmin,
    RefundAdmin,
    TaxProfileAdmin,
)
from billing.admin.promises import CreditRuleAdmin, RuleCreditAdmin
from billing.admin.usage import DifferenceAdmin, HandBackAdmin, MeterAdmin, MonthUseAdmin, QuoteAdmin, UsageAdmin

__all__ = [
    "AdjustmentAdmin",
    "AutoTopUpAdmin",
    "BankTransferAdmin",
    "BillingAccountAdmin",
    "BudgetAdmin",
    "CardInvoiceAdmin",
    "CardPageAdmin",
    "CreditGrantAdmin",
    "CreditNoteAdmin",
    "CreditRuleAdmin",
    "DifferenceAdmin",
    "DisputeAdmin",
    "ExportAdmin",
    "FraudWarningAdmin",
    "GatewayCallAdmin",
    "GatewayEventAdmin",
    "GatewayIncidentAdmin",
    "HandBackAdmin",
    "InvoiceAdmin",
    "LedgerAccountAdmin",
    "MeterAdmin",
    "MeteredPriceAdmin",
    "MeteredSubscriptionAdmin",
    "MonthUseAdmin",
    "ParkedMonthAdmin",
    "PaymentAdmin",
    "PostingAdmin",
    "QuoteAdmin",
    "RefundAdmin",
    "RuleCreditAdmin",
    "SavedCardAdmin",
    "StandingAdmin",
    "StandingOrderAdmin",
    "TaxCalculationAdmin",
    "TaxProfileAdmin",
    "TieOutAdmin",
    "UsageAdmin",
]
