"""From the catalogue's filters to a window in a calendar and an order for it, at a desk and on a phone."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.conftest import PHONE, Product, a_window
from tests.journeys.looking import fits, troubles
from tests.journeys.people import log_in

pytestmark = pytest.mark.timeout(400)
SITE, GPU = "diego-de-almagro", "A100 80 GB SXM"  # there are two nodes of these at the site: together all of them
ZONE = ZoneInfo("America/Santiago")  # whose clocks are set back in April and forward in September
HOUR, NODES, HOURS = timedelta(hours=1), 2, 2
MINUTE = "%Y-%m-%dT%H:%M"
OTHER = {"email": "lin@foundry.example.com", "password": "correct horse battery staple"}
SECOND_CUSTOMER = """
from allauth.account.models import EmailAddress
from accounts.clock import now
from accounts.models import User
from accounts.operations import create_organization
user = User.objects.create_user("%(email)s", "%(password)s", name="Lin")
EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
create_organization(name="Foundry", owner=user, now=now())
"""


@pytest.fixture(scope="module")
def other(product: Product) -> dict[str, str]:
    """The login of another organization's owner."""
    product.run("manage", "shell", "-c", SECOND_CUSTOMER % OTHER)
    return OTHER


@pytest.mark.parametrize("width", [1280, 390])
def test_two_nodes_are_reserved_on_a_free_window_and_others_see_its_hours_taken(
    browser: Browser, product: Product, other: dict[str, str], width: int
) -> None:
    name = f"two nodes, {width} wide"
    with a_window(browser, product, width=width) as page:
        log_in(page, product.demo["customer"])
        offer = _find(page)
        _say_local_times(page)
        begins_at = _choose(page)
        _order(page, begins_at, name)
        _see_the_lease(page, begins_at, name)
    with a_window(browser, product, width=width) as page:
        log_in(page, other)
        page.goto(f"{offer}?nodes={NODES}")
        _see_it_taken(page, begins_at)


def _find(page: Page) -> str:
    """The offer's address."""
    page.get_by_label("Plan", exact=True).select_option("reserved")
    page.get_by_label("GPU", exact=True).select_option(label=GPU)
    page.get_by_label("Nodes").fill(str(NODES))
    page.get_by_text("More filters").click()
    page.get_by_label("Site", exact=True).select_option(SITE)
    expect(page.locator("#results").get_by_role("status")).to_have_text(f"1 offer for {NODES} nodes")
    assert troubles(page) == []
    page.get_by_role("link", name=f"8 × {GPU}").click()
    expect(page.locator("#calendar")).to_contain_text(f"For {NODES} nodes, on the clocks of UTC")
    return urlsplit(page.url).path


def _say_local_times(page: Page) -> None:
    """A time that the site's clocks pass over is refused with its two neighbours, one that they show twice is asked."""
    page.get_by_label("Time zone").select_option(ZONE.key)
    expect(page.locator("#calendar")).to_contain_text(f"on the clocks of {ZONE.key}")
    begin, error, which = page.locator("#id_starts_at"), page.locator("#id_starts_at_error"), page.get_by_role("radio")
    begin.fill(_odd_time(skipped=True).strftime(MINUTE))
    expect(error).to_have_text(re.compile(r"Clocks pass over .* choose \d\d:\d\d \(.*\) or \d\d:\d\d \("))
    begin.fill(_odd_time(skipped=False).strftime(MINUTE))
    expect(error).to_have_text(re.compile(r"Clocks show .* twice"))
    expect(which).to_have_count(2)
    assert fits(page)
    which.last.check()
    expect(error).not_to_contain_text("Clocks show")
    begin.fill("")
    expect(which).to_have_count(0)
    expect(error).to_have_text("")


def _odd_time(*, skipped: bool) -> datetime:
    """Next year's first half-hour that the site's clocks pass over, or that they show twice."""
    first = datetime(datetime.now(UTC).year + 1, 1, 1)  # noqa: DTZ001 - as a clock on the wall shows it
    halves = (first + number * HOUR / 2 for number in range(365 * 48))
    return next(at for at in halves if (_offset(at, 1) - _offset(at, 0)) * (1 if skipped else -1) > timedelta())


def _offset(local: datetime, fold: int) -> timedelta:
    return local.replace(tzinfo=ZONE, fold=fold).utcoffset() or timedelta()


def _choose(page: Page) -> datetime:
    """When the window begins: on a phone one of these days, at a desk one of the last that may be booked."""
    on_a_phone = _width(page) < PHONE
    while not on_a_phone and _turn(page):
        pass
    assert troubles(page) == []
    chosen = _hour(page, 10).nth(5 if on_a_phone else 1).get_by_role("link", name=f"{NODES} free: start on")
    begins_at = datetime.fromisoformat(parse_qs(urlsplit(str(chosen.get_attribute("href"))).query)["starts_at"][0])
    _press(chosen)
    expect(page).to_have_url(re.compile(r"/order/\?"))
    return begins_at


def _order(page: Page, begins_at: datetime, name: str) -> None:
    """Two hours of it; the price panel says what they cost, on which terms, and for how long that holds."""
    local = begins_at.astimezone(ZONE)
    expect(page.locator("#id_starts_at")).to_have_value(local.strftime(MINUTE))
    page.locator("#id_ends_at").fill((local + HOURS * HOUR).strftime(MINUTE))
    page.locator("#id_ends_at").blur()
    price = page.locator("#price")
    total = f"${NODES * HOURS * _dollars(price, 'Per node-hour'):,.2f}"
    expect(_fact(price, "Whole period")).to_have_text(total)
    expect(price).to_contain_text(re.compile("Of the price of time that you hand back early, .* free again at once"))
    expect(price).to_contain_text("Price kept for")
    page.get_by_label("Name", exact=True).fill(name)
    assert troubles(page) == []
    _press(page.get_by_role("button", name=f"Order for {total}"))
    expect(page).to_have_url(re.compile(r"/leases/ls_\w+/$"))


def _see_the_lease(page: Page, begins_at: datetime, name: str) -> None:
    address = page.url
    page.get_by_label("Breadcrumb").get_by_role("link", name="Leases").click()
    row = page.locator("tr", has_text=name)
    expect(row).to_contain_text(f"{NODES} nodes of 8 × {GPU}")
    for at in (begins_at, begins_at + HOURS * HOUR):
        expect(row.locator(_moment(at))).to_be_visible()
    assert troubles(page) == []
    row.get_by_role("link", name=name).click()
    expect(page).to_have_url(address)
    expect(page.get_by_role("heading", name="Begins").locator(_moment(begins_at))).to_be_visible()
    expect(page.get_by_text("Waiting for its start")).to_have_count(NODES)
    expect(page.get_by_role("heading", name="GPUs")).to_be_visible()  # which comes a moment later
    assert troubles(page) == []


def _see_it_taken(page: Page, begins_at: datetime) -> None:
    """In a calendar on the clocks of UTC, which names its days by column."""
    begins_at = begins_at.astimezone(UTC)
    day = page.locator("#calendar thead th", has_text=re.compile(rf"{begins_at:%a}\s*{begins_at.day} {begins_at:%b}"))
    while not day.count() and _turn(page):
        pass
    column = int(day.evaluate("heading => heading.cellIndex")) - 1
    taken = range(begins_at.hour, begins_at.hour + HOURS)
    for hour in taken:
        expect(_hour(page, hour).nth(column)).to_contain_text("none free")
    expect(_hour(page, taken.start - 1).nth(column).get_by_role("link")).to_contain_text(f"{NODES} free")
    _hour(page, taken.start).nth(column).scroll_into_view_if_needed()
    assert fits(page)


def _turn(page: Page) -> bool:
    """To the calendar's next days, if there are more."""
    later = page.get_by_role("link", name="Later")
    if not later.count():
        return False
    days = parse_qs(urlsplit(str(later.get_attribute("href"))).query)["day"]
    later.click()
    expect(page.locator("input[name=day]")).to_have_value(days[0])
    return True


def _hour(page: Page, hour: int) -> Locator:
    """The cells of an hour, one for each day."""
    return page.locator("#calendar tbody tr").nth(hour).locator("td")


def _press(control: Locator) -> None:
    """With the keyboard at a desk, with a finger on a phone."""
    control.click() if _width(control.page) < PHONE else control.press("Enter")


def _width(page: Page) -> int:
    assert page.viewport_size
    return page.viewport_size["width"]


def _moment(at: datetime) -> str:
    return f"time[datetime='{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}']"


def _fact(panel: Locator, name: str) -> Locator:
    return panel.locator("dl.facts div", has_text=name).locator("dd")


def _dollars(panel: Locator, name: str) -> float:
    return float(_fact(panel, name).inner_text().lstrip("$"))
