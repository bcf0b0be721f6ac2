"""What leases used is on their invoice: frozen with it, never lost, and equal to what the site has counted."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import Error, connection, transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Organization
from billing import invoicing, metering
from billing.invariants import broken
from billing.models import Invoice, InvoiceEnergy
from energy.accounting import WAIT, count, count_due
from energy.models import LeaseHour, SiteHour
from leasing.models import SUMMED, EnergyCounted, Lease, LeaseEnergy, summed
from leasing.operations import end
from leasing.operations.energy import add_energy
from marketplace.models import Offer
from tests.billing.conftest import HOUR, funded, invoiced, running
from tests.billing.papers import STAFF
from tests.billing.test_printing import read
from tests.energy.conftest import a_contract

pytestmark = pytest.mark.django_db
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
EVENING = datetime(2026, 3, 31, 20, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 4, 1, tzinfo=UTC)
SUMS = ("energy_wh", "renewable_wh", "location_ug", "market_ug")


@pytest.fixture
def lease(acme: Organization, offer: Offer) -> Lease:
    """Four hours of March and one of April, at a site that counts its energy; with another's, of three hours."""
    a_contract(offer.pool.site, starts_at=EVENING, gpu_pue_permille=1250, market_mg_per_kwh=100_000)
    other = running(funded(100, "Other Ltd"), offer, now=EVENING)
    mine = running(acme, offer, now=EVENING)
    end(lease=other, reason="returned", actor=STAFF, now=EVENING + 5 * HOUR / 2)
    end(lease=mine, reason="returned", actor=STAFF, now=MIDNIGHT + HOUR)
    return mine


def metered(now: datetime) -> None:
    for each in Lease.objects.all():
        metering.meter(lease=each, upto=now, now=now)


def sums(rows: Iterable[object]) -> dict[str, int]:
    return {name: sum(getattr(row, name) for row in rows) for name in SUMS}


def test_invoices_wait_for_their_energy_and_conserve_what_the_site_has_counted(lease: Lease, offer: Offer) -> None:
    count(site=offer.pool.site, hour=EVENING, now=MIDNIGHT)
    metered(MIDNIGHT + 2 * HOUR)
    assert invoicing.due(period=MARCH, now=MIDNIGHT + 2 * HOUR) == [], "an hour of it is counted"
    count_due(now=MIDNIGHT + WAIT)
    assert invoicing.close(period=MARCH, now=MIDNIGHT + WAIT).issued == 2
    said, counted = InvoiceEnergy.objects.all(), LeaseHour.objects.filter(starts_at__lt=MIDNIGHT)
    assert sums(said) == sums(counted) and said[0].hours == 4 and all(row.complete for row in said)
    sites = SiteHour.objects.filter(starts_at__lt=MIDNIGHT)
    supplied = sum(row.grid_wh * row.grid_mg_per_kwh for row in sites)
    assert sum(row.location_ug for row in said) == pytest.approx(supplied, rel=1e-6), "nobody else has drawn"
    assert sum(row.energy_wh for row in said) == pytest.approx(sum(row.grid_wh for row in sites), rel=1e-6)
    assert sums(LeaseEnergy.objects.all()) == sums(LeaseHour.objects.all())


def test_what_is_counted_behind_an_invoice_is_on_the_next(lease: Lease, offer: Offer, acme: Organization) -> None:
    site = offer.pool.site
    count(site=site, hour=EVENING, now=MIDNIGHT)
    metered(MIDNIGHT + 2 * HOUR)
    march = invoiced(acme, now=MIDNIGHT + timedelta(hours=12))
    assert march and [(row.hours, row.complete) for row in march.energy.all()] == [(1, False)], "it waits no longer"
    for hour in range(1, 5):
        count(site=site, hour=EVENING + hour * HOUR, now=MIDNIGHT + 20 * HOUR)
    april = invoiced(acme, month=APRIL, now=MIDNIGHT + timedelta(days=30, hours=12))
    assert april and [(row.month, row.hours, row.is_late) for row in april.energy.all()] == [
        (MARCH, 3, True), (APRIL, 1, False),
    ]  # fmt: skip
    assert sums(InvoiceEnergy.objects.filter(lease=lease)) == sums(LeaseHour.objects.filter(lease=lease))


def test_it_is_frozen_by_the_invoices_hash_and_shown_wherever_the_invoice_is(
    lease: Lease, acme: Organization, api: APIClient, browser: Client
) -> None:
    metered(MIDNIGHT + 2 * HOUR)
    count_due(now=MIDNIGHT + WAIT)
    made = invoiced(acme, now=MIDNIGHT + WAIT)
    assert made and made.sha256 == hashlib.sha256(text_of(made).encode()).hexdigest()
    address = f"/invoices/{made.public_id}"
    page = browser.get(f"{address}/").content.decode().replace("\N{NO-BREAK SPACE}", " ")
    paper = read(browser.get(f"{address}/invoice.pdf").content).replace("\N{NO-BREAK SPACE}", " ")
    for words in ("51.00 kWh", "12.0 %", "19.38 kg", "5.10 kg", "0 measured", "4 estimated, 0 missing"):
        assert words in page and words in paper, words
    assert "/carbon/" in page and "/carbon/" in paper
    (shown,) = api.get(f"/api/v1{address}").json()["energy"]
    assert (shown["energy_wh"], shown["estimated_hours"], shown["month"]) == (51_000, 4, "2026-03-01")
    file = browser.get(f"{address}/energy.csv").content
    assert file == api.get(f"/api/v1{address}/energy.csv").content and b"51000,6120,19380000000,5100000000" in file
    with pytest.raises(Error, match=r"(?i)cannot update"), transaction.atomic():
        InvoiceEnergy.objects.update(energy_wh=0)
    with connection.cursor() as cursor:  # somebody with the keys of the database
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE billing_invoiceenergy DISABLE TRIGGER USER")
        cursor.execute("UPDATE billing_invoiceenergy SET location_ug = 0")
        cursor.execute("ALTER TABLE billing_invoiceenergy ENABLE TRIGGER USER")
    assert [words.split()[0] for words in broken(now=MIDNIGHT) if words.startswith("I6")] == ["I6d"]


def test_the_running_month_shows_what_is_counted_so_far(lease: Lease, acme: Organization) -> None:
    count_due(now=MIDNIGHT + WAIT)
    rows = LeaseEnergy.objects.filter(lease=lease)
    assert [(row.month, row.hours) for row in rows] == [(MARCH, 4)] and summed(rows).renewable_percent == 12
    add_energy(site=lease.offer.pool.site, until=MIDNIGHT, parts=[LeaseEnergy(lease=lease, month=MARCH, energy_wh=9)])
    assert summed(LeaseEnergy.objects.filter(lease=lease)).energy_wh == 51_000, "an hour is added once"
    assert EnergyCounted.objects.get().until == MIDNIGHT


def text_of(invoice: Invoice) -> str:
    """As anybody can build it from what is printed."""
    head = [
        invoice.number, invoice.organization.public_id, "2026-03-01", "prepaid", None, "", invoice.seller, "",
        invoice.buyer, "", 0, invoice.tax_note, 0, invoice.total_cents,
    ]  # fmt: skip
    line = invoice.lines.get()
    used = invoice.energy.get()
    rows = [
        [line.lease.public_id, line.kind, line.description, line.seconds, line.nodes, line.outage_node_seconds,
         line.micros_per_node_hour, line.micros, line.cents],
        [line.lease.public_id, "2026-03-01", True, *(getattr(used, name) for name in SUMMED)],
    ]  # fmt: skip
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in [head, *rows])
