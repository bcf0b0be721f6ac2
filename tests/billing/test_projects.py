"""The customer's own tag: set with the order, changed later, shown and searched for."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization
from billing import budgets, checkout
from leasing.models import Lease
from marketplace.models import Offer
from tests.billing.conftest import HOUR, place, running
from tests.billing.test_api import a_quote, an_order, get, post
from tests.billing.test_pages import see, the_form

pytestmark = pytest.mark.django_db
BAD = ("Vision", "a b", "ä", "x" * 41, "a/b")


def test_an_order_carries_the_tag_and_the_list_is_searched_by_it(
    api: APIClient, acme: Organization, offer: Offer
) -> None:
    made = post(api, "leases", {**an_order(acme, a_quote(api, offer)), "project": "vision-2"}).json()
    plain = post(api, "leases", an_order(acme, a_quote(api, offer))).json()
    assert (made["project"], plain["project"]) == ("vision-2", "")
    assert get(api, f"leases/{made['id']}")["project"] == "vision-2"
    assert [row["id"] for row in get(api, "leases?project=vision-2")["results"]] == [made["id"]]
    assert [row["id"] for row in get(api, "leases?project=")["results"]] == [plain["id"]]
    assert get(api, "leases?project=other")["results"] == []
    assert api.get("/api/v1/leases?proj=vision-2").status_code == 400


def test_it_is_changed_later_and_that_is_written_down_once(api: APIClient, acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    path = f"leases/{lease.public_id}/project"
    assert [post(api, path, {"project": "speech"}).json()["project"] for _ in range(2)] == ["speech"] * 2
    assert Event.objects.get(kind="lease.tagged").data["project"] == "speech"
    assert post(api, path, {"project": ""}).json()["project"] == ""


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_tag_is_refused_everywhere(
    api: APIClient, browser: Client, acme: Organization, offer: Offer, bad: str
) -> None:
    lease = running(acme, offer)
    refused = post(api, f"leases/{lease.public_id}/project", {"project": bad})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "project")
    order = post(api, "leases", {**an_order(acme, a_quote(api, offer)), "project": bad})
    assert (order.status_code, order.json()["errors"][0]["field"]) == (400, "project")
    browser.post(f"/leases/{lease.public_id}/rename/", {"name": "x", "project": bad})
    with pytest.raises(Exception, match=r"lease_project_is_a_tag|too long") as raised, transaction.atomic():
        Lease.objects.update(project=bad)
    assert isinstance(raised.value, IntegrityError) or "too long" in str(raised.value)
    assert Lease.objects.get().project == ""


def test_pages_set_show_and_search_it(browser: Client, acme: Organization, offer: Offer) -> None:
    page = see(browser, f"/order/?offer={offer.public_id}")
    browser.post("/order/", the_form(page, acme, project=" vision "))
    lease = Lease.objects.get()
    assert lease.project == "vision"
    for address in ("/leases/", "/leases/?project=vision", f"/leases/{lease.public_id}/"):
        assert "?project=vision" in see(browser, address)
    assert "No lease has this tag" in see(browser, "/leases/?project=speech")
    browser.post(f"/leases/{lease.public_id}/rename/", {"name": "renamed", "project": "speech"})
    lease.refresh_from_db()
    assert (lease.name, lease.project) == ("renamed", "speech")


def test_a_projects_budget_is_asked_before_a_lease_counts_for_it(
    api: APIClient, browser: Client, acme: Organization, reserved: Offer
) -> None:
    starts_at = now().replace(minute=0, second=0, microsecond=0) + 2 * HOUR
    quote = checkout.quote(
        organization=acme, offer=reserved, nodes=1, starts_at=starts_at, ends_at=starts_at + 2 * HOUR, now=now()
    )
    lease = place(quote, now=now())
    small = budgets.create(
        organization=acme, actor="", created_by=None, project="vision", limit_micros=1_000_000, now=now()
    )
    refused = post(api, f"leases/{lease.public_id}/project", {"project": "vision"})
    assert (refused.status_code, refused.json()["code"]) == (402, "budget_exceeded")
    page = browser.post(f"/leases/{lease.public_id}/rename/", {"name": "x", "project": "vision"}).content.decode()
    assert "The budget of project vision is $1.00" in page
    lease.refresh_from_db()
    assert lease.project == ""
    budgets.change(budget=small, limit_micros=100_000_000, actor="", now=now())
    assert post(api, f"leases/{lease.public_id}/project", {"project": "vision"}).json()["project"] == "vision"
