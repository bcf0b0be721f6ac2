"""A customer whose March, $20.00 of use, is taxed by Stripe Tax on our own invoice; and the sweeps that do it."""

from datetime import date, datetime
from itertools import count

from pytest_django.fixtures import Settings

from accounts.models import Organization
from billing import credit_notes, invoicing, metering, payments, sending, taxing
from billing.invariants import broken
from billing.invoicing import Closed
from billing.models import (
    CallKind,
    CreditNote,
    GatewayCall,
    Invoice,
    InvoiceCounter,
)
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from tests.billing.conftest import HOUR, SECOND, running
from tests.billing.monthly import to
from tests.billing.papers import STAFF
from tests.billing.test_card_tax import NEW_YORK
from tests.stripe_standin import StripeStandin

MARCH, NOON = date(2026, 3, 1), datetime.fromisoformat("2026-03-20T12:00Z")
OVER = datetime.fromisoformat("2026-04-01T00:05Z")
HERE = {**NEW_YORK, "postal_code": "10001"}
NOTE = "Sales Tax: New York 4 %, New York City 4.5 %, Metropolitan Commuter Transportation District 0.375 %."
CALCULATIONS, TRANSACTIONS = "/v1/tax/calculations", "/v1/tax/transactions"

_numbers = count(0, 100)


def asking(settings: Settings) -> None:
    """Stripe Tax is on. The processor takes each number of a paper once, from all tests of a module."""
    settings.STRIPE_TAX = True
    first = next(_numbers)
    InvoiceCounter.objects.bulk_create(InvoiceCounter(series=series, last=first) for series in ("GL", "GC"))


def used(organization: Organization, offer: Offer, **profile: str) -> Lease:
    """It is who its tax profile says, and used 20,000 seconds at $3.60 an hour: $20.00."""
    fields, seconds = profile or HERE, 20_000
    taxing.declare(organization=organization, fields=fields, actor=STAFF, now=NOON)
    lease = running(organization, offer, now=NOON)
    end(lease=lease, reason="returned", actor=STAFF, now=NOON + seconds * SECOND)
    metering.meter(lease=lease, upto=NOON, now=NOON + seconds * SECOND)
    return lease


def closed(now: datetime) -> Closed:
    return invoicing.close(period=MARCH, now=now)


def sent(time: StripeStandin, now: datetime) -> dict[str, Exception]:
    return dict(sending.send_due(gateway=payments.gateway(), now=to(time, now)))


def invoiced(time: StripeStandin, now: datetime = OVER) -> Invoice:
    """The next sweep but one issues it."""
    assert closed(now) == Closed() and sent(time, now) == {}
    assert closed(now + HOUR) == Closed(issued=1) and sent(time, now + HOUR) == {}
    return Invoice.objects.get()


def credit(invoice: Invoice, cents: int) -> CreditNote:
    lines = {invoice.lines.get().pk: cents}
    return credit_notes.credit(invoice=invoice, cents_by_line=lines, reason="slow", actor=STAFF, now=OVER + HOUR)


def asked(kind: CallKind) -> int:
    return GatewayCall.objects.filter(kind=kind).count()


def wrong_with_money() -> list[str]:
    return [words for words in broken(now=OVER) if words[:2] in ("I4", "I5", "I6")]
