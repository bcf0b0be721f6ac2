"""From a machine in a rack to a lease on it: staff enrols a real host from the page, and a customer logs in to it."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from standins.nodes.podman_host import FACTS, PodmanHost, podman_host, why_not
from tests.journeys.conftest import Product
from tests.journeys.people import log_in, staff_logs_in

PASSWORD = "rack 7, unit 12"
IMAGE = "Brought along"
READY = """
from leasing.operations.enrolment import keep_image
from marketplace.models import GPUModel, Image, NodeType
h100 = GPUModel.objects.get(slug="h100-sxm")
figures = {"cpu": "any", "vcpus": 1, "memory_gb": 1, "nvme_gb": 1, "network_gbps": 1, "power_w": 100}
NodeType.objects.create(slug="h100x2-small", name="2 x H100 SXM, small", gpu_model=h100, gpu_count=2, **figures)
keep_image(slug="brought-along", reference="%(image)s", digest="%(image_digest)s")
Image.objects.filter(slug="brought-along").update(name="Brought along")
"""


@pytest.fixture
def host(product: Product, tmp_path: Path) -> Iterator[PodmanHost]:
    """A real host with two GPUs that admits nobody but root with its password."""
    if reason := why_not():
        pytest.skip(reason)
    facts = {**FACTS, "gpu_model": "NVIDIA H100 80GB HBM3", "gpu_count": 2, "gpu_memory_gb": 80}
    identity = product.state / "operator_key"
    with podman_host(identity=identity, directory=tmp_path, password=PASSWORD, facts=facts) as built:
        yield built


@pytest.mark.timeout(400)
def test_staff_enrols_a_real_host_and_a_customer_leases_it(page: Page, product: Product, host: PodmanHost) -> None:
    product.run("manage", "shell", "-c", READY % {"image": host.image, "image_digest": host.image_digest})
    staff_logs_in(page, product)
    _fails_with_a_wrong_password(page, host)
    _enrol(page, host, name="macon-real-1", password=PASSWORD)
    expect(page.get_by_text("macon-real-1 is in stock")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("row", name="GPU model H100 SXM NVIDIA H100 80GB HBM3")).to_be_visible()
    link = page.get_by_role("link", name=re.compile(r"2\s×\sH100\sSXM,\ssmall\sin\sMacon"))
    offer = str(link.get_attribute("href"))
    browser = page.context.browser
    assert browser is not None
    _customer_leases(browser, product, offer)
    product.run("manage", "retire_node", "--name", "macon-real-1")


def _enrol(page: Page, host: PodmanHost, *, name: str, password: str) -> None:
    page.goto("/operations/enrolments/")
    page.get_by_role("link", name="Enrol a host").first.click()
    page.get_by_label("Site").select_option("macon")
    page.get_by_label("Node's name").fill(name)
    page.get_by_label("Address", exact=True).fill(host.address)
    page.get_by_label("Password for the first login").fill(password)
    page.get_by_label("Fingerprint of its host key").fill(host.fingerprint)
    page.get_by_label("Node type").select_option("h100x2-small")
    page.get_by_label("US dollars per node-hour").fill("0.36")
    page.get_by_role("button", name="Enrol the host").click()
    expect(page).to_have_url(re.compile(r"/operations/enrolments/en_\w+/$"))


def _fails_with_a_wrong_password(page: Page, host: PodmanHost) -> None:
    _enrol(page, host, name="macon-real-1", password="guessed")
    expect(page.get_by_text("The host was not enrolled")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("refuses the password").first).to_be_visible()


def _customer_leases(browser: Browser, product: Product, offer: str) -> None:
    context = browser.new_context(base_url=product.base_url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    log_in(page, product.demo["customer"])
    expect(page).to_have_url(re.compile(r"/$"))
    page.goto(offer)
    page.get_by_role("link", name="Lease a node now").click()
    page.get_by_label("Name", exact=True).fill("on the new host")
    page.get_by_label("Image").select_option(label=IMAGE)
    page.get_by_role("button", name="Order for").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=60_000)
    assert "GPU 1: NVIDIA H100 80GB HBM3" in _ssh(page, product, "nvidia-smi -L")
    page.get_by_role("link", name="Return").click()
    page.get_by_role("dialog").get_by_role("button", name="Return now").click()
    expect(page.get_by_text("Verified clean")).to_be_visible(timeout=120_000)
    context.close()


def _ssh(page: Page, product: Product, command: str) -> str:
    """What the command prints on the node, through the OpenSSH client as the page says."""
    words = shlex.split(page.locator("code[id^=ssh-mc_]").inner_text())
    page.get_by_text("Host keys", exact=True).click()
    known = product.state / "known_hosts"
    known.write_text(page.locator("#known_hosts").inner_text() + "\n")
    strict = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}", "-o", "IdentitiesOnly=yes"]
    argv = [words[0], "-F", "none", "-i", product.demo["ssh_private_key"], *strict, *words[1:], command]
    answer = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
