"""The order page in a browser: what is kept stays in sight, the price follows the project, a banner has its place."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Product, a_window
from tests.journeys.people import log_in

BUDGET = """
from accounts.clock import now
from accounts.models import Organization
from billing import budgets
own = Organization.objects.get(public_id="{organization}")
budgets.create(organization=own, actor="", created_by=None, project="alpha", limit_micros=300_000_000, now=now())
"""
HOLD = 'from accounts.models import Organization; Organization.objects.update(ordering_hold="{reason}")'

GAP = "above => above.nextElementSibling.getBoundingClientRect().top - above.getBoundingClientRect().bottom"


def test_what_is_kept_is_there_after_a_reload_and_on_the_way_back(page: Page, product: Product) -> None:
    product.run("manage", "shell", "-c", BUDGET.format(organization=product.demo["organization"]["id"]))
    log_in(page, product.demo["customer"])
    page.goto(_order(page))
    price = page.locator("#price")
    price.get_by_role("button", name="Keep these nodes").click()
    expect(price).to_contain_text("Held for you")
    page.reload()
    expect(price).to_contain_text("Held for you")
    page.goto("/wallet/")
    page.go_back()
    expect(price).to_contain_text("Held for you")
    page.get_by_label("Project").press_sequentially("alpha")
    expect(price).to_contain_text("Budget of project alpha")
    expect(price).to_contain_text("Held for you")


@pytest.mark.parametrize("width", [1280, 390])
def test_that_ordering_is_paused_is_said_apart_from_what_follows(
    browser: Browser, product: Product, width: int
) -> None:
    with a_window(browser, product, width=width) as page, _ordering_paused(product):
        log_in(page, product.demo["customer"])
        for path in (_order(page), "/leases/"):
            page.goto(path)
            banner = page.locator("main > .notice", has_text="Ordering is paused")
            assert banner.evaluate(GAP) >= 16, path


@contextmanager
def _ordering_paused(product: Product) -> Iterator[None]:
    product.run("manage", "shell", "-c", HOLD.format(reason="For tests."))
    try:
        yield
    finally:
        product.run("manage", "shell", "-c", HOLD.format(reason=""))


def _order(page: Page) -> str:
    """Where two nodes of an offer are ordered."""
    page.goto("/?plan=reserved&nodes=2")
    offer = str(page.locator("a[href^='/offers/']").first.get_attribute("href"))
    return f"/order/?offer={offer.split('/')[2]}&nodes=2"
