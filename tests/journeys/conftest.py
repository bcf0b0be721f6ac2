"""The whole product, started as a person starts it, and a browser to use it with."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree, which
from tempfile import mkdtemp
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from config import ports
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
OWN = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"}
OWN |= {"BASE_URL", "ALLOWED_HOSTS", "SECRET_KEY", "STATE_DIR"}
PASSWORD = "correct horse battery staple"
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@dataclass(frozen=True)
class Product:
    """A running system and where it keeps its state."""

    base_url: str
    state: Path

    @property
    def demo(self) -> dict[str, Any]:
        """Logins, token and key of the demonstration organization."""
        found: dict[str, Any] = json.loads((self.state / "demo.json").read_text())
        return found

    def newest_mail(self, recipient: str) -> str:
        """The last mail that the system has sent to an address; waits for the first."""
        return until(lambda: self._newest(recipient), what=f"a mail to {recipient}")

    def manage(self, *command: str) -> str:
        """What `./run manage …` prints."""
        env = {name: value for name, value in os.environ.items() if name not in OWN} | {"STATE_DIR": str(self.state)}
        argv = [sys.executable, "-m", "config.cli", "manage", *command]
        return subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout

    def _newest(self, recipient: str) -> str:
        mails = sorted((self.state / "mail").glob("*"), key=lambda path: path.stat().st_mtime)
        return next((text for path in reversed(mails) if f"To: {recipient}" in (text := path.read_text())), "")


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """`./run` on a free port with a state of its own: not among pytest's files, which it closes to other users."""
    state, port = Path(mkdtemp(prefix="gridlease-product-")), ports.near(18_000)
    state.chmod(0o755)  # the embedded PostgreSQL and the tenants run as others
    env = {name: value for name, value in os.environ.items() if name not in OWN} | {"STATE_DIR": str(state)}
    log = (state / "run.txt").open("wb")
    argv = [sys.executable, "-m", "config.cli", "--port", str(port)]
    process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        until(lambda: _ready(process, state), seconds=120, what="the product's start")
        yield Product(f"http://localhost:{port}", state)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        process.kill()
        log.close()
        rmtree(state, ignore_errors=True)


def _ready(process: subprocess.Popen[bytes], state: Path) -> bool:
    assert process.poll() is None, (state / "run.txt").read_text()[-3000:]
    return (state / "environment.json").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Closed with the module: while it is open, Django takes this thread for an asynchronous one."""
    chromium = which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: as root, apt-get install chromium.")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, product: Product) -> Iterator[Page]:
    """A fresh window in Nairobi's zone; any error in the page's scripts or policy fails the test."""
    context = browser.new_context(
        base_url=product.base_url, timezone_id="Africa/Nairobi", viewport={"width": 1280, "height": 900}
    )
    window = context.new_page()
    window.set_default_timeout(30_000)
    troubles: list[str] = []
    window.on("pageerror", lambda error: troubles.append(str(error)))
    window.on("console", lambda message: troubles.extend(_ours(message, product)))
    yield window
    context.close()
    assert troubles == []


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


def _ours(message: ConsoleMessage, product: Product) -> list[str]:
    """Errors of our own pages; the payment page answers a declined card with an error on purpose."""
    return [message.text] if message.type == "error" and product.base_url in message.location["url"] else []
