"""The dispatcher's cockpit and a grid event; and what a customer sees of a site's power in the next two days."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.conftest import Product, a_window
from tests.journeys.looking import fits, troubles
from tests.journeys.people import log_in, staff_logs_in
from tests.waiting import until

pytestmark = pytest.mark.timeout(400)
MINUTE = "%Y-%m-%dT%H:%M"
# The quarter of an hour is planned again, without sun: with it, energy costs nothing for hours, whatever mining brings.
PLAN_AGAIN = """
from accounts.clock import now
from energy.dispatching import plan_site
from energy.models import Generation, PowerPlan
from marketplace.models import Site
macon, at = Site.objects.get(slug="macon"), now()
Generation.objects.create(
    site=macon, kind="solar", starts_at=at, rated_watts=0, usual_permille=[0] * 24, note="Example: no sun")
PowerPlan.objects.filter(site=macon, ends_at__gt=at).delete()
plan_site(site=macon, now=now())
"""
# A small site sells on surplus, and has less and less power for one node of 4.5 kW every twelve hours.
LESS_AND_LESS = """
from datetime import timedelta
from accounts.clock import now
from energy.firming import write_windows
from energy.models import Generation, PowerContract
from marketplace.models import Offer, Plan, Pool, Rate
pool = Pool.objects.select_related("site").get(site__slug="sitra", node_type__slug="rtx4090x8")
offer = Offer.objects.create(pool=pool, plan=Plan.objects.get(slug="surplus"))
Rate.objects.create(offer=offer, starts_at=now(), micros_per_node_hour=1_600_000)
hour, said = now().replace(minute=0, second=0, microsecond=0), {"site": pool.site, "note": "Example"}
usual = {"house_watts": 0, "gpu_pue_permille": 1000, **said}
for hours, watts in ((12, 9_000), (24, 0)):
    PowerContract.objects.create(
        starts_at=hour + timedelta(hours=hours), interconnect_watts=watts, largest_supply_watts=watts, **usual)
for hours, watts in ((24, 9_000), (36, 0)):
    Generation.objects.create(
        kind="wind", starts_at=hour + timedelta(hours=hours), rated_watts=watts, usual_permille=[1000] * 24, **said)
write_windows(now=now())
print(offer.public_id)
"""


def test_a_dispatcher_sees_what_a_grid_event_does_before_it_is_done(page: Page, product: Product) -> None:
    staff_logs_in(page, product)
    page.goto("/operations/power/")
    until(lambda: _planned(page), seconds=180, what="Macon's first plan")
    assert troubles(page) == []
    page.get_by_role("link", name="Macon").click()
    _see_power_and_the_age_of_its_inputs(page)
    _tell_the_hash_price(page)
    product.run("manage", "shell", "-c", PLAN_AGAIN)
    _see_the_proposal(page)
    _preview_a_grid_event(page)
    _confirm_it(page)
    _call_it_off(page)


def _planned(page: Page) -> bool:
    page.reload()
    return page.get_by_role("link", name="Macon", exact=True).is_visible()


def _see_power_and_the_age_of_its_inputs(page: Page) -> None:
    expect(page.get_by_role("img", name="Power by use from 48 hours ago to 48 hours ahead")).to_be_visible()
    key = page.locator(".power-key").first
    for use in ("House", "GPU, firm", "GPU, surplus", "GPU, idle", "Mining"):
        expect(key).to_contain_text(re.compile(rf"{use}: [\d.]+\sMW"))
    stacked = {use: _top(page, use) for use in ("mining", "gpu_idle", "house")}
    assert stacked["mining"] < stacked["gpu_idle"] < stacked["house"], "each use stands on the one before"
    expect(_input(page, "Hash price, as reported")).to_contain_text(re.compile(r"\d+\sd\s.*ago, stale"))
    expect(_input(page, "Macon, day-ahead price (example)")).to_contain_text("it is now")
    assert troubles(page) == []


def _tell_the_hash_price(page: Page) -> None:
    """So low that no miner is worth its energy."""
    page.get_by_role("link", name="Hash price, as reported").click()
    page.get_by_label("Value").fill("5000000")
    page.get_by_label("From (UTC)").fill(datetime.now(UTC).strftime(MINUTE))
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_text("1 reading taken")).to_be_visible()


def _see_the_proposal(page: Page) -> None:
    page.goto("/operations/power/")
    expect(page.locator("tr", has=page.get_by_role("link", name="Macon", exact=True))).to_contain_text("proposal")
    page.get_by_role("link", name="Macon", exact=True).click()
    expect(_input(page, "Hash price, as reported")).not_to_contain_text("stale")
    proposal = _waiting(page).filter(has_text="Miners draw")
    expect(proposal).to_contain_text("proposed")
    expect(proposal).to_contain_text(re.compile(r"Miners draw [\d.]+ MW less: a MWh is worth \$"))


def _preview_a_grid_event(page: Page) -> None:
    """A quarter less for three hours; on a narrow screen too."""
    page.get_by_label("Less, %").fill("25")
    page.get_by_label("For, hours").fill("3")
    page.get_by_role("button", name="Show what would be done").click()
    shown = page.locator("section", has=page.get_by_role("heading", name="Exactly this would be done"))
    expect(shown).to_contain_text(re.compile(r"draws [\d.]+\sMW less than its [\d.]+\sMW now\. It costs \$[\d.]+"))
    expect(shown.locator("tr", has_text="Antminer S19j Pro")).to_contain_text(re.compile(r"[\d.]+ MW to [\d.]+ MW"))
    assert troubles(page) == []
    page.set_viewport_size({"width": 390, "height": 900})
    assert fits(page)
    page.set_viewport_size({"width": 1280, "height": 900})


def _confirm_it(page: Page) -> None:
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text(re.compile("commands? made"))).to_be_visible()
    event = page.locator("section", has=page.get_by_role("heading", name="Last commands")).locator("tr")
    expect(event.filter(has_text="Grid event: 25 % less").first).to_be_visible()
    proposed = event.filter(has_text="Miners draw").first  # the newest, should a quarter of an hour have passed
    expect(proposed).to_contain_text("expired")  # the event goes before what was proposed
    event.filter(has_text="Grid event: 25 % less").filter(has_text="Miners").get_by_role("link").click()
    until(lambda: _done(page), what="the miners' sleep, read back")


def _done(page: Page) -> bool:
    page.reload()
    return page.get_by_text(re.compile(r"Read back: [\d.]+\sMW of [\d.]+\sMW wanted")).is_visible()


def _call_it_off(page: Page) -> None:
    page.get_by_role("button", name="Call the whole grid event off").click()
    expect(page.get_by_text("The grid event is called off")).to_be_visible()


@pytest.fixture(scope="module")
def surplus_offer(product: Product) -> str:
    """The id of an offer on surplus power at a site that will have too little of it."""
    return product.run("manage", "shell", "-c", LESS_AND_LESS).stdout.split()[-1]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_customer_sees_in_which_of_the_next_hours_surplus_is_sure(
    browser: Browser, product: Product, surplus_offer: str, width: int
) -> None:
    with a_window(browser, product, width=width) as page:
        log_in(page, product.demo["customer"])
        page.goto(f"/offers/{surplus_offer}/")
        hours = page.locator("section", has=page.get_by_role("heading", name="in the next 48 hours")).locator(
            "tbody tr"
        )
        for row, power in enumerate(("Firm power", "Likely power", "Surplus power", "Short")):
            expect(hours.nth(row)).to_contain_text(power)
            expect(hours.nth(row)).to_contain_text("12")
        expect(hours).to_have_count(4)
        assert troubles(page) == []


def _top(page: Page, use: str) -> float:
    """How far from the chart's upper end a use begins to be drawn in the hour that follows; below is more."""
    path = str(page.locator(f"path.power-chart__{use}").first.get_attribute("d"))
    return float(re.findall(r"M[\d.]+ ([\d.]+)H", path)[0])


def _input(page: Page, name: str) -> Locator:
    inputs = page.locator("section", has=page.get_by_role("heading", name="Inputs and their age"))
    return inputs.locator("tr", has_text=name)


def _waiting(page: Page) -> Locator:
    return page.locator("section", has=page.get_by_role("heading", name="Waiting and under way")).locator("tr")
