"""Everything `billing` keeps: prices promised, seconds used, money moved."""

from billing.models.account import BillingAccount, BillingMode
from billing.models.adjustment import Adjustment, AdjustmentState
from billing.models.budget import PERCENTS, Budget, BudgetAlert
from billing.models.dispute import Dispute, DisputeState, FraudWarning
from billing.models.handing_back import HandBack
from billing.models.invoice import Invoice, InvoiceCounter, InvoiceLine, LineKind
from billing.models.ledger import AccountKind, Entry, LedgerAccount, Link, Posting, PostingKind
from billing.models.outbox import CallKind, CallState, GatewayCall
from billing.models.payment import GatewayEvent, Payment, PaymentState, Refund, RefundState
from billing.models.promise import RULES_AHEAD, CreditRule, Promise, RuleCredit
from billing.models.quote import Quote
from billing.models.recount import Difference, Recount
from billing.models.standing import Level, Standing
from billing.models.standing_order import Mode, StandingOrder, StandingOrderState
from billing.models.tax import TaxIdKind, TaxIdState, TaxProfile
from billing.models.usage import Meter, MeterPrice, Usage, UsageKind

__all__ = [
    "PERCENTS",
    "RULES_AHEAD",
    "AccountKind",
    "Adjustment",
    "AdjustmentState",
    "BillingAccount",
    "BillingMode",
    "Budget",
    "BudgetAlert",
    "CallKind",
    "CallState",
    "CreditRule",
    "Difference",
    "Dispute",
    "DisputeState",
    "Entry",
    "FraudWarning",
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
    "Payment",
    "PaymentState",
    "Posting",
    "PostingKind",
    "Promise",
    "Quote",
    "Recount",
    "Refund",
    "RefundState",
    "RuleCredit",
    "Standing",
    "StandingOrder",
    "StandingOrderState",
    "TaxIdKind",
    "TaxIdState",
    "TaxProfile",
    "Usage",
    "UsageKind",
]
