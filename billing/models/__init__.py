"""Everything `billing` keeps: prices promised, seconds used, money moved."""

from billing.models.account import BillingAccount, BillingMode
from billing.models.budget import PERCENTS, Budget, BudgetAlert
from billing.models.credit_note import CreditNote, CreditNoteLine
from billing.models.handing_back import HandBack
from billing.models.invoice import Invoice, InvoiceCounter, InvoiceLine, LineKind, ParkedMonth
from billing.models.ledger import HANDED_BACK, AccountKind, Entry, LedgerAccount, Link, Posting, PostingKind
from billing.models.outbox import CallKind, CallState, GatewayCall
from billing.models.payment import GatewayEvent, Payment, PaymentState, Refund, RefundState
from billing.models.quote import Quote
from billing.models.receivable import LONGEST_REFERENCE, Applied, BankTransfer, Reminder, WriteOff
from billing.models.recount import Difference, Recount
from billing.models.standing import Level, Standing
from billing.models.standing_order import Mode, StandingOrder, StandingOrderState
from billing.models.usage import Meter, MeterPrice, Usage, UsageKind

__all__ = [
    "HANDED_BACK",
    "LONGEST_REFERENCE",
    "PERCENTS",
    "AccountKind",
    "Applied",
    "BankTransfer",
    "BillingAccount",
    "BillingMode",
    "Budget",
    "BudgetAlert",
    "CallKind",
    "CallState",
    "CreditNote",
    "CreditNoteLine",
    "Difference",
    "Entry",
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
    "ParkedMonth",
    "Payment",
    "PaymentState",
    "Posting",
    "PostingKind",
    "Quote",
    "Recount",
    "Refund",
    "RefundState",
    "Reminder",
    "Standing",
    "StandingOrder",
    "StandingOrderState",
    "Usage",
    "UsageKind",
    "WriteOff",
]
