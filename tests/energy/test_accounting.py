"""Each hour of a site, divided among its leases; and what a customer sees of it."""

from datetime import datetime, timedelta

import pytest
from django.db import Error, connection, transaction
from django.test import Client

from accounts.models import Organization
from energy.accounting import WAIT, count_due, due
from energy.models import FeedKind, LeaseHour, SiteHour
from energy.queries.ledger import hours_of, total
from leasing import operations
from leasing.models import Lease
from leasing.provisioners.fake import World
from marketplace.models import Site
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.energy.conftest import a_battery, a_contract, a_feed, some_sun, told
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active

pytestmark = pytest.mark.django_db
KW = 10_200
LATER = NOON + HOUR + WAIT  # when the first hour is counted


@pytest.fixture
def lease(acme: Organization, world: World) -> Lease:
    """In its tenant's hands from noon on, at a site that begins to have a contract then."""
    a_contract(factories.a_site(), starts_at=NOON, gpu_pue_permille=1250)
    return active(acme, factories.an_offer())


def counters(lease: Lease, hour: datetime, watt_hours: int, *, samples: int = 240) -> None:
    """The roll-up of an hour of each of the machine's eight GPUs, which used so much together."""
    machine, mj = lease.machines.get(), watt_hours * 3_600_000 // 8
    with connection.cursor() as cursor:
        for index in range(8):
            cursor.execute(
                "INSERT INTO leasing_gpu (node_id, index, uuid) VALUES (%s, %s, %s) RETURNING id",
                [machine.node_id, index, f"GPU-{hour:%H}-{index}"],
            )
            (gpu,) = cursor.fetchone()
            cursor.execute(
                "INSERT INTO leasing_gpuhour (gpu, at, machine_id, samples, energy_mj, energy_first_mj, energy_last_mj)"
                " VALUES (%s, %s, %s, %s, %s, 0, %s)",
                [gpu, hour, machine.pk, samples, mj, mj],
            )


def test_an_hour_is_counted_once_two_hours_after_it(lease: Lease, site: Site) -> None:
    count_due(now=LATER - timedelta(seconds=1))
    assert not SiteHour.objects.exists()
    for _ in range(2):
        count_due(now=LATER)
    assert (SiteHour.objects.count(), LeaseHour.objects.count()) == (1, 1)
    assert due(site, now=LATER + 2 * HOUR) == [NOON + HOUR, NOON + 2 * HOUR]
    with pytest.raises(Error, match=r"(?i)cannot update"), transaction.atomic():
        LeaseHour.objects.update(energy_wh=0)


def test_without_telemetry_an_hour_is_estimated_from_the_nodes_draw_and_the_zones_average(lease: Lease) -> None:
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR * 3 / 2)
    count_due(now=LATER + 2 * HOUR)
    whole, half = hours_of(lease)
    assert (whole.node_wh, whole.energy_wh, whole.quality) == (KW, KW * 5 // 4, "estimated")
    assert half.node_wh == KW // 2, "it ended in the middle of the second, and there is no third"
    assert whole.location_ug == whole.market_ug == whole.energy_wh * 380 * 1000, "380 g for each kWh"
    assert whole.renewable_wh == KW * 5 // 4 * 12 // 100


def test_with_enough_samples_an_hour_is_measured(lease: Lease) -> None:
    counters(lease, NOON, 3000)
    counters(lease, NOON + HOUR, 3000, samples=200)
    count_due(now=LATER + HOUR)
    measured, too_few = hours_of(lease)
    besides = KW - 8 * 700
    assert (measured.node_wh, measured.quality) == (3000 + besides, "measured")
    assert (too_few.node_wh, too_few.quality) == (KW, "estimated")


def test_meters_sun_and_contracts_decide_what_the_energy_is_made_of(lease: Lease, site: Site) -> None:
    a_contract(site, starts_at=NOON + HOUR, gpu_pue_permille=1000, market_mg_per_kwh=0, house_watts=9_800)
    a_battery(site), some_sun(site, rated_watts=40_000)
    begin = NOON + HOUR
    for kind, watts in ((FeedKind.GRID, 70_000), (FeedKind.SOLAR, 40_000), (FeedKind.MINING, 80_000),
                        (FeedKind.CHARGING, 10_000), (FeedKind.CARBON, 300_000)):  # fmt: skip
        told(a_feed(kind, site=site), watts, begin)
    count_due(now=LATER + HOUR)
    mine = hours_of(lease)[1]
    row = SiteHour.objects.get(starts_at=begin)
    assert (row.metered, row.grid_wh, row.generated_wh, row.leases_wh) == (True, 70_000, 40_000, KW)
    assert (mine.energy_wh, mine.market_ug) == (KW, 0), "110 kWh came, and 110 were drawn"
    assert mine.renewable_wh == round(KW * (40_000 + 70_000 * 0.12) / 110_000)
    assert abs(mine.location_ug - KW * 70_000 * 300_000 / 110_000) < 1
    whole = 70_000 * 300_000
    others = whole - mine.location_ug - row.battery_location_ug
    assert abs(others - whole * (80_000 + 9_800) / 110_000) < 2 and row.battery_wh == 10_000
    assert row.factor == "US-SE, of the hour"


def test_the_customer_sees_it_on_a_page_in_the_api_and_as_a_file(lease: Lease, acme: Organization) -> None:
    owner = acme.members.get()
    browser, script = a_browser(owner), a_client(a_token(acme, owner))
    address = f"/leases/{lease.public_id}/energy"
    assert "No hour was counted yet" in browser.get(f"{address}/").content.decode()
    counters(lease, NOON + HOUR, 3000)
    count_due(now=LATER + HOUR)
    page = browser.get(f"{address}/").content.decode()
    assert "1 of 2 hours are measured, 1 estimated" in page and f"{address}.csv" in page
    assert f"{address}/" in browser.get(f"/leases/{lease.public_id}/").content.decode()
    lines = browser.get(f"{address}.csv").content.decode().splitlines()
    assert lines[0].startswith("starts_at,node_wh,energy_wh") and len(lines) == 3
    told_all = script.get(f"/api/v1{address}").json()
    assert told_all["total"]["by_quality"] == {"measured": 1, "estimated": 1, "missing": 0}
    assert told_all["total"]["energy_wh"] == total(hours_of(lease)).energy_wh
    later = script.get(f"/api/v1{address}", {"from": (NOON + HOUR).isoformat()}).json()
    assert [row["starts_at"] for row in later["hours"]] == ["2026-03-02T13:00:00Z"]
    assert script.get(f"/api/v1{address}", {"from": "noon"}).status_code == 400
    stranger = Client()
    assert stranger.get(f"{address}/").status_code == 302


def test_staff_sees_counted_hours_and_changes_none(lease: Lease, staff_browser: Client) -> None:
    count_due(now=LATER)
    rows = {"sitehour": SiteHour.objects.get().pk, "leasehour": LeaseHour.objects.get().pk}
    for name, row in rows.items():
        address = f"/admin/energy/{name}/"
        for asked in ({}, {"q": lease.public_id}, {"starts_at__year": "2026"}):
            page = staff_browser.get(address, asked)
            assert page.status_code == 200 and f"{address}{row}/change/".encode() in page.content, asked
        page = staff_browser.get(f"{address}{row}/change/")
        assert page.status_code == 200 and b'name="_save"' not in page.content
        assert staff_browser.post(f"{address}{row}/change/", {"energy_wh": "0"}).status_code == 403
        assert [staff_browser.get(address + way).status_code for way in ("add/", f"{row}/delete/")] == [403, 403]
