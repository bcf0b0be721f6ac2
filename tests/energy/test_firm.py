"""What a site may sell firm: N-1, the worst hours of supply, no overbooking; written down to where orders look."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.clock import now
from accounts.models import Event
from energy.firming import windows, write_windows
from energy.models import FeedKind, Reading
from energy.queries.firm import Power, power, supply
from marketplace.models import PowerWindow, Site
from tests.energy.conftest import MW, a_battery, a_contract, a_feed, some_sun
from tests.factories import DAY, HOUR, NOON

pytestmark = pytest.mark.django_db


def counted(site: Site) -> Power:
    known = supply(site, at=NOON, now=NOON)
    assert known is not None
    return power(known, hours=[NOON])


def test_two_transformers_of_30_mva_before_50_mw_let_28_and_a_half_be_sold(site: Site) -> None:
    a_contract(site)
    found = counted(site)
    assert (found.firm_watts, found.likely_watts, found.surplus_watts) == (28_500_000, 21_500_000, 0)


def test_the_house_and_cooling_are_taken_off(site: Site) -> None:
    a_contract(site, house_watts=1 * MW, gpu_pue_permille=1250)
    assert counted(site).firm_watts == (28_500_000 - 1 * MW) * 1000 // 1250


def test_where_load_is_shed_to_40_percent_no_more_is_firm_but_what_the_battery_holds(site: Site) -> None:
    a_contract(site, grid_percent=40)
    assert counted(site).firm_watts == 20 * MW
    a_battery(site, hold_minutes=240)  # 8 MWh for four hours
    assert counted(site).firm_watts == 22 * MW
    some_sun(site, least_permille=[100] * 24)
    found = counted(site)
    assert (found.firm_watts, found.surplus_watts) == (23 * MW, 50 * MW + 5 * MW - 23 * MW)


def test_what_was_measured_goes_before_what_is_assumed_once_there_is_enough_of_it(site: Site) -> None:
    a_contract(site, confidence_permille=990)
    feed = a_feed(FeedKind.GRID_AVAILABLE, site=site)
    hours = [NOON - (place + 1) * HOUR for place in range(1000)]
    rows = [
        Reading(
            feed=feed, starts_at=hour, ends_at=hour + HOUR, source="meter", fetched_at=NOON,
            value=(10 + place // 10) * MW if place < 20 else 50 * MW,
        )
        for place, hour in enumerate(hours)
    ]  # fmt: skip
    Reading.objects.bulk_create(rows[:719])
    assert counted(site).firm_watts == 28_500_000, "too few of them"
    Reading.objects.bulk_create(rows[719:])
    assert counted(site).firm_watts == 11 * MW, "less than that came in ten of a thousand hours"


def test_windows_change_with_the_contract_and_the_sun_and_end_never(site: Site) -> None:
    assert windows(site, now=NOON) == []
    a_contract(site)
    (only,) = windows(site, now=NOON + timedelta(minutes=20))
    assert (only.period.lower, only.period.upper, only.firm_watts) == (NOON, None, 28_500_000)
    a_contract(site, starts_at=NOON + 5 * DAY, largest_supply_watts=40 * MW)
    assert [(row.period.lower, row.firm_watts) for row in windows(site, now=NOON)] == [
        (NOON, 28_500_000), (NOON + 5 * DAY, 10 * MW),
    ]  # fmt: skip
    some_sun(site, usual_permille=[0] * 12 + [500] * 12)
    found = windows(site, now=NOON)
    assert {row.surplus_watts for row in found} == {0, 5 * MW}
    assert found[0].surplus_watts == 0, "noon UTC is seven o'clock in Georgia"
    assert found[-1].surplus_watts == 0, "what is not known hour by hour holds at night too"


def test_what_may_be_sold_is_on_the_sites_page_and_in_the_api_with_its_derivation(site: Site, client: Client) -> None:
    a_contract(site, starts_at=now() - HOUR)
    assert "No limit is set" in client.get("/sites/macon/").content.decode()
    assert client.get("/api/v1/sites").json()["results"][0]["power"] is None
    for _ in range(2):
        write_windows(now=now())
    assert PowerWindow.objects.count() == 1
    assert Event.objects.filter(kind="site.firm_power").count() == 1, "what did not change is not told"
    page = client.get("/sites/macon/").content.decode()
    assert "28,500.0" in page and "Without its largest supply (N-1)" in page and "further notice" in page
    shown = client.get("/api/v1/sites").json()["results"][0]["power"]
    assert (shown["firm_watts"], shown["ends_at"]) == (28_500_000, None)
    assert shown["derivation"][1] == {"what": "Without its largest supply (N-1)", "watts": 28_500_000}
