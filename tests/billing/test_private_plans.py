"""A private plan and an own price: their organization searches, sees, quotes and orders with them; nobody else can."""

import re
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization, User
from billing.checkout import QuoteRefused
from billing.models import Meter
from marketplace.models import Offer, Plan, PlanAccess, PlanKind, Rate
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.conftest import a_quote, funded, place
from tests.factories import DAY
from tests.leasing.conftest import staff_browser as staff_browser

pytestmark = pytest.mark.django_db
MADE_UP = "of_0000000000000000000000"


@pytest.fixture
def acme(db: None) -> Organization:
    return funded(1000)


@pytest.fixture
def member(acme: Organization) -> User:
    return acme.members.get()


@pytest.fixture
def stranger(db: None) -> User:
    return funded(1000, "Stranger Ltd").members.get()


@pytest.fixture
def private(acme: Organization, offer: Offer) -> Offer:
    """The same nodes on a plan of Acme's own, which others must not know of."""
    plan = Plan.objects.create(
        slug="acme-2026", name="Acme frame", summary="By contract.", kind=PlanKind.ON_DEMAND, private=True, position=9
    )
    factories.the_terms(plan)
    PlanAccess.objects.create(plan=plan, organization=acme)
    PlanAccess.objects.create(plan=plan, organization=factories.an_organization("Partner"))
    return factories.an_offer(offer.pool, plan, micros=3_000_000)


def everybody_else(stranger: User) -> list[tuple[APIClient, Client]]:
    """Somebody with a token of another organization, and a visitor: API and browser of each."""
    return [(a_client(a_token(stranger.organizations.get(), stranger)), a_browser(stranger)), (APIClient(), Client())]


def script(user: User) -> APIClient:
    return a_client(a_token(user.organizations.get(), user))


def slugs(answer: Any, name: str = "plan") -> list[str]:
    return sorted(row[name] for row in answer.json()["results"])


def test_its_organization_finds_it_by_token_and_by_session(private: Offer, member: User) -> None:
    session = APIClient()
    session.force_login(member)
    for api in (script(member), session):
        assert slugs(api.get("/api/v1/offers")) == ["acme-2026", "on_demand"]
        assert slugs(api.get("/api/v1/offers", {"plan": "acme-2026"})) == ["acme-2026"]
        assert slugs(api.get("/api/v1/plans"), "slug") == ["acme-2026", "on_demand"]
        assert api.get(f"/api/v1/offers/{private.public_id}").json()["micros_per_node_hour"] == 3_000_000
        assert api.get(f"/api/v1/offers/{private.public_id}/windows").status_code == 200
    browser = a_browser(member)
    assert "Acme frame" in browser.get("/?plan=acme-2026").content.decode()
    assert "Acme frame" in browser.get(f"/offers/{private.public_id}/").content.decode()
    assert "Acme frame" in browser.get(f"/order/?offer={private.public_id}").content.decode()


def test_for_others_it_is_exactly_as_if_it_did_not_exist(private: Offer, stranger: User) -> None:
    for api, browser in everybody_else(stranger):
        assert slugs(api.get("/api/v1/offers")) == ["on_demand"]
        assert slugs(api.get("/api/v1/plans"), "slug") == ["on_demand"]
        for address in ("/api/v1/offers?plan={}", "/?plan={}"):
            real, none = (said(api.get(address.format(slug)), slug) for slug in ("acme-2026", "acme-2027"))
            assert real == none
        for address in ("/api/v1/offers/{}", "/api/v1/offers/{}/windows", "/offers/{}/"):
            client = api if "api" in address else browser
            real, none = (said(client.get(address.format(one)), one) for one in (private.public_id, MADE_UP))
            assert real == none
            assert real[0] == 404
        assert "Acme frame" not in browser.get("/").content.decode()


def said(answer: Any, id: str) -> tuple[int, str]:
    """Status and body, without the id that was asked for and without the form's secret."""
    return answer.status_code, re.sub(r"\b[A-Za-z0-9]{64}\b", "SECRET", answer.content.decode().replace(id, "ID"))


def test_others_can_neither_quote_nor_order_on_it(private: Offer, stranger: User) -> None:
    api, browser = everybody_else(stranger)[0]
    real, none = (
        said(api.post("/api/v1/quotes", {"offer": one}, format="json"), one) for one in (private.public_id, MADE_UP)
    )
    assert (real[0], real) == (400, none)
    assert browser.get(f"/order/?offer={private.public_id}").status_code == 404
    with pytest.raises(QuoteRefused, match="not for sale"):
        a_quote(stranger.organizations.get(), private)


def test_who_loses_access_loses_the_plan_but_not_the_lease(private: Offer, acme: Organization, member: User) -> None:
    lease = place(a_quote(acme, private))
    PlanAccess.objects.filter(organization=acme).delete()
    assert script(member).get(f"/api/v1/leases/{lease.public_id}").json()["plan"] == "acme-2026"
    with pytest.raises(QuoteRefused):
        a_quote(acme, private)


def test_an_own_price_goes_before_the_public_one_until_the_public_one_only(
    acme: Organization, offer: Offer, member: User, stranger: User
) -> None:
    Rate.objects.create(offer=offer, organization=acme, starts_at=now() - DAY, micros_per_node_hour=2_500_000)
    address = f"/api/v1/offers/{offer.public_id}"
    assert script(member).get(address).json()["micros_per_node_hour"] == 2_500_000
    assert "$2.50" in a_browser(member).get(f"/offers/{offer.public_id}/").content.decode()
    for api, browser in everybody_else(stranger):
        assert api.get(address).json()["micros_per_node_hour"] == 3_600_000
        assert "$2.50" not in browser.get(f"/offers/{offer.public_id}/").content.decode()
    quote = a_quote(acme, offer, now=now())
    assert quote.micros_per_node_hour == 2_500_000
    assert Meter.objects.get(lease=place(quote, now=now())).micros_per_node_hour == 2_500_000


def test_staff_give_an_organization_a_price_of_its_own(staff_browser: Client, acme: Organization, offer: Offer) -> None:
    form = {
        "offer": str(offer.pk),
        "organization": str(acme.pk),
        "dollars": "2.5",
        "starts_at_0": "",
        "starts_at_1": "",
    }
    assert staff_browser.post("/admin/marketplace/rate/add/", form).status_code == 302
    assert "Acme Robotics" in staff_browser.get("/admin/marketplace/rate/").content.decode()
    assert a_quote(acme, offer, now=now()).micros_per_node_hour == 2_500_000
    assert "$3.60" in staff_browser.get("/admin/marketplace/offer/").content.decode()  # the public price
