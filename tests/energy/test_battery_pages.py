"""A site's battery in the cockpit, in the API and in the admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts import clock
from accounts.models import Event
from energy.batteries.fake import BATTERIES, Cells
from energy.models import Inverter
from energy.steering import look
from marketplace.models import Site
from tests.energy.conftest import a_battery
from tests.energy.dispatched import a_planned_site
from tests.factories import HOUR

pytestmark = pytest.mark.django_db


def test_the_cockpit_and_the_api_show_it_and_staff_says_where_it_answers(staff_browser: Client, site: Site) -> None:
    at = clock.now() - timedelta(minutes=1)
    a_planned_site(site, at=at)
    address, page = f"/api/v1/operations/power/sites/{site.slug}/battery", f"/operations/power/sites/{site.slug}/"

    def put(**body: object) -> dict[str, Any]:
        answer = staff_browser.put(address, body, content_type="application/json").json()
        return {error["field"]: error["message"] for error in answer["errors"]} if "errors" in answer else answer

    assert put(address="10.1.0.1")[""].startswith("The site has no battery on file")
    assert staff_browser.get(address).status_code == 404
    a_battery(site, watts=20_000, watt_hours=40_000)
    assert "It has no driver:" in staff_browser.get(page).content.decode()
    assert put(address="8.8.8.8")["address"].startswith("Use an address in the networks of batteries")
    assert "port" in put(dialect="fake", address="10.1.0.1", port=70_000)
    assert put(dialect="fake", address="10.1.0.1")["driver"]["outcome"] == ""
    BATTERIES["10.1.0.1", 502] = Cells(watts=-4_000, most=20_000)
    look(site=site, now=clock.now())
    shown = staff_browser.get(address).json()
    assert (shown["watts"], shown["charge_permille"], shown["stored_wh"]) == (-4_000, 500, 20_000)
    assert (shown["stale"], shown["age_seconds"], shown["driver"]["outcome"]) == (False, 0, "obeyed")
    words = staff_browser.get(page).content.decode().replace("\xa0", " ")
    for part in ("takes 0.004 MW", "50.0 %", "0.020 MWh", "its own control"):
        assert part in words
    admin = staff_browser.post("/admin/energy/inverter/add/", {"site": site.pk, "address": "8.8.8.8", "dialect": "x"})
    assert b"Battery driver with this Site already exists." in admin.content
    Inverter.objects.update(wanted_watts=5, wanted_until=at + HOUR)
    row = Inverter.objects.get()
    changed = {"dialect": "fake", "address": "10.1.0.2", "port": 502, "unit": 1, "controlled": ""}
    staff_browser.post(f"/admin/energy/inverter/{row.pk}/change/", changed)
    row.refresh_from_db()
    assert (row.address, row.controlled, row.wanted_watts) == ("10.1.0.2", False, 5)
    assert Event.objects.filter(kind="power.inverter").count() == 2
