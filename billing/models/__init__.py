"""Everything `billing` keeps: prices promised, seconds used, money moved."""

from billing.models.account import TRUST, BillingAccount, BillingMode, TrustLevel
from billing.models.automatic import AutoTopUp
from billing.models.budget import PERCENTS, Budget, BudgetAlert
from billing.models.card import CardPage, CardPageState, SavedCard
from billing.models.credit import CreditGrant, CreditUse
from billing.models.credit_note import CreditNote, CreditNoteLine
from billing.models.handing_back import HandBack
from billing.models.inbox import Forgery, Watermark
from billing.models.invoice import Invoice, InvoiceCounter, InvoiceLine, LineKind, ParkedMonth
from billing.models.ledger import HANDED_BACK, AccountKind, Entry, LedgerAccount, Link, Posting, PostingKind
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
from billing.models.outbox import CallKind, CallState, GatewayCall, Pace
from billing.models.payment import GatewayEvent, Payment, PaymentState, Refund, RefundState
from billing.models.quote import Quote
from billing.models.receivable import LONGEST_REFERENCE, Applied, BankTransfer, Reminder, WriteOff
from billing.models.reconciliation import Discrepancy, Movement, Reconciliation
from billing.models.recount import Difference, Recount
from billing.models.standing import Level, Standing
from billing.models.standing_order import Mode, StandingOrder, StandingOrderState
from billing.models.usage import Meter, MeterPrice, MonthUse, Usage, UsageKind

__all__ = [
    "HANDED_BACK",
    "LONGEST_REFERENCE",
    "PERCENTS",
    "TRUST",
    "AccountKind",
    "Applied",
    "AutoTopUp",
    "BankTransfer",
    "BillingAccount",
    "BillingMode",
    "Budget",
    "BudgetAlert",
    "CallKind",
    "CallState",
    "CardInvoice",
    "CardInvoiceStatus",
    "CardPage",
    "CardPageState",
    "CreditGrant",
    "CreditNote",
    "CreditNoteLine",
    "CreditUse",
    "Difference",
    "Discrepancy",
    "Entry",
    "Export",
    "ExportState",
    "ExportWay",
    "Forgery",
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
    "MonthUse",
    "Movement",
    "Pace",
    "ParkedMonth",
    "Payment",
    "PaymentState",
    "Posting",
    "PostingKind",
    "Quote",
    "Reconciliation",
    "Recount",
    "Refund",
    "RefundState",
    "Reminder",
    "SavedCard",
    "Standing",
    "StandingOrder",
    "StandingOrderState",
    "TieOut",
    "TrustLevel",
    "Usage",
    "UsageKind",
    "Watermark",
    "WriteOff",
]
