"""Extending a lease through the API and on its pages."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization
from billing import budgets, keeping
from billing.queries import wallet
from leasing.models import Lease
from marketplace.models import Offer, Rate
from tests import factories
from tests.billing.conftest import HOUR, SECOND, a_quote, funded, place
from tests.factories import DAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def tomorrow(db: None) -> datetime:
    return (now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)


def agreed(organization: Organization, offer: Offer, starts_at: datetime, *, nodes: int = 1) -> Lease:
    """Two hours from a moment on."""
    window = {"starts_at": starts_at, "ends_at": starts_at + 2 * HOUR}
    return place(a_quote(organization, offer, now=now(), nodes=nodes, **window), now=now())


@pytest.fixture
def lease(acme: Organization, reserved: Offer, tomorrow: datetime) -> Lease:
    return agreed(acme, reserved, tomorrow, nodes=3)


def post(api: APIClient, lease: Lease, what: str, body: dict[str, Any]) -> Any:
    return api.post(f"/api/v1/leases/{lease.public_id}/{what}", body, format="json")


def extension(api: APIClient, lease: Lease, query: str = "") -> Any:
    return api.get(f"/api/v1/leases/{lease.public_id}/extension{query}")


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def test_the_api_says_how_far_and_at_which_price_before_anything_is_done(
    api: APIClient, lease: Lease, reserved: Offer, tomorrow: datetime
) -> None:
    agreed(funded(1000, "Behind Ltd"), reserved, tomorrow + 6 * HOUR)
    answer = extension(api, lease, f"?ends_at={iso(tomorrow + 3 * HOUR)}").json()
    assert (answer["ends_at"], answer["furthest_ends_at"]) == (iso(tomorrow + 2 * HOUR), iso(tomorrow + 5 * HOUR))
    (behind,) = answer["behind"]
    assert (behind["starts_at"], behind["kind"]) == (iso(tomorrow + 6 * HOUR), "lease")
    assert behind["node"] in {machine.node.name for machine in lease.machines.all()}
    assert "Somebody has booked" in answer["why_not_further"]
    price = answer["price"]
    assert (price["micros_per_node_hour"], price["price_micros"], price["discount_percent"]) == (
        3_600_000,
        3 * 3_600_000,
        0,
    )
    assert extension(api, lease).json()["price"] is None
    assert extension(api, lease, "?ends_at=soon").json()["errors"][0]["field"] == "ends_at"
    assert extension(api, lease, f"?ends_at={iso(tomorrow)}").status_code == 400


def test_the_api_extends_and_a_retry_changes_nothing(
    api: APIClient, acme: Organization, lease: Lease, tomorrow: datetime
) -> None:
    body = {"ends_at": iso(tomorrow + 4 * HOUR), "max_micros_per_node_hour": 3_600_000}
    answers = [post(api, lease, "extend", body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == {**answers[1].json()}
    shown = answers[0].json()
    assert (shown["id"], shown["ends_at"]) == (lease.public_id, body["ends_at"])
    assert shown["held_micros"] == 4 * 3 * 3_600_000 == wallet(organization=acme, now=now()).held_micros


def test_the_api_refuses_with_the_way_out(
    api: APIClient, lease: Lease, reserved: Offer, tomorrow: datetime, acme: Organization
) -> None:
    agreed(funded(1000, "Behind Ltd"), reserved, tomorrow + 6 * HOUR)
    taken = post(api, lease, "extend", {"ends_at": iso(tomorrow + 6 * HOUR)})
    assert (taken.status_code, taken.json()["code"]) == (409, "booked_behind")
    assert taken.json()["furthest_ends_at"] == iso(tomorrow + 5 * HOUR)
    assert len(taken.json()["behind"]) == 1
    dear = post(api, lease, "extend", {"ends_at": iso(tomorrow + 3 * HOUR), "max_micros_per_node_hour": 3_599_999})
    assert (dear.status_code, dear.json()["code"]) == (409, "price_too_high")
    assert dear.json()["micros_per_node_hour"] == 3_600_000
    odd = post(api, lease, "extend", {"ends_at": iso(tomorrow + 3 * HOUR + 60 * SECOND)})
    assert (odd.status_code, odd.json()["errors"][0]["field"]) == (400, "ends_at")
    Rate.objects.create(offer=reserved, starts_at=now() - SECOND, micros_per_node_hour=100_000_000)
    poor = post(api, lease, "extend", {"ends_at": iso(tomorrow + 3 * HOUR)})
    assert (poor.status_code, poor.json()["code"]) == (402, "insufficient_funds")
    api.post(f"/api/v1/leases/{lease.public_id}/return")
    over = post(api, lease, "extend", {"ends_at": iso(tomorrow + 3 * HOUR)})
    assert (over.status_code, over.json()["code"]) == (409, "window_fixed")
    assert extension(api, lease).status_code == 409
    assert Lease.objects.get(pk=lease.pk).ends_at == tomorrow + 2 * HOUR


def test_the_api_lets_a_lease_extend_itself_and_no_more(api: APIClient, lease: Lease) -> None:
    body = {"seconds": 7200, "max_micros_per_node_hour": 4_000_000}
    shown = post(api, lease, "auto-extend", body).json()
    assert (shown["auto_extend_seconds"], shown["auto_extend_max_micros"]) == (7200, 4_000_000)
    assert post(api, lease, "auto-extend", {**body, "seconds": 60}).json()["errors"][0]["field"] == "seconds"
    assert post(api, lease, "auto-extend", {**body, "seconds": None}).json()["errors"][0]["field"] == "seconds"
    for most in (-1, 1.5, 10**30):
        refused = post(api, lease, "auto-extend", {**body, "max_micros_per_node_hour": most})
        assert refused.json()["errors"][0]["field"] == "max_micros_per_node_hour"
    none = dict.fromkeys(body)
    assert post(api, lease, "auto-extend", none).json()["auto_extend_seconds"] is None


def test_a_ceiling_below_todays_price_is_refused_beside_its_field(
    api: APIClient, browser: Client, lease: Lease, reserved: Offer
) -> None:
    Rate.objects.create(offer=reserved, starts_at=now() - SECOND, micros_per_node_hour=313_500)
    body = {"seconds": 7200, "max_micros_per_node_hour": 313_499}
    refused = post(api, lease, "auto-extend", body)
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["field"]) == (400, "max_micros_per_node_hour")
    assert "Today it would be $0.313500 per node-hour" in error["message"]
    page = browser.post(f"/leases/{lease.public_id}/auto-extend/", {"hours": "2", "most": "0.10"}).content.decode()
    assert "Today it would be $0.313500 per node-hour" in page and 'id="id_most_error"' in page
    assert Lease.objects.get().auto_extend_seconds is None
    assert not Event.objects.filter(kind="lease.auto_extend_chosen").exists()
    assert 'value="0.3135"' in see(browser, lease, "auto-extend/")  # proposed with no digit lost
    assert post(api, lease, "auto-extend", body | {"max_micros_per_node_hour": 313_500}).status_code == 200


def see(browser: Client, lease: Lease, what: str = "", query: str = "") -> str:
    answer = browser.get(f"/leases/{lease.public_id}/{what}{query}")
    assert answer.status_code == 200, answer.headers
    return answer.content.decode()


def shown_micros(page: str) -> str:
    found = re.search(r'name="shown_micros" value="(\d+)"', page)
    assert found
    return found.group(1)


def test_the_page_shows_the_price_before_it_is_confirmed(browser: Client, lease: Lease, tomorrow: datetime) -> None:
    assert "/extend/" in see(browser, lease)
    page = see(browser, lease, "extend/", f"?ends_at={tomorrow + 4 * HOUR:%Y-%m-%dT%H:%M}")
    assert "Extend for $21.60" in page and "lasts 60 days at most" in re.sub("<[^>]+>", "", page)
    ends_at = f"{tomorrow + 4 * HOUR:%Y-%m-%dT%H:%M}"
    data = {"ends_at": ends_at, "shown_micros": shown_micros(page)}
    answer = browser.post(f"/leases/{lease.public_id}/extend/", data)
    assert answer.headers["Location"] == f"/leases/{lease.public_id}/"
    assert Lease.objects.get().ends_at == tomorrow + 4 * HOUR
    assert "on the same machines" in see(browser, lease)


def test_the_price_that_was_shown_is_charged_or_nothing_is(
    browser: Client, lease: Lease, reserved: Offer, tomorrow: datetime
) -> None:
    ends_at = f"{tomorrow + 3 * HOUR:%Y-%m-%dT%H:%M}"
    shown = shown_micros(see(browser, lease, "extend/"))
    Rate.objects.create(offer=reserved, starts_at=now() - SECOND, micros_per_node_hour=4_000_000)
    answer = browser.post(f"/leases/{lease.public_id}/extend/", {"ends_at": ends_at, "shown_micros": shown})
    page = answer.content.decode()
    assert "The price has changed" in page and shown_micros(page) == "4000000"
    assert Lease.objects.get().ends_at == tomorrow + 2 * HOUR


def test_the_page_says_how_far_and_why_no_further(
    browser: Client, lease: Lease, reserved: Offer, tomorrow: datetime
) -> None:
    agreed(funded(1000, "Behind Ltd"), reserved, tomorrow + 3 * HOUR)
    page = see(browser, lease, "extend/", f"?ends_at={tomorrow + 5 * HOUR:%Y-%m-%dT%H:%M}")
    assert "Not free until then." in page and "Somebody has booked" in page and " disabled>Extend" in page
    odd = see(browser, lease, "extend/", f"?ends_at={tomorrow + 150 * 60 * SECOND:%Y-%m-%dT%H:%M}")
    assert "multiples of 1 hour" in re.sub("<[^>]+>", "", odd) and "Nothing is priced" in odd
    missing = see(browser, lease, "extend/", f"?ends_at={tomorrow + 40 * HOUR:%Y-%m-%dT%H:%M}")
    assert "Not free until then." in missing


def test_what_ones_own_quote_holds_is_shown_and_does_not_stop_it(
    api: APIClient, browser: Client, acme: Organization, lease: Lease, reserved: Offer, tomorrow: datetime
) -> None:
    factories.the_terms(reserved.plan, starts_at=now() - DAY, hold_seconds=600)
    window = {"starts_at": tomorrow + 3 * HOUR, "ends_at": tomorrow + 4 * HOUR}
    held = keeping.hold_nodes(quote=a_quote(acme, reserved, now=now(), nodes=2, **window), now=now())
    assert extension(api, lease).json()["behind"] == []
    page = see(browser, lease, "extend/", f"?ends_at={tomorrow + 4 * HOUR:%Y-%m-%dT%H:%M}")
    assert "You keep 2 nodes here" in page and held.public_id in page and " disabled>Extend" not in page
    assert post(api, lease, "extend", {"ends_at": iso(tomorrow + 4 * HOUR)}).status_code == 200
    assert "You keep" not in see(browser, lease, "extend/")


def test_a_lease_without_an_end_leads_back_to_its_page(browser: Client, acme: Organization, offer: Offer) -> None:
    lease = place(a_quote(acme, offer, now=now()), now=now())
    for what in ("extend/", "auto-extend/"):
        answer = browser.get(f"/leases/{lease.public_id}/{what}")
        assert answer.headers["Location"] == f"/leases/{lease.public_id}/"
    assert "/extend/" not in see(browser, lease)


def test_the_page_lets_it_extend_itself_and_turns_that_off(browser: Client, lease: Lease) -> None:
    address = f"/leases/{lease.public_id}/auto-extend/"
    assert 'value="3.60"' in see(browser, lease, "auto-extend/")
    browser.post(address, {"hours": "2", "most": "4.123456"})
    lease.refresh_from_db()
    assert (lease.auto_extend_seconds, lease.auto_extend_max_micros) == (7200, 4_123_456)
    assert "$4.123456 at most" in see(browser, lease)
    assert "greater than or equal to 1" in browser.post(address, {"hours": "0", "most": "1"}).content.decode()
    browser.post(address, {"off": "1"})
    lease.refresh_from_db()
    assert lease.auto_extend_seconds is None


def test_money_on_hand_is_looked_at_before_the_button_is_live(
    browser: Client, lease: Lease, reserved: Offer, tomorrow: datetime
) -> None:
    Rate.objects.create(offer=reserved, starts_at=now() - SECOND, micros_per_node_hour=100_000_000)
    page = see(browser, lease, "extend/")
    assert "are missing." in page and " disabled>Extend" in page


def test_the_pages_say_before_the_click_what_a_budget_refuses(
    browser: Client, acme: Organization, lease: Lease, reserved: Offer, tomorrow: datetime
) -> None:
    budgets.create(organization=acme, actor="", created_by=None, project="", limit_micros=22_000_000, now=now())
    page = see(browser, lease, "extend/")
    assert "The budget of the whole organization is $22.00" in page and " disabled>Extend" in page
    longer = f"starts_at={tomorrow:%Y-%m-%dT%H:%M}&ends_at={tomorrow + 3 * HOUR:%Y-%m-%dT%H:%M}"
    page = see(browser, lease, "move/", f"?offer={reserved.public_id}&{longer}")
    assert "The budget of the whole organization is $22.00" in page and "free then" not in page
