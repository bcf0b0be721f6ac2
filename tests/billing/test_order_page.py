"""The order page: what its organization keeps is there when it is loaded again, and a refusal is no dead end."""

from collections.abc import Mapping
from datetime import datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.clock import now
from accounts.models import Organization
from billing import budgets, keeping
from billing.models import Quote
from leasing.models import Lease
from marketplace.models import NodeCalendar, NodeType, Offer, PlanKind
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.conftest import HOUR, a_quote, funded, give, place

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
MINUTE = "%Y-%m-%dT%H:%M"


@pytest.fixture
def offer(db: None) -> Offer:
    """Four on-demand nodes that a quote can hold for ten minutes."""
    return factories.an_offer(factories.a_pool(nodes=4), factories.a_plan(hold_seconds=600))


@pytest.fixture
def reserved(offer: Offer) -> Offer:
    """The same nodes, ahead."""
    return factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED, hold_seconds=600))


@pytest.fixture
def other(db: None) -> Organization:
    return funded(1000, "Other Ltd")


@pytest.fixture
def browser(acme: Organization) -> Client:
    give(acme, 1000, now=now())
    factories.a_key(acme), factories.an_image()
    return a_browser(acme.members.get())


@pytest.fixture
def begin() -> datetime:
    """Tomorrow, at a full hour."""
    return (now() + 24 * HOUR).replace(minute=0, second=0, microsecond=0)


def read(browser: Client, address: str, asked: Mapping[str, Any] | None = None) -> str:
    return unescape(browser.get(address, asked).content.decode())


def held(browser: Client, wish: Mapping[str, Any]) -> tuple[Quote, str]:
    """The quote that holds nodes once the button is pressed, and the address that the page has then."""
    answer = browser.post("/order/", {**wish, "hold": "1"}, headers=HTMX)
    return answer.context["price"].quote, answer.headers["HX-Replace-Url"]


def an_order(browser: Client, acme: Organization, wish: Mapping[str, Any], quote: Quote, **typed: Any) -> Any:
    details = {"name": "mine", "ssh_keys": [factories.a_key(acme).public_id], "image": "base"}
    return browser.post("/order/", {**wish, "quote": quote.public_id, **details, **typed})


def ahead(offer: Offer, begin: datetime, hours: int = 2, nodes: int = 4) -> dict[str, str]:
    times = {"starts_at": f"{begin:{MINUTE}}", "ends_at": f"{begin + hours * HOUR:{MINUTE}}"}
    return {"offer": offer.public_id, "nodes": str(nodes), **times}


def taken(offer: Offer, who: Organization, begin: datetime, hours: int = 2, nodes: int = 4) -> Lease:
    """Somebody's, ahead."""
    instant = now()
    window = {"starts_at": begin, "ends_at": begin + hours * HOUR}
    return place(a_quote(who, offer, nodes=nodes, now=instant, **window), now=instant)


def test_what_is_kept_is_shown_when_the_page_is_loaded_again(browser: Client, offer: Offer) -> None:
    wish = {"offer": offer.public_id, "nodes": "4"}
    quote, address = held(browser, wish)
    assert parse_qs(urlsplit(address).query)["quote"] == [quote.public_id]
    for again in (address, f"/order/?offer={offer.public_id}&nodes=4"):
        page = browser.get(again)
        assert page.context["price"].quote == quote
        words = page.content.decode()
        assert "Held for you" in words and 'data-count="down"' in words
        assert "None free" not in words and "You keep" not in words and "disabled" not in words


def test_the_address_of_what_is_kept_has_its_times_zone_and_project(
    browser: Client, reserved: Offer, begin: datetime
) -> None:
    zone = {"zone": "Asia/Riyadh", "project": "vision"}
    local = {name: f"{begin + shift * HOUR:{MINUTE}}" for name, shift in (("starts_at", 3), ("ends_at", 5))}
    quote, address = held(browser, {**ahead(reserved, begin), **local, **zone})
    assert quote.starts_at == begin
    page = browser.get(address)
    assert page.context["price"].quote == quote and page.context["wish"].chosen.key == "Asia/Riyadh"
    assert 'value="vision"' in page.content.decode()


def test_what_is_kept_and_not_asked_for_is_told_with_the_way_to_it(
    browser: Client, reserved: Offer, begin: datetime
) -> None:
    quote, _ = held(browser, ahead(reserved, begin))
    page = browser.get("/order/", ahead(reserved, begin, nodes=3))
    words = page.content.decode()
    assert "You keep 4 nodes here" in words and "None free" not in words and "disabled" not in words
    assert browser.get(page.context["held_address"]).context["price"].quote == quote


def test_who_orders_other_than_what_is_kept_uses_it_up(browser: Client, acme: Organization, offer: Offer) -> None:
    kept, _ = held(browser, {"offer": offer.public_id, "nodes": "4"})
    wish = {"offer": offer.public_id, "nodes": "3"}
    shown = browser.get("/order/", wish).context["price"].quote
    assert an_order(browser, acme, wish, shown).status_code == 302
    kept.refresh_from_db()
    assert (Lease.objects.get().node_count, kept.holds_until) == (3, None)
    assert not NodeCalendar.objects.exclude(held_for="").exists()
    page = read(browser, "/order/", {"offer": offer.public_id})
    assert "What you kept here was not ordered" not in page and "You keep" not in page


def test_nodes_that_somebody_else_keeps_are_not_free(browser: Client, other: Organization, offer: Offer) -> None:
    instant = now()
    keeping.hold_nodes(quote=a_quote(other, offer, nodes=3, now=instant), now=instant)
    page = read(browser, "/order/", {"offer": offer.public_id, "nodes": "2"})
    assert "Only 1 free" in page and "You keep" not in page and " disabled>" in page


def test_more_than_what_is_kept_and_free_says_how_many_there_are(
    browser: Client, other: Organization, offer: Offer
) -> None:
    place(a_quote(other, offer, now=now()), now=now())
    held(browser, {"offer": offer.public_id, "nodes": "2"})
    page = read(browser, "/order/", {"offer": offer.public_id, "nodes": "4"})
    assert "Only 3 free" in page and "You keep 2 nodes here" in page


def test_the_price_of_another_offer_is_not_shown_here(browser: Client, acme: Organization, offer: Offer) -> None:
    dearer = factories.an_offer(factories.a_pool(site=factories.a_site("keflavik")), offer.plan)
    quote = a_quote(acme, dearer, now=now())
    page = browser.get("/order/", {"offer": offer.public_id, "nodes": "1", "quote": quote.public_id})
    assert page.context["price"].quote.offer == offer


def test_the_cap_of_the_project_that_is_typed_is_shown(browser: Client, acme: Organization, offer: Offer) -> None:
    budgets.create(organization=acme, actor="", created_by=None, project="alpha", limit_micros=300_000_000, now=now())
    page = read(browser, "/order/", {"offer": offer.public_id})
    panel = page.partition('id="wish"')[2].partition(">")[0]
    assert (
        'hx-trigger="change, input changed delay:400ms from:#id_project"' in panel
        and "#id_project" in panel.split("hx-include")[1]
    )
    assert "alpha" not in page
    wish = {"offer": offer.public_id, "nodes": "1", "project": "alpha"}
    assert "Budget of project alpha" in unescape(browser.get("/order/", wish, headers=HTMX).content.decode())


def test_times_that_are_taken_are_followed_by_the_next_ones_which_one_press_takes(
    browser: Client, acme: Organization, reserved: Offer, other: Organization, begin: datetime
) -> None:
    taken(reserved, other, begin)
    wish = ahead(reserved, begin)
    page = browser.get("/order/", wish)
    first = page.context["ways_out"].windows[0]
    assert (first.starts_at, first.length) == (begin + 3 * HOUR, 2 * HOUR)  # cleaning is behind the other's
    take = f"{first.starts_at.isoformat()}/{first.ends_at.isoformat()}"
    assert f'name="take" value="{take}"' in page.content.decode()
    answer = browser.post("/order/", {**wish, "take": take}, headers=HTMX)
    words = answer.content.decode()
    assert "None free" not in words and "disabled" not in words
    assert f'value="{first.starts_at:{MINUTE}}"' in words and 'id="wish" hx-swap-oob="true"' in words
    assert browser.get(answer.headers["HX-Replace-Url"]).context["price"].quote == answer.context["price"].quote
    new = {**wish, "starts_at": f"{first.starts_at:{MINUTE}}", "ends_at": f"{first.ends_at:{MINUTE}}"}
    assert an_order(browser, acme, new, answer.context["price"].quote).status_code == 302


def test_without_scripts_times_are_taken_too_and_what_was_typed_stays(
    browser: Client, acme: Organization, reserved: Offer, other: Organization, begin: datetime
) -> None:
    quote = browser.get("/order/", ahead(reserved, begin)).context["price"].quote
    taken(reserved, other, begin)
    refused = an_order(browser, acme, ahead(reserved, begin), quote, startup_script="echo mine")
    words = unescape(refused.content.decode())
    assert "Somebody was faster" in words and 'name="take"' in words and "echo mine" in words
    first = refused.context["ways_out"].windows[0]
    take = f"{first.starts_at.isoformat()}/{first.ends_at.isoformat()}"
    page = an_order(browser, acme, ahead(reserved, begin), quote, startup_script="echo mine", take=take)
    words = page.content.decode()
    assert (page.status_code, page.context["price"].quote.starts_at) == (200, first.starts_at)
    assert "echo mine" in words and not Lease.objects.filter(organization=acme).exists()


def test_a_refused_wish_can_be_waited_for_and_looked_for_elsewhere(
    browser: Client, reserved: Offer, offer: Offer, other: Organization, begin: datetime
) -> None:
    taken(reserved, other, begin)
    ways = browser.get("/order/", ahead(reserved, begin)).context["ways_out"]
    waited = {name: values[0] for name, values in parse_qs(urlsplit(ways.wait).query).items()}
    assert (waited["site"], waited["nodes"], waited["length_hours"]) == (reserved.pool.site.slug, "4", "2")
    assert waited["earliest_at"] == f"{begin:{MINUTE}}" and waited["latest_at"] == f"{begin + 2 * HOUR:{MINUTE}}"
    for address in (ways.calendar, ways.others, f"{ways.wait}&mode=book", f"{ways.wait}&mode=tell"):
        assert browser.get(address).status_code == 200
    assert f"starts_at={begin:%Y-%m-%d}" in ways.calendar and f"starts_at={begin:%Y-%m-%d}" in ways.others
    place(a_quote(other, offer, nodes=4, now=now()), now=now())
    page = read(browser, "/order/", {"offer": offer.public_id, "nodes": "1"})
    assert "As many are free from" in page and "tell me when free" in page and 'name="take"' not in page


def test_what_is_free_is_offered_without_ways_out(browser: Client, offer: Offer) -> None:
    page = read(browser, "/order/", {"offer": offer.public_id, "nodes": "4"})
    assert "tell me when free" not in page and "calendar" not in page.partition('id="price"')[2]


def test_the_nodes_are_named_with_one_sign_and_several_are_explained(
    browser: Client, acme: Organization, offer: Offer, reserved: Offer, begin: datetime
) -> None:
    NodeType.objects.update(name="8 x RTX 4090")
    page = read(browser, "/order/", {"offer": offer.public_id})
    assert page.count("Order 8\xa0×\xa0RTX\xa04090") == 3 and "8 x RTX" not in page  # title, breadcrumb, heading
    assert "all of them or none, at one site, and they reach each other by name" in page
    lease = taken(reserved, acme, begin, nodes=1)
    move = read(browser, f"/leases/{lease.public_id}/move/")
    assert "8 × RTX 4090 in" in move and "8 x RTX" not in move
