"""Budgets as people and scripts set them, and what an order says of them before it is placed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Membership, Organization, Role, User
from billing import budgets, capping
from billing.models import Budget
from leasing.models import Lease
from marketplace.models import Offer
from marketplace.money import MICROS
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.conftest import a_quote, funded, place, running

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(acme: Organization) -> User:
    return acme.members.get()


def see(browser: Client, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def cap(organization: Organization, dollars: float, project: str = "") -> Budget:
    micros = round(dollars * MICROS)
    return budgets.create(
        organization=organization, actor="", created_by=None, project=project, limit_micros=micros, now=now()
    )


def test_a_budget_is_set_changed_and_removed_in_the_browser(browser: Client) -> None:
    assert "No budgets yet" in see(browser, "/budgets/")
    assert browser.post("/budgets/new/", {"project": "vision", "limit": "100.50"}).status_code == 302
    budget = Budget.objects.get()
    assert (budget.project, budget.limit_micros) == ("vision", 100_500_000)
    assert "Project vision" in see(browser, "/budgets/")
    browser.post(f"/budgets/{budget.public_id}/", {"limit": "200"})
    assert "$0.00</a> of $200.00" in see(browser, "/budgets/")
    assert "project vision" in see(browser, f"/budgets/{budget.public_id}/remove/")
    browser.post(f"/budgets/{budget.public_id}/remove/")
    see(browser, f"/budgets/{budget.public_id}/", 404)
    assert "No budgets yet" in see(browser, "/budgets/")


def test_a_budget_names_the_leases_that_it_keeps_paused(browser: Client, acme: Organization, offer: Offer) -> None:
    lease, budget = running(acme, offer, now=now()), cap(acme, 3)
    capping.enforce(organization=acme, now=now())
    page = see(browser, "/budgets/")
    assert "Paused until there is room for an hour:" in page and f'href="/leases/{lease.public_id}/"' in page
    assert "</a>, $3.60. Raise the limit, and it goes on by itself." in page
    budgets.change(budget=budget, limit_micros=10 * MICROS, actor="", now=now())
    assert "Paused until" not in see(browser, "/budgets/")


def test_a_budget_over_its_limit_says_so_and_its_figures_add_up(
    browser: Client, acme: Organization, offer: Offer
) -> None:
    budget = cap(acme, 10)
    place(a_quote(acme, offer, now=now()), now=now())
    budgets.change(budget=budget, limit_micros=3 * MICROS, actor="", now=now())  # $3.60 are committed
    page = see(browser, "/budgets/")
    bars = re.findall(r'<progress value="(\d+)" max="100"[^>]*?( class="is-late")?>(\d+) %', page)
    assert [(value, bool(late)) for value, late, _ in bars] == [("100", True), ("100", True)]
    assert "(UTC), 120 %" in page and bars[0][2] == "120"
    assert "Over its limit by $0.60: no new orders until" in page
    assert re.search(r"<dt>Over the limit</dt><dd>−\$0\.60</dd>", page) and "Left for orders" not in page


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("0", "Write at least $1."),
        ("10000000000", "Write at most $1,000,000,000."),
        ("10.005", "Write dollars and whole cents, such as 12.50."),
        ("ten", "number"),
        ("", "required"),
    ],
)
def test_a_bad_limit_is_explained_beside_its_field(browser: Client, limit: str, words: str) -> None:
    page = browser.post("/budgets/new/", {"project": "vision", "limit": limit}).content.decode()
    assert 'id="id_limit_error"' in page and words in page and 'value="vision"' in page
    assert not Budget.objects.exists()


def test_a_second_budget_for_a_tag_is_explained_and_the_first_kept(browser: Client, acme: Organization) -> None:
    cap(acme, 10)
    page = browser.post("/budgets/new/", {"limit": "20"}).content.decode()
    assert "There is a budget for the whole organization already" in page
    assert Budget.objects.get().limit_micros == 10 * MICROS


def test_finance_sets_budgets_and_an_engineer_sees_them(acme: Organization, offer: Offer) -> None:
    budget = cap(acme, 10)
    people = {}
    for role in (Role.FINANCE, Role.ENGINEER):
        user = factories.a_user(f"{role}@example.com")
        Membership.objects.create(organization=acme, user=user, role=role)
        people[role] = a_browser(user)
    assert people[Role.FINANCE].post(f"/budgets/{budget.public_id}/", {"limit": "20"}).status_code == 302
    page = see(people[Role.ENGINEER], "/budgets/")
    assert "of $20.00" in page and "Change" not in page
    for path in ("new/", f"{budget.public_id}/", f"{budget.public_id}/remove/"):
        see(people[Role.ENGINEER], f"/budgets/{path}", 403)


def test_the_api_does_the_same(api: APIClient, acme: Organization, offer: Offer) -> None:
    made = api.post("/api/v1/budgets", {"project": "vision", "limit_micros": 5_000_000}).json()
    assert (made["project"], made["this_month"]["left_micros"]) == ("vision", 5_000_000)
    assert api.post("/api/v1/budgets", {"project": "vision", "limit_micros": 1}).json()["code"] == "budget_exists"
    address = f"/api/v1/budgets/{made['id']}"
    assert api.patch(address, {"limit_micros": 7_200_000}).json()["limit_micros"] == 7_200_000
    place(a_quote(acme, offer, now=now()), now=now(), project="vision")
    assert api.get(address).json()["this_month"]["committed_micros"] == 3_600_000
    assert [row["id"] for row in api.get("/api/v1/budgets").json()["results"]] == [made["id"]]
    assert api.patch(address, {"limit_micros": 0}).json()["errors"][0]["field"] == "limit_micros"
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404


def test_an_order_beyond_the_budget_is_a_problem_that_names_it(
    api: APIClient, acme: Organization, offer: Offer
) -> None:
    budget = cap(acme, 3)
    quote = a_quote(acme, offer, now=now()).public_id
    before = api.get(f"/api/v1/quotes/{quote}/budgets").json()
    assert [(row["budget"], row["fits"], row["left_micros"]) for row in before[:1]] == [(budget.public_id, False, 0)]
    answer = order(api, acme, quote)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["budget"]) == (402, "budget_exceeded", budget.public_id)
    wanted = {"limit_micros": 3_000_000, "left_micros": 3_000_000, "needed_micros": 3_600_000}
    assert {name: problem[name] for name in wanted} == wanted
    assert not Lease.objects.exists()


def test_a_tag_that_is_too_long_is_explained(api: APIClient, acme: Organization, offer: Offer) -> None:
    quote = a_quote(acme, offer, now=now()).public_id
    answer = api.get(f"/api/v1/quotes/{quote}/budgets", {"project": "x" * 41})
    assert answer.json()["errors"][0]["field"] == "project"


def order(api: APIClient, organization: Organization, quote: str) -> Any:
    keys = [factories.a_key(organization).public_id]
    body = {"quote": quote, "name": "training", "ssh_keys": keys, "image": factories.an_image().slug}
    return api.post("/api/v1/leases", body, format="json", headers={"Idempotency-Key": "key-1"})


def test_the_order_page_says_when_the_limit_would_be_reached(
    browser: Client, acme: Organization, offer: Offer, reserved: Offer
) -> None:
    factories.a_key(acme), factories.an_image()
    cap(acme, 3.6 * 3, "vision")
    address = f"/order/?offer={offer.public_id}"
    assert "reaches its limit" not in see(browser, address)
    page = see(browser, f"{address}&project=vision")
    assert "With this order the budget of project vision reaches its limit on" in page
    assert 'name="project" value="vision"' in page  # and the lease will have the tag
    cap(acme, 3)
    page = see(browser, address)
    assert "More than the budget of the whole organization allows" in page


def test_the_order_page_refuses_what_the_budget_does_and_loses_nothing(
    browser: Client, acme: Organization, offer: Offer
) -> None:
    factories.a_key(acme), factories.an_image()
    address = f"/order/?offer={offer.public_id}"
    quote = re.search(r'name="quote" value="([^"]*)"', see(browser, address))
    assert quote
    cap(acme, 3)
    form = {
        "offer": offer.public_id,
        "quote": quote.group(1),
        "nodes": "1",
        "name": "typed before",
        "ssh_keys": [factories.a_key(acme).public_id],
        "image": "base",
    }
    page = browser.post("/order/", form).content.decode()
    assert "$3.00 are left, $3.60 are needed" in page and "Nothing was ordered" in page and "typed before" in page


def test_a_paused_lease_says_which_way_out_there_is(browser: Client, offer: Offer, acme: Organization) -> None:
    lease = running(acme, offer, now=now() - timedelta(hours=2))
    cap(acme, 3.6)
    capping.enforce(organization=acme, now=now())
    page = see(browser, f"/leases/{lease.public_id}/")
    assert "Paused: a budget is reached." in page and 'href="/budgets/"' in page
    assert "Over its limit by $3.6" in see(browser, "/budgets/")


def test_the_budgets_of_others_count_for_nothing(acme: Organization, offer: Offer) -> None:
    cap(funded(1, "Somebody Else"), 1)
    place(a_quote(acme, offer))
