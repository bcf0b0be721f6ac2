"""Every page a customer can open: it answers, breaks no rule of its own policy, and fits a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Product
from tests.journeys.people import log_in

PUBLIC = ["/", "/?plan=reserved&nodes=4", "/?gpu_model=h100-sxm", "/plans/", "/account/login/", "/account/signup/"]
OWN = [
    "/leases/",
    "/standing-orders/",
    "/standing-orders/new/",
    "/wallet/",
    "/wallet/top-up/",
    "/wallet/refund/",
    "/wallet/automatic/",
    "/cards/",
    "/cards/new/",
    "/invoices/",
    "/ssh-keys/",
    "/ssh-keys/add/",
    "/api-tokens/",
    "/api-tokens/create/",
    "/webhooks/",
    "/webhooks/create/",
    "/organization/",
    "/activity/",
    "/settings/",
    "/account/2fa/",
    "/account/email/",
    "/account/sessions/",
]
PHONES = [320, 390]


def fits(page: Page, path: str, width: int) -> bool:
    """Whether the page answers and needs no scrolling sideways."""
    page.set_viewport_size({"width": width, "height": 800})
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200, path
    wide: int = page.evaluate("document.documentElement.scrollWidth")
    return wide <= width


@pytest.mark.parametrize("width", PHONES)
def test_every_page_fits_a_phone(page: Page, product: Product, width: int) -> None:
    log_in(page, product.demo["customer"])
    pages = [*PUBLIC[:4], *OWN, *_found(page)]
    assert [path for path in pages if not fits(page, path, width)] == []


def test_a_visitor_sees_the_catalogue_and_is_asked_to_log_in_for_the_rest(page: Page, product: Product) -> None:
    assert all(fits(page, path, 1280) for path in PUBLIC)
    for path in OWN:
        page.goto(path)
        expect(page).to_have_url(re.compile(r"/account/login/\?next="))


def test_the_api_document_loads_nothing_from_elsewhere(page: Page, product: Product) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/api/v1/docs/")
    expect(page.get_by_text("/api/v1/budgets").first).to_be_visible()  # what is further down is drawn as one scrolls
    assert [url for url in asked if not url.startswith((product.base_url, "data:"))] == []


def _found(page: Page) -> list[str]:
    """An offer of each plan, and the order of one: their addresses are not known beforehand."""
    found = []
    for plan in ("on_demand", "reserved"):
        page.goto(f"/?plan={plan}")
        found.append(str(page.locator("a[href^='/offers/']").first.get_attribute("href")))
    page.goto(found[0])
    return [*found, str(page.get_by_role("link", name="Lease a node now").get_attribute("href"))]
