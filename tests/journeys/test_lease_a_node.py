"""The main job, as a person does it: from sign-up to the receipt, in a browser and with the OpenSSH client."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Product
from tests.journeys.people import sign_up


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The customer's own key pair."""
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def test_a_company_leases_a_node_from_sign_up_to_receipt(page: Page, product: Product, key: Path) -> None:
    sign_up(page, product, company="Analytical Engines", mail="ada@engines.example.com")
    _add_key(page, key)
    _top_up(page)
    _order(page)
    _log_in(page, key)
    _return(page)
    _read_receipt(page)


def _add_key(page: Page, key: Path) -> None:
    page.goto("/ssh-keys/add/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Public key").fill("not a key")
    page.get_by_role("button", name="Add key").click()
    expect(page.get_by_label("Public key")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name")).to_have_value("laptop")  # a mistake loses nothing
    page.get_by_label("Public key").fill(key.with_suffix(".pub").read_text())
    page.get_by_role("button", name="Add key").click()
    expect(page.get_by_text("SHA256:")).to_be_visible()


def _top_up(page: Page) -> None:
    page.goto("/wallet/top-up/")
    page.get_by_label("Amount").fill("50")
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.get_by_text("Stripe stand-in").first).to_be_visible()
    _pay(page, "4000 0000 0000 0002")
    expect(page.locator("#form-error, #number-error").filter(has_text="declined")).to_be_visible()
    _pay(page, "4242 4242 4242 4242")
    expect(page.get_by_text("The money is in your wallet")).to_be_visible()
    page.get_by_role("link", name="To the wallet").click()
    expect(page.get_by_text("$50.00").first).to_be_visible()


def _pay(page: Page, card: str) -> None:
    for field, value in {"Card number": card, "Expiry": "12/34", "Security code": "123", "Name on card": "Ada"}.items():
        page.get_by_label(field).fill(value)
    page.get_by_role("button", name="Pay").click()


def _order(page: Page) -> None:
    page.goto("/?plan=on_demand")
    page.locator("a[href^='/offers/']").first.click()
    page.get_by_role("link", name="Lease a node now").click()
    page.get_by_label("Name", exact=True).fill("first steps")
    page.get_by_label("Startup script").fill("#!/bin/sh\necho prepared > ready.txt\n")
    page.get_by_role("button", name="Order for").click()
    expect(page).to_have_url(re.compile(r"/leases/ls_\w+/$"))
    expect(page.get_by_text("Simulated").first).to_be_visible()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=60_000)


def _log_in(page: Page, key: Path) -> None:
    command = shlex.split(page.locator("code[id^=ssh-mc_]").inner_text())
    page.get_by_text("Host keys", exact=True).click()
    known = key.with_name("known_hosts")
    known.write_text(page.locator("#known_hosts").inner_text() + "\n")
    strict = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}", "-o", "IdentitiesOnly=yes"]
    ssh = [command[0], "-F", "none", "-i", str(key), *strict, *command[1:]]
    look = [*ssh, "nvidia-smi -L; cat ready.txt; sleep 2"]  # a job of two seconds, so that there is something to pay
    answer = subprocess.run(look, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "SIMULATED" in answer.stdout
    assert "prepared" in answer.stdout


def _return(page: Page) -> None:
    page.get_by_role("link", name="Return").click()
    page.get_by_role("dialog").get_by_role("button", name="Return now").click()
    expect(page.get_by_text("Verified clean")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("ended", exact=False).first).to_be_visible()


def _read_receipt(page: Page) -> None:
    page.get_by_role("link", name="Receipt").click()
    facts = page.locator("dl.facts").first
    seconds = _number(facts.locator("div", has_text="Billed").locator("dd").inner_text())
    rate = _number(facts.locator("div", has_text="Price per node-hour").locator("dd").inner_text())
    charged = _number(facts.locator("div", has_text="Charged").locator("dd").get_attribute("title") or "")
    assert seconds > 0
    assert charged == pytest.approx(seconds * rate / 3600, abs=1e-6)
    assert not page.locator("text=/-\\$/").count()


def _number(text: str) -> float:
    return float(re.sub(r"[^0-9.]", "", text))
