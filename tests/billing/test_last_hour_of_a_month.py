"""The use of a month's last hour, posted in the next one: both papers of a month have it, ours and Stripe's."""

from datetime import date, datetime, timedelta

import pytest

from accounts.models import Organization
from billing import card_invoices, metering, operations, payments
from billing.models import AccountKind, CardInvoice, Export, ExportWay, PostingKind, TieOut
from billing.tying_out import tie_out
from leasing.operations import end
from marketplace.models import Offer
from tests.billing.conftest import funded, invoiced, running
from tests.billing.monthly import APRIL, HOUR, MARCH, MAY, MICROS, monthly, sweep, to
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
A_NODE_HOUR = 360  # cents


@pytest.fixture
def acme(time: StripeStandin) -> Organization:
    return monthly(funded(0), MARCH).organization


def billed(month_end: datetime) -> int:
    """The cents of the processor's invoice of the month that ended."""
    return CardInvoice.objects.get(period_end=month_end).subtotal_cents


def months_end(time: StripeStandin, month_end: datetime) -> list[str]:
    """The processor's invoice is final and read; what differs after all of the day was told, by span and day."""
    for hours in (2, 26):
        now = month_end + hours * HOUR
        sweep(to(time, now))
        assert card_invoices.look(gateway=payments.gateway(), now=now) == {}
        assert tie_out(gateway=payments.gateway(), now=now) == {}
    return [f"{row.span} {row.day}" for row in TieOut.objects.exclude(differs_since=None).order_by("pk")]


@pytest.mark.parametrize("late", [False, True])
def test_both_papers_of_a_month_have_the_same_use(
    acme: Organization,
    time: StripeStandin,
    offer: Offer,
    late: bool,  # noqa: FBT001
) -> None:
    lease = running(acme, offer, now=APRIL - 2 * HOUR)
    metering.meter(lease=lease, upto=APRIL - HOUR, now=APRIL - HOUR + MINUTE)
    sweep(to(time, APRIL - MINUTE))
    fee = {AccountKind.WALLET: -MICROS, AccountKind.REVENUE: MICROS}  # of April, in front of the use
    operations.post(organization=acme, kind=PostingKind.CANCELLATION, key="tests:fee", at=APRIL + MINUTE, amounts=fee)
    posted = APRIL + (40 if late else 2) * MINUTE  # workers that stood still, or none
    metering.meter(lease=lease, upto=APRIL, now=posted)
    sweep(to(time, posted + MINUTE))
    end(lease=lease, reason="returned", actor="user:us_tests", now=posted + MINUTE)
    metering.meter(lease=lease, upto=posted + MINUTE, now=posted + MINUTE)
    assert months_end(time, APRIL) == []
    march = invoiced(acme, now=APRIL + 3 * HOUR)
    assert march and march.net_cents == 2 * A_NODE_HOUR
    assert billed(APRIL) == (1 if late else 2) * A_NODE_HOUR
    assert Export.objects.filter(way=ExportWay.ITEM).count() == late  # on the next, in its own words
    assert months_end(time, MAY) == []
    april = invoiced(acme, month=date(2026, 4, 1), now=MAY + 3 * HOUR)
    assert april and billed(MAY) == april.net_cents + 100 + (A_NODE_HOUR if late else 0)
