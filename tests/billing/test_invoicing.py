"""One invoice a month, each line rounded once, numbers without gaps; what looks wrong waits for staff."""

import hashlib
import json
from datetime import UTC, date, datetime

import pytest
from django.db import connection

from accounts.models import Event, Organization
from billing import invoicing, metering, tasks
from billing.invariants import broken
from billing.invoicing import ClockBehind, Closed, PeriodNotReady
from billing.models import AccountKind, Invoice, InvoiceLine, ParkedMonth, Posting, PostingKind, Usage
from billing.queries.months import month_of, next_month, previous_month
from billing.queries.taxes import tax_at
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import HOUR, SECOND, assert_books_balance, balance, funded, invoiced, running
from tests.factories import DAY

pytestmark = pytest.mark.django_db

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
LAST_HOUR = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)
IN_APRIL = datetime(2026, 4, 1, 0, 5, tzinfo=UTC)
IN_MAY = datetime(2026, 5, 1, 0, 5, tzinfo=UTC)
IN_JULY, IN_AUGUST = datetime(2026, 7, 1, 0, 5, tzinfo=UTC), datetime(2026, 8, 1, 0, 5, tzinfo=UTC)


def finished(organization: Organization, offer: Offer, *, at: datetime, seconds: int) -> Lease:
    lease = running(organization, offer, now=at)
    end(lease=lease, reason="returned", actor="user:us_tests", now=at + seconds * SECOND)
    metering.meter(lease=lease, upto=at, now=at + seconds * SECOND)
    return lease


def wrong_with_money() -> list[str]:
    """Numbers of the rules about money that are broken; machines are nobody's business here."""
    return [words.split()[0] for words in broken(now=IN_APRIL) if words[:2] in ("I4", "I5", "I6")]


def test_each_line_is_rounded_once_half_up_and_the_wallet_pays_exactly_the_cents(acme: Organization) -> None:
    pool = factories.a_pool(nodes=3)
    offer = factories.an_offer(pool, micros=18_000_000)  # 5,000 micro-dollars, half a cent, a second
    for seconds in (1, 2, 3):
        finished(acme, offer, at=LAST_HOUR, seconds=seconds)
    invoice = invoiced(acme, now=IN_APRIL)
    assert invoice
    assert [(line.micros, line.cents) for line in invoice.lines.all()] == [(5_000, 1), (10_000, 1), (15_000, 2)]
    assert (invoice.total_cents, invoice.net_cents, invoice.tax_cents) == (4, 4, 0)
    assert balance(acme) == 100_000_000 - 40_000
    assert balance(acme, AccountKind.ROUNDING) == 10_000
    assert Posting.objects.get(kind=PostingKind.ROUNDING).memo == invoice.number
    event = Event.objects.get(kind="invoice.issued")
    assert event.notice == {
        "title": "Invoice GL-000001 for March 2026",
        "text": "Your invoice of $0.04 for March 2026 is ready. It was paid from your wallet.",
        "path": f"/invoices/{invoice.public_id}/",
    }
    assert_books_balance()
    assert wrong_with_money() == []


def test_an_invoice_is_frozen_by_a_hash_that_anybody_can_compute(acme: Organization, offer: Offer) -> None:
    finished(acme, offer, at=LAST_HOUR, seconds=60)
    made = invoiced(acme, now=IN_APRIL)
    assert made
    buyer = [acme.name, "", 0, "No tax: no address is known."]
    head = [made.number, acme.public_id, "2026-03-01", "prepaid", None, "", made.seller, "", *buyer, 0, 6]
    rows = [
        [
            line.lease.public_id, line.kind, line.description, line.seconds, line.nodes, line.outage_node_seconds,
            line.micros_per_node_hour, line.micros, line.cents,
        ]
        for line in made.lines.all()
    ]  # fmt: skip
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in [head, *rows])
    assert made.sha256 == hashlib.sha256(text.encode()).hexdigest()
    with connection.cursor() as cursor:  # somebody with the keys of the database
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE billing_invoiceline DISABLE TRIGGER USER")
        cursor.execute("UPDATE billing_invoiceline SET nodes = 7")
        cursor.execute("ALTER TABLE billing_invoiceline ENABLE TRIGGER USER")
    assert wrong_with_money() == ["I6d"]


def test_a_month_is_closed_once(acme: Organization, offer: Offer) -> None:
    finished(acme, offer, at=LAST_HOUR, seconds=60)
    assert invoicing.close(period=MARCH, now=IN_APRIL) == Closed(issued=1)
    assert invoicing.close(period=MARCH, now=IN_APRIL + HOUR) == Closed()
    assert Invoice.objects.count() == 1
    assert invoicing.due(period=MARCH, now=IN_APRIL) == []


def test_a_lease_over_midnight_is_split_to_the_second(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=LAST_HOUR)
    metering.meter(lease=lease, upto=LAST_HOUR + HOUR, now=IN_APRIL)
    march = invoiced(acme, now=IN_APRIL)
    end(lease=lease, reason="returned", actor="user:us_tests", now=IN_APRIL)
    metering.meter(lease=lease, upto=IN_APRIL, now=IN_APRIL)
    april = invoiced(acme, month=APRIL, now=IN_MAY)
    assert march and april
    assert march.lines.get().seconds == 3600
    assert april.lines.get().seconds == 300


def test_one_that_is_not_metered_waits_and_the_others_go_on(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=LAST_HOUR)
    metering.meter(lease=lease, upto=LAST_HOUR + 60 * SECOND, now=LAST_HOUR)
    finished(funded(10, "Quick Ltd"), offer, at=LAST_HOUR, seconds=60)
    with pytest.raises(PeriodNotReady, match="not over"):
        invoicing.close(period=MARCH, now=LAST_HOUR)
    assert invoicing.close(period=MARCH, now=IN_APRIL) == Closed(issued=1)
    assert Invoice.objects.get().organization.name == "Quick Ltd"


def test_a_month_stays_open_while_a_start_in_its_last_second_can_still_arrive(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=LAST_HOUR)
    metering.meter(lease=lease, upto=LAST_HOUR + HOUR, now=IN_APRIL)
    with pytest.raises(PeriodNotReady, match="not over"):
        invoicing.close(period=MARCH, now=LAST_HOUR + HOUR + 59 * SECOND)


def test_a_month_without_use_has_no_invoice(acme: Organization) -> None:
    assert invoicing.close(period=MARCH, now=IN_APRIL) == Closed()
    assert not Invoice.objects.exists()


def test_numbers_have_no_gaps_and_one_bad_organization_does_not_stop_the_rest() -> None:
    offer = factories.an_offer(factories.a_pool(nodes=4))
    bad, *good = (funded(100, name) for name in ("Bad", "First", "Second", "Third"))
    for organization in (bad, *good):
        finished(organization, offer, at=LAST_HOUR, seconds=60)
    with connection.cursor() as cursor:  # its invoices cannot be written
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE billing_invoice ADD CONSTRAINT bad CHECK (organization_id <> {bad.pk})")
    tasks._close(MARCH, [bad.pk, *(row.pk for row in good)])
    assert list(Invoice.objects.order_by("number").values_list("number", "organization__name")) == [
        ("GL-000001", "First"),
        ("GL-000002", "Second"),
        ("GL-000003", "Third"),
    ]


def test_nothing_is_closed_by_a_clock_that_went_back(acme: Organization, offer: Offer) -> None:
    finished(acme, offer, at=LAST_HOUR, seconds=60)
    assert invoicing.close(period=MARCH, now=IN_MAY) == Closed(issued=1)
    with pytest.raises(ClockBehind, match="last close was at 2026-05-01 00:05:00"):
        invoicing.close(period=MARCH, now=IN_APRIL)


def too_long(acme: Organization, offer: Offer) -> str:
    lease = finished(acme, offer, at=LAST_HOUR, seconds=60)
    used = Usage(lease=lease, from_at=LAST_HOUR + 90 * SECOND, until_at=LAST_HOUR + 2 * HOUR, nodes=1, seconds=999_999)
    used.micros_per_node_hour, used.micros = 3_600_000, 999_999_000
    used.save()
    return f"Lease {lease.public_id} has 1000059 s of use, and 3600 s were there to be used."


def twice(acme: Organization, offer: Offer) -> str:
    lease = finished(acme, offer, at=LAST_HOUR, seconds=60)
    Usage.objects.create(
        lease=lease, from_at=LAST_HOUR + SECOND, until_at=LAST_HOUR + 60 * SECOND, seconds=59, nodes=1, micros=59_000,
        micros_per_node_hour=3_600_000,
    )  # fmt: skip
    return f"Time of lease {lease.public_id} at one price was measured twice."


def too_much(acme: Organization, offer: Offer) -> str:
    last = datetime(2026, 2, 27, tzinfo=UTC)
    finished(acme, offer, at=last, seconds=60)
    invoiced(acme, month=date(2026, 2, 1), now=LAST_HOUR)
    lease = finished(acme, offer, at=LAST_HOUR, seconds=60)
    Usage.objects.create(
        lease=lease, from_at=LAST_HOUR + 70 * SECOND, until_at=LAST_HOUR + 77 * SECOND, seconds=7, nodes=1,
        micros=12_000_000_000, micros_per_node_hour=3_600_000,
    )  # fmt: skip
    return "Its lines are $12,000.06, and its largest invoice so far was $0.06."


@pytest.mark.parametrize("wrong", [too_long, twice, too_much])
def test_what_looks_wrong_is_parked_until_staff_release_it(acme: Organization, offer: Offer, wrong: object) -> None:
    acme = funded(10_000, "Large Ltd")
    finished(funded(10, "Other Ltd"), offer, at=LAST_HOUR, seconds=60)
    assert callable(wrong)
    reason = wrong(acme, offer)
    assert invoicing.close(period=MARCH, now=IN_APRIL) == Closed(issued=1, parked=1)
    assert invoicing.close(period=MARCH, now=IN_APRIL + HOUR) == Closed()
    parked = ParkedMonth.objects.get()
    assert (parked.organization, parked.reason) == (acme, reason)
    told = Event.objects.get(kind="closing.parked")
    assert told.organization is None and told.notice and reason in told.notice["text"]
    invoicing.release(parked=parked, reason="It is right.", actor="user:us_staff", now=IN_APRIL + HOUR)
    assert invoicing.close(period=MARCH, now=IN_APRIL + 2 * HOUR) == Closed(issued=1)
    with pytest.raises(invoicing.AlreadyReleased):
        invoicing.release(parked=parked, reason="Again.", actor="user:us_staff", now=IN_APRIL + HOUR)


def test_what_is_released_late_is_invoiced_however_old_it_is(acme: Organization, offer: Offer) -> None:
    too_long(acme, offer)
    invoicing.close(period=MARCH, now=IN_APRIL)
    assert MARCH not in invoicing.past_months(now=IN_AUGUST)
    invoicing.release(parked=ParkedMonth.objects.get(), reason="It is right.", actor="user:us_staff", now=IN_AUGUST)
    assert invoicing.past_months(now=IN_AUGUST) == [MARCH, date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)]
    assert invoicing.close(period=MARCH, now=IN_AUGUST) == Closed(issued=1)
    assert MARCH not in invoicing.past_months(now=IN_AUGUST)


@pytest.mark.parametrize("metered", ["to its half", "never"])
def test_a_month_that_is_metered_late_waits_for_staff_and_is_not_forgotten(
    acme: Organization, offer: Offer, metered: str
) -> None:
    lease = running(acme, offer, now=LAST_HOUR)
    if metered == "to its half":
        metering.meter(lease=lease, upto=LAST_HOUR + 1800 * SECOND, now=LAST_HOUR + 1800 * SECOND)
    end(lease=lease, reason="returned", actor="user:us_tests", now=IN_APRIL)
    assert invoicing.due(period=MARCH, now=IN_JULY) == []
    assert invoicing.park_left_behind(now=IN_JULY - DAY) == 0, "it is looked at until the end of June"
    assert (invoicing.park_left_behind(now=IN_JULY), invoicing.park_left_behind(now=IN_JULY)) == (1, 0)
    parked = ParkedMonth.objects.get()
    assert (parked.organization, parked.period_start) == (acme, MARCH)
    assert Event.objects.get(kind="closing.parked").notice
    invoicing.release(parked=parked, reason="The meter is mended.", actor="user:us_staff", now=IN_JULY)
    metering.meter(lease=lease, upto=IN_JULY, now=IN_JULY)
    for month in invoicing.past_months(now=IN_JULY):
        invoicing.close(period=month, now=IN_JULY)
    assert Invoice.objects.get(period_start=MARCH).total_cents == 360


def test_a_month_that_was_forgotten_is_found(acme: Organization, offer: Offer) -> None:
    def found(days: int) -> list[str]:
        return [words for words in broken(now=IN_JULY + days * DAY) if words.startswith("I6i")]

    finished(acme, offer, at=LAST_HOUR, seconds=60)
    assert (found(0), len(found(1))) == ([], 1)
    invoicing.park_left_behind(now=IN_JULY)
    assert found(1) == []
    invoicing.release(parked=ParkedMonth.objects.get(), reason="x", actor="user:us_staff", now=IN_JULY + DAY)
    assert (found(2), len(found(3))) == ([], 1), "released, and not closed for two days"
    invoicing.close(period=MARCH, now=IN_JULY + 3 * DAY)
    assert found(3) == []


def test_the_preview_is_the_invoice_so_far(acme: Organization, offer: Offer) -> None:
    finished(acme, offer, at=LAST_HOUR, seconds=60)
    lease = running(acme, offer, now=LAST_HOUR)
    metering.meter(lease=lease, upto=LAST_HOUR + 100 * SECOND, now=LAST_HOUR)
    lines = invoicing.preview(organization=acme, now=LAST_HOUR + 500 * SECOND)
    assert [line.seconds for line in lines] == [60, 500]
    assert [line.cents for line in lines] == [6, 50]
    assert not InvoiceLine.objects.exists()


def test_nobody_pays_tax_yet(acme: Organization) -> None:
    assert tax_at(organization=acme, end=IN_APRIL).rate_ppm == 0


def test_months_follow_each_other() -> None:
    assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert previous_month(date(2027, 1, 1)) == date(2026, 12, 1)
    assert previous_month(APRIL) == MARCH
    assert month_of(IN_APRIL) == APRIL
    assert invoicing.past_months(now=IN_APRIL) == [date(2026, 1, 1), date(2026, 2, 1), MARCH]
