"""What a site's power is: rows that hold from a moment on and are superseded, never edited."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import Error, IntegrityError, transaction
from django.test import Client
from pytest_django import Settings

from accounts.models import Event
from energy.models import Battery, Feed, Generation, Inverter, Miner, PowerContract, Reading, Tariff
from marketplace.models import Region, Site
from tests import factories
from tests.energy.conftest import LONG_AGO, MW, a_battery, a_contract, a_feed, some_sun, told
from tests.factories import NOON

pytestmark = pytest.mark.django_db
PAGES = ("powercontract", "tariff", "generation", "battery", "inverter", "feed", "reading")


def test_the_newest_that_has_begun_is_in_force_for_each_site_and_kind(site: Site) -> None:
    other = factories.a_site("tbilisi")
    first, second = a_contract(site), a_contract(site, starts_at=NOON, house_watts=5)
    elsewhere = a_contract(other)
    assert set(PowerContract.objects.in_force(NOON - timedelta(seconds=1))) == {first, elsewhere}
    assert set(PowerContract.objects.in_force(NOON)) == {second, elsewhere}
    assert not PowerContract.objects.in_force(LONG_AGO - timedelta(days=1)).exists()
    sun, wind = some_sun(site), some_sun(site, kind="wind")
    assert set(Generation.objects.in_force(NOON)) == {sun, wind}


def test_what_was_written_stays_as_it_was(site: Site) -> None:
    contract = a_contract(site)
    for change in (lambda: PowerContract.objects.update(house_watts=1), contract.delete):
        with pytest.raises(Error, match=r"(?i)cannot (update|delete)"), transaction.atomic():
            change()


def test_a_price_that_moves_has_a_feed_and_a_fixed_one_has_none(site: Site) -> None:
    feed = a_feed()
    rows = [("fixed", feed, NOON), ("real_time", None, NOON), ("fixed", None, LONG_AGO), ("real_time", feed, NOON)]
    refused = []
    for pricing, source, at in rows:
        try:
            with transaction.atomic():
                Tariff.objects.create(site=site, starts_at=at, pricing=pricing, feed=source, micros_per_mwh=1, note="t")
        except IntegrityError:
            refused.append((pricing, source))
    assert refused == [("fixed", feed), ("real_time", None)]


def test_every_page_of_the_admin_opens_and_nothing_of_the_past_can_be_added(staff_browser: Client, site: Site) -> None:
    told(a_feed(), 5, NOON)
    a_contract(site), a_battery(site), some_sun(site)
    for page in PAGES:
        assert staff_browser.get(f"/admin/energy/{page}/").status_code == 200, page
    filled = {
        "site": site.pk, "starts_at_0": "2020-01-01", "starts_at_1": "00:00", "watts": 5 * MW, "watt_hours": 10 * MW,
        "efficiency_permille": 940, "wear_micros_per_mwh": 0, "hold_minutes": 60,
        "reserve_percent": 10, "note": "meter plate",
    }  # fmt: skip
    refused = staff_browser.post("/admin/energy/battery/add/", filled)
    assert b"Choose a start after now" in refused.content
    staff_browser.post("/admin/energy/battery/add/", {**filled, "starts_at_0": "", "starts_at_1": ""})
    assert Battery.objects.filter(note="meter plate").exists()
    event = Event.objects.get(kind="power.battery")
    assert event.data["watts"] == str(5 * MW) and event.actor.startswith("user:us_")


def test_the_example_gives_every_site_power_once_and_says_that_it_is_one(site: Site, settings: Settings) -> None:
    settings.EMBEDDED, settings.MINER_NETWORKS = True, ["127.80.0.0/16"]
    settings.EXAMPLE_BATTERY = "127.82.0.1:4301"
    edge = factories.a_site("naivasha")
    Site.objects.filter(pk=edge.pk).update(kind="edge", region=Region.EAST_AFRICA, power_kw=2500)
    for port in (4201, 4202):
        settings.EXAMPLE_MINERS = f"127.80.0.1:{port} s21:30,s19jpro:2"
        call_command("seed_power", verbosity=0)
    hub, shed = PowerContract.objects.get(site=site), PowerContract.objects.get(site=edge)
    assert hub.interconnect_watts - hub.largest_supply_watts == 28_500_000
    assert (hub.blocks.get().watts, shed.grid_percent, shed.interconnect_watts) == (30 * MW, 40, 2_500_000)
    assert all(row.note.startswith("Example") for row in (hub, shed, *Tariff.objects.all(), *Battery.objects.all()))
    assert Reading.objects.filter(feed__site=site).count() == 9 * 24
    assert Feed.objects.get(slug="hash-price").readings.count() == 2
    last = Miner.objects.order_by("name").last()
    assert last and (last.site, last.name, last.address, last.port) == (site, "A-02-12", "127.80.0.32", 4202)
    assert (Inverter.objects.get().site, Inverter.objects.get().port) == (site, 4301)
    assert (Miner.objects.count(), last.miner_class.watts) == (32, 3068)
