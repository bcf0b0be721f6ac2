"""How people come in."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Page, expect

from tests.journeys.conftest import Product
from tests.waiting import until

PASSWORD = "correct horse battery staple"
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


def sign_up(page: Page, product: Product, *, company: str, mail: str) -> None:
    """A new company with an owner, as its first person makes it: the code is in the mail."""
    page.goto("/")
    page.get_by_role("link", name="Sign up").first.click()
    page.get_by_label("Company").fill(company)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill(mail)
    page.get_by_label("Password").first.fill(PASSWORD)
    page.locator("main").get_by_role("button", name=re.compile("sign up|create", re.IGNORECASE)).first.click()
    code = page.get_by_label("Code")
    expect(code).to_be_visible()
    found = re.search(r"^\s*([A-Z0-9]{4}-[A-Z0-9]{4})\s*$", product.newest_mail(mail), re.MULTILINE)
    assert found, product.newest_mail(mail)
    code.fill(found[1])
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text(company).first).to_be_visible()


def _unused(product: Product) -> str:
    code = product.run("code").stdout.strip()
    return "" if code in used else code
