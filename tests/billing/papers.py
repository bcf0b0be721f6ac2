"""A customer who pays by transfer, and its invoice of $3.00 for March 2026, due on 1 May 2026."""

from datetime import UTC, date, datetime, timedelta

from accounts.models import Organization
from billing import metering
from billing.models import BillingAccount, Invoice
from leasing.operations import end
from marketplace.models import Offer
from marketplace.money import MICROS
from tests.billing.conftest import SECOND, balance, give, invoiced, running

ISSUED = datetime(2026, 4, 1, 0, 5, tzinfo=UTC)
DUE = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = "user:us_staff"


def on_account(organization: Organization, *, keeps: bool = False, **more: str) -> BillingAccount:
    """It pays by transfer, 30 days after an invoice; what was given to it is taken back unless it keeps that."""
    if not keeps and (left := balance(organization)):
        give(organization, -left / MICROS)
    said = {"mode": "invoiced", "credit_micros": 1_000_000_000, **more}
    return BillingAccount.objects.update_or_create(organization=organization, defaults=said)[0]


def owing(organization: Organization, offer: Offer, *, month: date = date(2026, 3, 1), nodes: int = 1) -> Invoice:
    """The invoice of a month in which it used 3,000 seconds at $3.60 an hour, on each of some nodes."""
    begin = datetime(month.year, month.month, 20, tzinfo=UTC)
    lease = running(organization, offer, now=begin, nodes=nodes)
    end(lease=lease, reason="returned", actor=STAFF, now=begin + 3000 * SECOND)
    metering.meter(lease=lease, upto=begin, now=begin + 3000 * SECOND)
    issued = datetime(month.year, month.month + 1, 1, 0, 5, tzinfo=UTC)
    made = invoiced(organization, month=month, now=issued)
    assert made
    return made


def days_late(days: int) -> datetime:
    """Noon, so many days behind the due date of March's invoice."""
    return DUE + timedelta(days=days)
