"""Who may do what: the table of roles, and the same answer for a person and for a token."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.access import ACTIONS, Principal, may, principal_of
from accounts.clock import now
from accounts.models import Organization, Role, User
from accounts.operations import create_organization
from tests.accounts.cast import a_browser, a_client, a_token

MATRIX = {
    Role.OWNER: "lease:read lease:write money:read money:write org:read org:write",
    Role.ADMIN: "lease:read lease:write money:read money:write org:read org:write",
    Role.ENGINEER: "lease:read lease:write money:read org:read",
    Role.FINANCE: "lease:read money:read money:write org:read",
}
API_READS = ["/api/v1/ssh-keys", "/api/v1/tokens", "/api/v1/events", "/api/v1/organization"]
PAGES = ["ssh-keys", "ssh-key-add", "api-tokens", "api-token-create", "webhooks", "organization", "activity"]


@pytest.mark.parametrize("role", Role.values)
def test_a_role_may_what_the_table_says_and_nothing_else(role: str) -> None:
    principal = Principal(Organization(), User(), None, role)
    assert {action for action in ACTIONS if may(principal, action)} == set(MATRIX[Role(role)].split())


def test_a_token_is_narrower_than_the_role_and_never_wider() -> None:
    owner = Principal(Organization(), User(), None, Role.OWNER, frozenset({"lease:read"}))
    finance = Principal(Organization(), User(), None, Role.FINANCE)
    assert [may(owner, "lease:read"), may(owner, "lease:write")] == [True, False]
    assert not may(finance, "lease:write")
    assert not may(Principal(Organization(), User(), None, "janitor"), "lease:read")
    assert not may(finance, "")


@pytest.mark.parametrize("path", API_READS)
def test_without_a_name_the_api_answers_401_everywhere(path: str, db: None) -> None:
    for method in ("get", "post", "put", "patch", "delete"):
        assert getattr(APIClient(), method)(path).status_code == 401, method


@pytest.mark.parametrize("path", API_READS)
def test_a_method_that_a_view_does_not_name_is_refused(path: str, api: APIClient) -> None:
    assert api.put(path, {}).status_code in (403, 405)
    assert api.patch(path, {}).status_code in (403, 405)


def test_a_scope_that_is_missing_is_named(acme: Organization, ada: User) -> None:
    reader = a_client(a_token(acme, ada, "lease:read"))
    assert reader.get("/api/v1/ssh-keys").status_code == 200
    refused = reader.post("/api/v1/ssh-keys", {})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert "lease:write" in refused.json()["detail"]
    assert reader.get("/api/v1/tokens").json()["code"] == "scope_missing"


@pytest.mark.parametrize("name", PAGES)
def test_pages_send_a_visitor_to_log_in_and_back(name: str, client: APIClient, db: None) -> None:
    answer = client.get(reverse(name))
    assert answer.headers["Location"] == f"{reverse('account_login')}?next={reverse(name)}"
    live_part = client.get(reverse(name), headers={"HX-Request": "true"})
    assert live_part.headers["HX-Redirect"] == reverse("account_login")


@pytest.mark.parametrize("name", [*PAGES, "settings"])
def test_pages_open_for_the_owner(name: str, acme: Organization, ada: User) -> None:
    assert a_browser(ada).get(reverse(name)).status_code == 200


def test_somebody_without_an_organization_is_asked_to_create_one(db: None) -> None:
    nobody = User.objects.create_user("nobody@example.com")
    browser = a_browser(nobody)
    assert browser.get("/ssh-keys/").headers["Location"] == "/organization/create/"
    api = APIClient()
    api.force_login(nobody)
    assert api.get("/api/v1/organization").json()["code"] == "no_organization"
    assert browser.get("/organization/create/").status_code == 200
    browser.post("/organization/create/", {"name": "Newcomer Ltd"})
    assert browser.get("/organization/").status_code == 200
    assert browser.get("/organization/create/").headers["Location"] == "/organization/"
    assert nobody.organizations.get().name == "Newcomer Ltd"


def test_an_engineer_sees_the_organization_but_does_not_change_it(acme: Organization, eli: User, ada: User) -> None:
    wanted = {"name": "Eli Inc", "data_retention_hours": "1"}
    assert a_browser(eli).get("/organization/").status_code == 200
    assert a_browser(eli).post("/organization/", wanted).status_code == 403
    wrong = a_browser(ada).post("/organization/", {**wanted, "data_retention_hours": "721"})
    assert "data_retention_hours" in wrong.context["form"].errors
    a_browser(ada).post("/organization/", {"name": "Acme Labs", "data_retention_hours": "48"})
    acme.refresh_from_db()
    assert (acme.name, acme.data_retention_hours) == ("Acme Labs", 48)
    assert acme.events.filter(kind="organization.changed").count() == 1


def test_finance_cannot_add_a_key_on_the_page(acme: Organization, fay: User) -> None:
    assert a_browser(fay).get("/ssh-keys/add/").status_code == 403


def test_a_person_in_two_organizations_acts_for_the_chosen_one(acme: Organization, ada: User) -> None:
    second = create_organization(name="Second", owner=ada, now=now())
    browser = APIClient()
    browser.force_login(ada)
    assert browser.get("/api/v1/organization").json()["name"] == "Acme Robotics"
    session = browser.session
    session["organization"] = second.public_id
    session.save()
    assert browser.get("/api/v1/organization").json()["name"] == "Second"
    session["organization"] = "og_somebody_elses"
    session.save()
    assert browser.get("/api/v1/organization").json()["name"] == "Acme Robotics"


def test_the_organization_lists_its_people_and_not_others(api: APIClient, eli: User, sam: User) -> None:
    shown = api.get("/api/v1/organization").json()
    assert [(member["email"], member["role"]) for member in shown["members"]] == [
        ("ada@example.com", "owner"),
        ("eli@example.com", "engineer"),
    ]


def test_settings_keep_a_name_and_a_known_time_zone(acme: Organization, ada: User) -> None:
    browser = a_browser(ada)
    wrong = browser.post("/settings/", {"name": "Ada", "time_zone": "Mars/Olympus"})
    assert "time_zone" in wrong.context["form"].errors
    browser.post("/settings/", {"name": "Ada King", "time_zone": "Africa/Nairobi"})
    ada.refresh_from_db()
    assert (ada.name, ada.time_zone) == ("Ada King", "Africa/Nairobi")


def test_nobody_has_no_principal(rf: RequestFactory, db: None) -> None:
    request = rf.get("/")
    request.user = User()
    request.user.is_active = False
    with pytest.raises(PermissionDenied):
        principal_of(request)
