"""The dispatcher's pages: what they show, and what can be decided on them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.clock import now
from energy import carrying_out
from energy.dispatching import plan_due
from energy.models import Command, PowerPlan, Reading
from energy.queries.standing import MINERS
from marketplace.models import Site
from tests import factories
from tests.energy.conftest import a_contract
from tests.energy.dispatched import a_planned_site
from tests.factories import HOUR

pytestmark = pytest.mark.django_db


def text(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return re.sub('<span class="number">(.*?)</span>', r"\1", answer.content.decode()).replace("\xa0", " ")


def test_the_pages_say_what_is_drawn_what_it_is_worth_and_what_waits(staff_browser: Client, site: Site) -> None:
    assert "No site is planned yet" in text(staff_browser, "/operations/power/")
    address = f"/operations/power/sites/{site.slug}/"
    assert "No power contract" in text(staff_browser, address)
    a_planned_site(site, usd=90, at=now() - timedelta(minutes=1))
    factories.a_pool(nodes=1)
    plan_due(now=now())
    assert "1 proposal" in text(staff_browser, "/operations/power/")
    page = text(staff_browser, address)
    worth = ("Grid energy, now", "$90.00/MWh", "One more MWh at the site (plan)")
    for words in (*worth, "power-chart__mining", "29.50 J/TH", "macon-price", "Miners draw 0.01 MW less"):
        assert words in page
    legend = ("House", "GPU, firm", "GPU, surplus", "GPU, idle", "Mining", "Grid", "Solar", "Battery")
    assert [use for use in legend if f"</svg>{use}: " not in page] == [] and "GPU, idle: 0.002 MW" in page
    inputs = page[page.index('id="inputs"') :]
    assert "$90.00/MWh" in inputs and "$50.00/PH/day" in inputs and "000,000" not in inputs
    command = f"/operations/power/commands/{Command.objects.get().public_id}/"
    assert "$50.00/PH/day" in text(staff_browser, command)
    Reading.objects.all().delete()
    assert "The rule decides:" in text(staff_browser, address)


def test_sites_that_want_a_look_stand_first_and_apart(staff_browser: Client, site: Site) -> None:
    moment = now()
    a_planned_site(site, usd=90, at=moment - timedelta(minutes=1))
    factories.a_pool(nodes=1)
    calm, ruled = (factories.a_site(slug) for slug in ("calm", "ruled"))
    a_contract(ruled)  # without feeds, the rule decides
    plan_due(now=moment)
    kept = PowerPlan.objects.filter(site=site).values("made_at", "basis", "inputs", "seen", "targets", "ahead").get()
    for at, late in ((moment - HOUR, True), (moment, False)):
        PowerPlan.objects.create(site=calm, starts_at=at, ends_at=at + HOUR / 2, **kept)
        page = text(staff_browser, "/operations/power/")
        first, _, rest = page.partition("Run by their plans")
        assert "Look here first" in first and "1 proposal" in first and "rule without a plan" in first
        assert ("no plan since" in first, "/calm/" in first, "/calm/" in rest) == (late, late, not late)
        assert "/macon/" not in rest and "/ruled/" not in rest


@pytest.fixture
def plans_read(monkeypatch: pytest.MonkeyPatch) -> list[PowerPlan]:
    """The plans that were read from the database since the test emptied it."""
    found: list[PowerPlan] = []
    load = PowerPlan.from_db

    def read(*row: Any) -> PowerPlan:
        found.append(load(*row))
        return found[-1]

    monkeypatch.setattr(PowerPlan, "from_db", read)
    return found


def test_a_sites_page_reads_its_own_newest_plan_and_no_other(
    staff_browser: Client, site: Site, plans_read: list[PowerPlan]
) -> None:
    moment, power = now(), "operations/power/"
    a_planned_site(site, at=moment - HOUR)
    a_contract(factories.a_site("augusta"))
    for at in (moment - HOUR / 4, moment):
        assert len(plan_due(now=at)) == 2
    newest = PowerPlan.objects.filter(site=site).latest("starts_at")
    for address, plans in (
        (f"/{power}sites/{site.slug}/", [newest]),
        (f"/api/v1/{power}sites/{site.slug}", [newest]),
        (f"/{power}", list(PowerPlan.objects.filter(starts_at=newest.starts_at))),
    ):
        plans_read.clear()
        assert staff_browser.get(address).status_code == 200
        assert sorted(plan.pk for plan in plans_read) == sorted(plan.pk for plan in plans), address


def test_the_api_shows_what_the_pages_show(staff_browser: Client, site: Site) -> None:
    power = "/api/v1/operations/power"
    assert staff_browser.get(f"{power}/sites/{site.slug}").json()["code"] == "no_contract"
    a_planned_site(site, usd=90, at=now() - timedelta(minutes=1))
    factories.a_pool(nodes=1)
    plan_due(now=now())
    assert [(row["site"], row["waiting"]) for row in staff_browser.get(power).json()] == [(site.slug, 1)]
    found = staff_browser.get(f"{power}/sites/{site.slug}").json()
    assert found["uses"]["gpu_idle"] == 2_040 and found["sources"]["grid"] == 8 * 3500 + 2_040
    for spans in (found["by_use"], found["by_source"]):
        assert [span["expected"] for span in spans] == [True] * 48
    assert found["by_use"][0]["watts"]["gpu_idle"] == 2_040
    assert (found["price_micros_per_mwh"], found["hash_price_micros"]) == (90_000_000, 50_000_000)
    assert found["carbon"] == {"milligrams_per_kwh": 380_000, "source": "US-SE, yearly average"}
    worth = {row["name"]: row["micros_per_mwh"] for row in found["worth"]}
    assert worth["Grid energy, now"] == 90_000_000 and worth["GPU, firm"] is None
    assert worth["One more MWh at the site (plan)"] == found["plan"]["internal_micros_per_mwh"]
    assert [(row["miner_class"], row["on"], row["off"]) for row in found["miners"]] == [("new", 4, 0), ("old", 4, 0)]
    ages = {row["name"]: (row["value"], row["age_seconds"], row["stale"]) for row in found["inputs"]}
    assert ages == {
        "macon-price": (90_000_000, 0, False), "hash-price-feed": (50_000_000, 0, False), MINERS: (None, 0, False),
    }  # fmt: skip
    (proposal,) = found["waiting"]
    assert proposal["state"] == "proposed" and proposal["inputs"]["plan"] == found["plan"]["id"]
    asked = {
        state: staff_browser.get(f"{power}/commands?site={site.slug}&state={state}").json()
        for state in ("proposed", "done")
    }
    assert (asked["proposed"]["results"], asked["done"]["results"]) == ([proposal], [])
    assert staff_browser.get(f"{power}/commands?state=x").status_code == 400
    whole = staff_browser.get(f"{power}/commands/{proposal['id']}").json()
    assert [row["new"] for row in whole["transitions"]] == ["proposed"]
    page = text(staff_browser, f"/operations/power/sites/{site.slug}/")
    for words in ("$90.00/MWh", "$50.00/PH/day", "380 g/kWh", "US-SE, yearly average", proposal["why"]):
        assert words in page


def test_a_proposal_is_approved_on_its_page_and_not_again(staff_browser: Client, site: Site) -> None:
    a_planned_site(site, usd=90, at=now() - timedelta(minutes=1))
    plan_due(now=now())
    command = Command.objects.get()
    address = f"/operations/power/commands/{command.public_id}/"
    assert "It waits for a person: The site&#x27;s policy is proposals only." in text(staff_browser, address)
    assert b"Approved." in staff_browser.post(address, {"act": "approve"}, follow=True).content
    assert b"The command is approved since" in staff_browser.post(address, {"act": "approve"}, follow=True).content
    assert b"Choose to approve" in staff_browser.post(address, {"act": "x"}, follow=True).content
    (due,) = carrying_out.due(now=now())
    carrying_out.carry_out(command=due, now=now())
    assert "Read back:" in text(staff_browser, address) and "Undo it" in text(staff_browser, address)


def test_a_grid_event_is_shown_before_it_is_confirmed_once(staff_browser: Client, site: Site) -> None:
    a_planned_site(site, at=now() - timedelta(minutes=1))
    address = f"/operations/power/sites/{site.slug}/event/"
    assert b"less than or equal to 100" in staff_browser.post(address, {"percent": "101", "hours": "3"}).content
    answer = staff_browser.post(address, {"percent": "25", "hours": "3"})
    assert b"Exactly this would be done" in answer.content and not Command.objects.exists()
    token = answer.context["found"].token
    assert b"1 command made." in staff_browser.post(address, {"plan": token}, follow=True).content
    assert b"It was confirmed before." in staff_browser.post(address, {"plan": token}, follow=True).content
    command = Command.objects.get()
    page = f"/operations/power/commands/{command.public_id}/"
    assert "Call the whole grid event off" in text(staff_browser, page)
    assert b"The grid event is called off" in staff_browser.post(page, {"act": "call_off"}, follow=True).content
    assert Command.objects.get().state == "declined" and "Call the whole" not in text(staff_browser, page)


def test_a_grid_event_takes_the_place_of_what_a_plan_proposed_of_the_same_miners(
    staff_browser: Client, site: Site
) -> None:
    a_planned_site(site, usd=90, at=now() - timedelta(minutes=1))
    plan_due(now=now())
    proposed = Command.objects.get(state="proposed")
    address = f"/operations/power/sites/{site.slug}/event/"
    token = staff_browser.post(address, {"percent": "25", "hours": "3"}).context["found"].token
    assert b"1 command made." in staff_browser.post(address, {"plan": token}, follow=True).content
    states = Command.objects.order_by("pk").values_list("state", "kind")
    assert list(states) == [("expired", proposed.kind), ("approved", proposed.kind)]
    assert b"It was confirmed before." in staff_browser.post(address, {"plan": token}, follow=True).content


def test_the_api_shows_confirms_calls_off_and_undoes(staff_browser: Client, site: Site) -> None:
    a_planned_site(site, at=now() - timedelta(minutes=1))
    plan_due(now=now())
    power = "/api/v1/operations/power"
    assert [row["site"] for row in staff_browser.get(power).json()] == [site.slug]

    def post(address: str, **body: object) -> dict[str, Any]:
        answer = staff_browser.post(f"{power}/{address}", body, content_type="application/json")
        return {"status": answer.status_code, "body": answer.json()}

    assert post(f"sites/{site.slug}/event", percent=101, hours=3)["status"] == 400
    shown = post(f"sites/{site.slug}/event", percent=25, hours=3)["body"]
    assert shown["wanted_watts"] == shown["drawn_watts"] // 4 and shown["missing_mw"] == 0
    (made,) = post("event/confirm", token=shown["token"])["body"]
    assert post("event/confirm", token=shown["token"])["body"] == []
    assert post("event/confirm", token="x")["status"] == 400
    assert post(f"commands/{made['id']}/approve")["status"] == 409
    assert post(f"commands/{made['id']}/decline")["body"]["state"] == "declined"
    assert post(f"commands/{made['id']}/undo")["status"] == 409
    assert [row["id"] for row in staff_browser.get(f"{power}/commands").json()["results"]] == [made["id"]]
    assert [row["id"] for row in post(f"events/{made['event']}/call-off")["body"]] == [made["id"]]
    assert post("events/ge_none/call-off")["status"] == 404
