"""Everything `billing` keeps: prices promised, seconds used, money moved."""

from billing.models.account import TRUST, BillingAccount, BillingMode, TrustLevel
from billing.models.budget import PERCENTS, Budget, BudgetAlert
from billing.models.handing_back import HandBack
from billing.models.invoice import Invoice, InvoiceCounter, InvoiceLine, LineKind
from billing.models.ledger import AccountKind, Entry, LedgerAccount, Link, Posting, PostingKind
from billing.models.metered import (
    CardInvoice,
    CardInvoiceStatus,
    Export,
    ExportState,
    ExportWay,
    MeteredPrice,
    MeteredSubscription,
    TieOut,
)
from billing.models.outbox import CallKind, CallState, GatewayCall
from billing.models.payment import GatewayEvent, Payment, PaymentState, Refund, RefundState
from billing.models.quote import Quote
from billing.models.recount import Difference, Recount
from billing.models.standing import Level, Standing
from billing.models.standing_order import Mode, StandingOrder, StandingOrderState
from billing.models.usage import Meter, MeterPrice, Usage, UsageKind

__all__ = [
    "PERCENTS",
    "TRUST",
    "AccountKind",
    "BillingAccount",
    "BillingMode",
    "Budget",
    "BudgetAlert",
    "CallKind",
    "CallState",
    "CardInvoice",
    "CardInvoiceStatus",
    "Difference",
    "Entry",
    "Export",
    "ExportState",
    "ExportWay",
    "GatewayCall",
    "GatewayEvent",
    "HandBack",
    "Invoice",
    "InvoiceCounter",
    "InvoiceLine",
    "LedgerAccount",
    "Level",
    "LineKind",
    "Link",
    "Meter",
    "MeterPrice",
    "MeteredPrice",
    "MeteredSubscription",
    "Mode",
    "Payment",
    "PaymentState",
    "Posting",
    "PostingKind",
    "Quote",
    "Recount",
    "Refund",
    "RefundState",
    "Standing",
    "StandingOrder",
    "StandingOrderState",
    "TieOut",
    "TrustLevel",
    "Usage",
    "UsageKind",
]
