"""One invoice a month, each line rounded once, numbers without gaps."""

from datetime import UTC, date, datetime

import pytest

from accounts.models import Event, Organization
from billing import invoicing, metering
from billing.invoicing import PeriodNotReady
from billing.models import Invoice, InvoiceLine
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import HOUR, SECOND, funded, running

pytestmark = pytest.mark.django_db

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
LAST_HOUR = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)
IN_APRIL = datetime(2026, 4, 1, 0, 5, tzinfo=UTC)


def finished(organization: Organization, offer: Offer, *, at: datetime, seconds: int) -> Lease:
    lease = running(organization, offer, now=at)
    end(lease=lease, reason="returned", actor="user:us_tests", now=at + seconds * SECOND)
    metering.meter(lease=lease, upto=at, now=at + seconds * SECOND)
    return lease


def test_each_line_is_rounded_once_half_up(acme: Organization) -> None:
    pool = factories.a_pool(nodes=3)
    offer = factories.an_offer(pool, micros=18_000_000)  # 5,000 micro-dollars, half a cent, a second
    for seconds in (1, 2, 3):
        finished(acme, offer, at=LAST_HOUR, seconds=seconds)
    invoice = invoicing.close(organization=acme, period=MARCH, now=IN_APRIL)
    assert invoice
    assert [(line.micros, line.cents) for line in invoice.lines.all()] == [(5_000, 1), (10_000, 1), (15_000, 2)]
    assert invoice.total_cents == 4
    assert Event.objects.filter(kind="invoice.issued").count() == 1


def test_a_month_is_closed_once(acme: Organization, offer: Offer) -> None:
    finished(acme, offer, at=LAST_HOUR, seconds=60)
    first = invoicing.close(organization=acme, period=MARCH, now=IN_APRIL)
    assert first == invoicing.close(organization=acme, period=MARCH, now=IN_APRIL + HOUR)
    assert Invoice.objects.count() == 1
    assert invoicing.unclosed(now=IN_APRIL) == []


def test_a_lease_over_midnight_is_split_to_the_second(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=LAST_HOUR)
    metering.meter(lease=lease, upto=LAST_HOUR + HOUR, now=IN_APRIL)
    march = invoicing.close(organization=acme, period=MARCH, now=IN_APRIL)
    end(lease=lease, reason="returned", actor="user:us_tests", now=IN_APRIL)
    metering.meter(lease=lease, upto=IN_APRIL, now=IN_APRIL)
    april = invoicing.close(organization=acme, period=APRIL, now=datetime(2026, 5, 1, 0, 5, tzinfo=UTC))
    assert march and april
    assert march.lines.get().seconds == 3600
    assert april.lines.get().seconds == 300


def test_a_month_is_not_closed_before_it_is_over_and_metered(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=LAST_HOUR)
    metering.meter(lease=lease, upto=LAST_HOUR + 60 * SECOND, now=LAST_HOUR)
    with pytest.raises(PeriodNotReady, match="not over"):
        invoicing.close(organization=acme, period=MARCH, now=LAST_HOUR)
    with pytest.raises(PeriodNotReady, match="not metered"):
        invoicing.close(organization=acme, period=MARCH, now=IN_APRIL)


def test_a_month_stays_open_while_a_start_in_its_last_second_can_still_arrive(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=LAST_HOUR)
    metering.meter(lease=lease, upto=LAST_HOUR + HOUR, now=IN_APRIL)
    with pytest.raises(PeriodNotReady, match="not over"):
        invoicing.close(organization=acme, period=MARCH, now=LAST_HOUR + HOUR + 59 * SECOND)


def test_a_month_without_use_has_no_invoice(acme: Organization) -> None:
    assert invoicing.close(organization=acme, period=MARCH, now=IN_APRIL) is None
    assert invoicing.unclosed(now=IN_APRIL) == []


def test_numbers_have_no_gaps_even_after_a_failure(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = funded(100, "First"), funded(100, "Second")
    for organization in (first, second):
        finished(organization, offer, at=LAST_HOUR, seconds=60)
    assert [row[0] for row in invoicing.unclosed(now=IN_APRIL)] == [first, second]
    with monkeypatch.context() as broken:
        broken.setattr(InvoiceLine.objects, "bulk_create", _fail)
        with pytest.raises(OSError, match="power cut"):
            invoicing.close(organization=first, period=MARCH, now=IN_APRIL)
    for organization, period in invoicing.unclosed(now=IN_APRIL):
        invoicing.close(organization=organization, period=period, now=IN_APRIL)
    assert sorted(Invoice.objects.values_list("number", flat=True)) == ["GL-000001", "GL-000002"]


def _fail(*_: object) -> None:
    raise OSError("power cut")


def test_the_preview_is_the_invoice_so_far(acme: Organization, offer: Offer) -> None:
    finished(acme, offer, at=LAST_HOUR, seconds=60)
    lease = running(acme, offer, now=LAST_HOUR)
    metering.meter(lease=lease, upto=LAST_HOUR + 100 * SECOND, now=LAST_HOUR)
    lines = invoicing.preview(organization=acme, now=LAST_HOUR + 500 * SECOND)
    assert [line.seconds for line in lines] == [60, 500]
    assert [line.cents for line in lines] == [6, 50]
    assert not InvoiceLine.objects.exists()


def test_months_follow_each_other() -> None:
    assert invoicing.next_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert invoicing.previous_month(date(2027, 1, 1)) == date(2026, 12, 1)
    assert invoicing.previous_month(APRIL) == MARCH
    assert invoicing.month_of(IN_APRIL) == APRIL
