"""Everything `billing` keeps: prices promised, seconds used, money moved."""

from billing.models.account import BillingAccount, BillingMode
from billing.models.automatic import AutoTopUp
from billing.models.budget import PERCENTS, Budget, BudgetAlert
from billing.models.card import CardPage, CardPageState, SavedCard
from billing.models.credit import CreditGrant, CreditUse
from billing.models.handing_back import HandBack
from billing.models.inbox import Forgery, Watermark
from billing.models.invoice import Invoice, InvoiceCounter, InvoiceLine, LineKind
from billing.models.ledger import AccountKind, Entry, LedgerAccount, Link, Posting, PostingKind
from billing.models.outbox import CallKind, CallState, GatewayCall, Pace
from billing.models.payment import GatewayEvent, Payment, PaymentState, Refund, RefundState
from billing.models.quote import Quote
from billing.models.reconciliation import Discrepancy, Movement, Reconciliation
from billing.models.recount import Difference, Recount
from billing.models.standing import Level, Standing
from billing.models.standing_order import Mode, StandingOrder, StandingOrderState
from billing.models.usage import Meter, MeterPrice, MonthUse, Usage, UsageKind

__all__ = [
    "PERCENTS",
    "AccountKind",
    "AutoTopUp",
    "BillingAccount",
    "BillingMode",
    "Budget",
    "BudgetAlert",
    "CallKind",
    "CallState",
    "CardPage",
    "CardPageState",
    "CreditGrant",
    "CreditUse",
    "Difference",
    "Discrepancy",
    "Entry",
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
    "Mode",
    "MonthUse",
    "Movement",
    "Pace",
    "Payment",
    "PaymentState",
    "Posting",
    "PostingKind",
    "Quote",
    "Reconciliation",
    "Recount",
    "Refund",
    "RefundState",
    "SavedCard",
    "Standing",
    "StandingOrder",
    "StandingOrderState",
    "Usage",
    "UsageKind",
    "Watermark",
]
