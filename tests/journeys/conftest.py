"""The whole product, started as a person starts it, and a browser to use it with."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
START = 300  # seconds until the product must be ready
PATIENCE = 30_000  # milliseconds until a condition of a page counts as failed
PHONE = 500  # pixels: windows that are narrower are phones
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

expect.set_options(timeout=PATIENCE)


def pytest_collection_finish(session: pytest.Session) -> None:
    """The first journey has the time for the product's start besides its own."""
    tests = (item for item in session.items if isinstance(item, pytest.Function) and "product" in item.fixturenames)
    for first in itertools.islice(tests, 1):
        first.add_marker(pytest.mark.timeout(START + 400), append=False)


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

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of `./run` beside the running system, such as `manage …`."""
        env = {name: value for name, value in os.environ.items() if name not in OWN} | {"STATE_DIR": str(self.state)}
        argv = [sys.executable, "-m", "config.cli", *command]
        return subprocess.run(argv, cwd=ROOT, env=env, check=check, capture_output=True, text=True, timeout=110)

    def newest_mail(self, recipient: str) -> str:
        """The last mail that the system has sent to an address; waits for the first."""
        return until(lambda: self._newest(recipient), what=f"a mail to {recipient}")

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
        until(lambda: _ready(process, state), seconds=START, what="the product's start")
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
    """A fresh window of a desk in Nairobi."""
    with a_window(browser, product) as window:
        yield window


@contextmanager
def a_window(browser: Browser, product: Product, *, width: int = 1280) -> Iterator[Page]:
    """
    A fresh window in Nairobi's zone; one as wide as a phone is dark. Any error in the page's scripts or policy fails.
    """
    context = browser.new_context(
        base_url=product.base_url,
        timezone_id="Africa/Nairobi",
        viewport={"width": width, "height": 900},
        color_scheme="dark" if width < PHONE else "light",
    )
    window = context.new_page()
    window.set_default_timeout(PATIENCE)
    troubles: list[str] = []
    window.on("pageerror", lambda error: troubles.append(str(error)))
    window.on("console", lambda message: troubles.extend(_ours(message, product)))
    yield window
    context.close()
    assert troubles == []


def _ours(message: ConsoleMessage, product: Product) -> list[str]:
    """Errors of our own pages; the payment page answers a declined card with an error on purpose."""
    return [message.text] if message.type == "error" and product.base_url in message.location["url"] else []
