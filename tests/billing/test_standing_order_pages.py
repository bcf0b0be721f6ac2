"""Standing in line through the API and in the browser."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from billing import filling, suspending, waiting
from billing.models import StandingOrder
from billing.suspending import SUSPENDED
from leasing.models import Lease
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.conftest import funded
from tests.leasing.test_fabric import a_grouped_offer

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
KEYS = (f"k{number}" for number in range(10**6))


@pytest.fixture
def offer(db: None) -> Offer:
    return factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(hold_seconds=600))


@pytest.fixture
def reserved(offer: Offer) -> Offer:
    return factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED, hold_seconds=600))


@pytest.fixture
def api(acme: Organization) -> APIClient:
    factories.an_image()
    return a_client(a_token(acme, acme.members.get()))


@pytest.fixture
def browser(acme: Organization) -> Client:
    factories.a_key(acme), factories.an_image()
    return a_browser(acme.members.get())


def wish(organization: Organization, **changed: Any) -> dict[str, Any]:
    return {
        "mode": "book",
        "criteria": {"gpu_model": "h100-sxm", "gpus": 8, "region": "north_america"},
        "nodes": 1,
        "length_seconds": 2 * 3600,
        "latest_at": (now() + 9 * HOUR).isoformat(),
        "max_micros_per_node_hour": 4_000_000,
        "name": "night run",
        "ssh_keys": [factories.a_key(organization).public_id],
        "image": "base",
        "environment": {"HF_TOKEN": "hf_secret"},
        **changed,
    }


def ask(api: APIClient, body: dict[str, Any], key: str = "") -> Any:
    return api.post("/api/v1/standing-orders", body, format="json", headers={"Idempotency-Key": key or next(KEYS)})


def sweep() -> list[bool]:
    return [filling.fill(order=order, now=now()) for order in filling.in_line()]


def test_an_order_is_made_found_filled_and_shows_its_lease(acme: Organization, api: APIClient, reserved: Offer) -> None:
    answer = ask(api, wish(acme))
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["state"], made["criteria"]["gpus"], made["lease"]) == ("waiting", 8, None)
    assert "hf_secret" not in answer.content.decode() + StandingOrder.objects.get().environment
    assert sweep() == [True]
    shown = api.get(f"/api/v1/standing-orders/{made['id']}").json()
    assert (shown["state"], shown["lease"]) == ("filled", Lease.objects.get().public_id)
    assert api.get("/api/v1/standing-orders").json()["results"] == [shown]


def test_an_order_that_is_sent_again_is_made_once(acme: Organization, api: APIClient, reserved: Offer) -> None:
    body = wish(acme)
    first, second = ask(api, body, "the-one"), ask(api, body, "the-one")
    assert (first.status_code, first.json()) == (201, second.json())
    assert StandingOrder.objects.count() == 1


def test_being_told_needs_no_setup_and_ends_in_a_quote(api: APIClient, offer: Offer) -> None:
    made = ask(api, {"mode": "tell"}).json()
    assert sweep() == [True]
    quote = api.get(f"/api/v1/standing-orders/{made['id']}").json()["quote"]
    assert api.get(f"/api/v1/quotes/{quote}").json()["holds_until"]


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("ssh_keys", {"ssh_keys": []}),
        ("image", {"image": ""}),
        ("image", {"image": "none such"}),
        ("ssh_keys", {"ssh_keys": ["sk_none"]}),
        ("mode", {"mode": "dream"}),
        ("nodes", {"nodes": 0}),
        ("max_micros_per_node_hour", {"max_micros_per_node_hour": None}),
        ("latest_at", {"latest_at": None}),
        ("length_seconds", {"length_seconds": 5400}),
        ("quote", {"quote": "qt_none"}),
    ],
)
def test_what_is_wrong_is_named(
    acme: Organization, api: APIClient, reserved: Offer, field: str, changed: dict[str, Any]
) -> None:
    answer = ask(api, wish(acme, **changed))
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not StandingOrder.objects.exists()


def test_a_criterion_that_is_unknown_is_named(acme: Organization, api: APIClient, offer: Offer) -> None:
    answer = ask(api, wish(acme, criteria={"gpu_model": "h9000"}))
    assert answer.status_code == 400
    assert "There is no GPU model" in answer.content.decode()


def test_cancelling_twice_is_as_once_and_too_late_is_409(acme: Organization, api: APIClient, offer: Offer) -> None:
    first, second = (ask(api, {"mode": "tell"}).json()["id"] for _ in range(2))
    for _ in range(2):
        answer = api.post(f"/api/v1/standing-orders/{first}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    sweep()
    late = api.post(f"/api/v1/standing-orders/{second}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "not_waiting")


# In the browser.


def typed(organization: Organization, **changed: Any) -> dict[str, Any]:
    """What a browser sends."""
    return {
        "mode": "book",
        "nodes": "1",
        "gpu_model": "h100-sxm",
        "gpus": "8",
        "max_price": "4",
        "length_hours": "2",
        "latest_at": f"{now() + 9 * HOUR:%Y-%m-%dT%H:%M}",
        "name": "night run",
        "ssh_keys": [factories.a_key(organization).public_id],
        "image": "base",
        **changed,
    }


def test_a_page_stands_in_line_shows_it_and_leaves_it(acme: Organization, browser: Client, reserved: Offer) -> None:
    assert "Nothing is waited for" in browser.get("/standing-orders/").content.decode()
    answer = browser.post("/standing-orders/new/", typed(acme))
    order = StandingOrder.objects.get()
    assert answer["Location"] == f"/standing-orders/{order.public_id}/"
    assert order.criteria == {"gpu_model": "h100-sxm", "gpus": 8}
    page = browser.get(answer["Location"]).content.decode()
    assert "1 node of 8 × H100 SXM for 2 h, at most $4.00 per node-hour" in page
    assert "Waits until" in browser.get("/standing-orders/").content.decode()
    assert "Wait no longer?" in browser.get(f"{answer['Location']}cancel/").content.decode()
    page = browser.post(f"{answer['Location']}cancel/", follow=True).content.decode()
    assert "Cancelled. Nothing was ordered" in page and "Cancel this standing order" not in page
    first = StandingOrder.objects.get()
    browser.post("/standing-orders/new/", {"mode": "tell", "name": "again"})
    page = browser.get("/standing-orders/").content.decode()
    assert page.index("Waits until") < page.index("again") < page.index("Ended") < page.index(first.public_id)


def test_times_are_asked_for_on_the_readers_clocks(acme: Organization, browser: Client, reserved: Offer) -> None:
    acme.members.update(time_zone="Asia/Kolkata")  # UTC+05:30 all year
    latest = now().replace(second=0, microsecond=0) + 9 * HOUR
    shown = browser.get(f"/standing-orders/new/?latest_at={latest:%Y-%m-%dT%H:%M}").context["form"]
    there = f"{latest + 5.5 * HOUR:%Y-%m-%dT%H:%M}"
    assert (shown["zone"].value(), shown["latest_at"].value()) == ("Asia/Kolkata", there)
    browser.post("/standing-orders/new/", typed(acme, zone="Asia/Kolkata", latest_at=there))
    assert StandingOrder.objects.get().latest_at == latest


def test_the_page_of_one_that_was_told_leads_to_the_order_of_its_quote(
    acme: Organization, browser: Client, offer: Offer
) -> None:
    browser.post("/standing-orders/new/", {"mode": "tell", "name": "eight"})
    sweep()
    order = StandingOrder.objects.get()
    assert order.quote
    page = browser.get(f"/standing-orders/{order.public_id}/")
    assert "held for you" in page.content.decode()
    ordering = browser.get(page.context["order_path"])
    assert "Held for you" in ordering.content.decode()
    assert ordering.context["price"].quote == order.quote


def test_the_form_says_beside_the_field_what_cannot_be(acme: Organization, browser: Client, reserved: Offer) -> None:
    page = browser.post("/standing-orders/new/", typed(acme, max_price="", name="kept"))
    assert "Say what a node may cost" in str(page.context["form"].errors["max_price"])
    assert "kept" in page.content.decode()
    page = browser.post("/standing-orders/new/", typed(acme, latest_at=""))
    assert list(page.context["form"].errors) == ["latest_at"]
    page = browser.post("/standing-orders/new/", typed(acme, ssh_keys=[]))
    assert list(page.context["details"].errors) == ["ssh_keys"]
    assert not StandingOrder.objects.exists()


def test_the_price_is_asked_for_where_nodes_are_booked_without_asking_again(
    acme: Organization, browser: Client, reserved: Offer
) -> None:
    booked = browser.get("/standing-orders/new/").content.decode()
    assert "Price of a node, at most</label>" in booked and "Needed to have them booked for you" in booked
    told = browser.get("/standing-orders/new/?mode=tell").content.decode()
    assert 'Price of a node, at most <span class="field__optional">(optional)</span>' in told
    wrong = browser.post("/standing-orders/new/", typed(acme, max_price="", latest_at="soon"))
    assert list(wrong.context["form"].errors) == ["max_price", "latest_at"]  # at once, not one after the other
    browser.post("/standing-orders/new/", {"mode": "tell", "name": "again", "max_price": ""})
    assert StandingOrder.objects.get().max_micros_per_node_hour is None


def test_who_may_not_order_stands_in_no_line_and_is_told_why(
    acme: Organization, api: APIClient, browser: Client, reserved: Offer
) -> None:
    suspending.suspend(organization=acme, actor="user:us_staff", reason="overdue", now=now())
    shown = browser.get("/standing-orders/new/").content.decode()
    assert SUSPENDED in shown and " disabled>Stand in line" in shown
    for asked in (typed(acme), {"mode": "tell", "name": "again"}):
        page = browser.post("/standing-orders/new/", asked)
        assert page.context["form"].non_field_errors() == [SUSPENDED]
    answer = ask(api, wish(acme))
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (403, "ordering_blocked", SUSPENDED)
    assert not StandingOrder.objects.exists()


def test_where_as_many_wait_as_may_no_field_is_at_fault(
    acme: Organization, api: APIClient, browser: Client, reserved: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_WAITING", 1)
    browser.post("/standing-orders/new/", {"mode": "tell", "name": "again"})
    page = browser.post("/standing-orders/new/", typed(acme, name="one more"))
    assert list(page.context["form"].errors) == ["__all__"] and "one more" in page.content.decode()
    assert "Cancel one first." in page.context["form"].non_field_errors()[0]
    answer = ask(api, wish(acme))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["limit"]) == (409, "standing_order_limit_reached", 1)
    assert StandingOrder.objects.count() == 1


def test_the_catalogue_and_an_offer_lead_to_the_line_where_too_little_is_free(browser: Client, offer: Offer) -> None:
    home, page = "/?region=north_america&gpus=8", f"/offers/{offer.public_id}/"
    assert all("tell me when free" not in browser.get(one).content.decode() for one in (home, page))
    other = funded(100, "Other Ltd")
    from_there = a_client(a_token(other, other.members.get()))
    held = from_there.post("/api/v1/quotes", {"offer": offer.public_id, "hold": True})
    assert held.status_code == 201
    for one in (home, page):
        shown = browser.get(one)
        assert "tell me when free" in shown.content.decode()
        form = browser.get(f"{shown.context['wait']}&mode=tell").context["form"]
        assert (form["mode"].value(), form["gpus"].value(), form["nodes"].value()) == ("tell", "8", "1")


def test_one_fabric_group_is_asked_for_in_the_form_and_the_api_and_shown(
    acme: Organization, api: APIClient, browser: Client
) -> None:
    factories.an_offer(a_grouped_offer(east=2, west=2).pool, factories.a_plan(PlanKind.RESERVED))
    proposed = browser.get("/standing-orders/new/?nodes=2&same_fabric=on").context["form"]
    assert proposed["same_fabric"].value() == "on"
    several = {"nodes": "2", "same_fabric": "on"}
    wrong = browser.post("/standing-orders/new/", typed(acme, **several, max_price=""))
    assert wrong.context["form"]["same_fabric"].value() is True  # nothing that was chosen is lost
    shown = browser.post("/standing-orders/new/", typed(acme, **several), follow=True).content.decode()
    assert "for 2 h, in one fabric group, at most $4.00" in shown and "all nodes of one group" in shown
    sweep()
    assert {machine.node.fabric_group for machine in Lease.objects.get().machines.all()} in ({"east"}, {"west"})
    for nodes, kept in ((2, True), (1, False)):  # of a single node no group is asked
        made = ask(api, wish(acme, nodes=nodes, same_fabric=True)).json()
        assert (made["nodes"], made["same_fabric"]) == (nodes, kept)
