"""Everything `billing` keeps: prices promised, seconds used, money moved."""

from billing.models.account import TRUST, BillingAccount, BillingMode, TrustLevel
from billing.models.adjustment import Adjustment, AdjustmentKind, AdjustmentState
from billing.models.automatic import AutoTopUp
from billing.models.budget import PERCENTS, Budget, BudgetAlert
from billing.models.card import CardPage, CardPageState, SavedCard
from billing.models.credit import CreditGrant, CreditUse
from billing.models.credit_note import CreditNote, CreditNoteLine
from billing.models.dispute import Dispute, DisputeState, FraudWarning
from billing.models.handing_back import HandBack
from billing.models.inbox import Forgery, Watermark
from billing.models.incident import GatewayIncident, IncidentKind
from billing.models.invoice import Invoice, InvoiceCounter, InvoiceEnergy, InvoiceLine, LineKind, ParkedMonth
from billing.models.ledger import BESIDES_USE, AccountKind, Entry, LedgerAccount, Link, Posting, PostingKind
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
from billing.models.promise import RULES_AHEAD, CreditRule, Promise, RuleCredit
from billing.models.quote import Quote
from billing.models.receivable import LONGEST_REFERENCE, Applied, BankTransfer, Outstanding, Reminder, SetOff, WriteOff
from billing.models.reconciliation import Discrepancy, Movement, Reconciliation
from billing.models.recount import Difference, Recount
from billing.models.standing import Level, Standing
from billing.models.standing_order import Mode, StandingOrder, StandingOrderState
from billing.models.tax import AddressState, TaxCalculation, TaxIdKind, TaxIdState, TaxProfile
from billing.models.usage import Meter, MeterPrice, MonthUse, Usage, UsageKind

__all__ = [
    "BESIDES_USE",
    "LONGEST_REFERENCE",
    "PERCENTS",
    "RULES_AHEAD",
    "TRUST",
    "AccountKind",
    "AddressState",
    "Adjustment",
    "AdjustmentKind",
    "AdjustmentState",
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
    "CreditRule",
    "CreditUse",
    "Difference",
    "Discrepancy",
    "Dispute",
    "DisputeState",
    "Entry",
    "Export",
    "ExportState",
    "ExportWay",
    "Forgery",
    "FraudWarning",
    "GatewayCall",
    "GatewayEvent",
    "GatewayIncident",
    "HandBack",
    "IncidentKind",
    "Invoice",
    "InvoiceCounter",
    "InvoiceEnergy",
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
    "Outstanding",
    "Pace",
    "ParkedMonth",
    "Payment",
    "PaymentState",
    "Posting",
    "PostingKind",
    "Promise",
    "Quote",
    "Reconciliation",
    "Recount",
    "Refund",
    "RefundState",
    "Reminder",
    "RuleCredit",
    "SavedCard",
    "SetOff",
    "Standing",
    "StandingOrder",
    "StandingOrderState",
    "TaxCalculation",
    "TaxIdKind",
    "TaxIdState",
    "TaxProfile",
    "TieOut",
    "TrustLevel",
    "Usage",
    "UsageKind",
    "Watermark",
    "WriteOff",
]
