"""How people come in."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Page, expect

from tests.journeys.conftest import Product
from tests.waiting import until

used: set[str] = set()  # codes of the authenticator: each is good for one login


def log_in(page: Page, login: Mapping[str, Any]) -> None:
    """With address and password; whoever has a second factor is asked for it then."""
    page.goto("/account/login/")
    page.locator("input[name=login]").fill(login["email"])
    page.locator("input[name=password]").fill(login["password"])
    page.locator("main button[type=submit]").first.click()
    expect(page).not_to_have_url(re.compile("/account/login/"))


def staff_logs_in(page: Page, product: Product) -> None:
    """With the authenticator's code; the next one, if somebody has just logged in with this one."""
    log_in(page, product.demo["admin"])
    code = until(lambda: _unused(product), what="a code that was not used")
    page.locator("input[name=code]").fill(code)
    page.locator("main button[type=submit]").first.click()
    expect(page).to_have_url(re.compile(r"/$"))
    used.add(code)


def _unused(product: Product) -> str:
    code = product.run("code").stdout.strip()
    return "" if code in used else code
