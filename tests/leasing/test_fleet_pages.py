"""The operator's pages, API and admin actions of the fleet."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import Permission
from django.test import Client as Browser
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization, User
from leasing.models import Maintenance, NodeHealth
from leasing.operations.upkeep import cordon, quarantine
from leasing.provisioners.fake import World
from leasing.queries.fleet import COUNTS, capacity
from leasing.states import MachineState
from marketplace.models import Node
from marketplace.states import NodeState
from tests import factories
from tests.factories import DAY, HOUR
from tests.leasing import stages
from tests.leasing.staff import STAFF, plan

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXP"


def a_member_of_staff(*permissions: str) -> User:
    """With a second factor, and these permissions."""
    user = factories.a_user("pat@example.com", is_staff=True, name="Pat")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    TOTP.activate(user, SECRET)
    return user


@pytest.fixture
def pat(db: None) -> User:
    return a_member_of_staff("view_node", "change_node")


@pytest.fixture
def staff(pat: User) -> Browser:
    browser = Browser()
    browser.force_login(pat)
    return browser


@pytest.fixture
def api(pat: User) -> APIClient:
    client = APIClient()
    client.force_login(pat)
    return client


@pytest.fixture
def node(db: None) -> Node:
    return factories.an_offer().pool.nodes.get()


def text(answer: Any) -> str:
    """What a page says, without its markup."""
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def do(browser: Browser, node: Node, what: str, **form: str) -> str:
    """Answer a question about a node; what the next page says."""
    address = f"/operations/fleet/nodes/{node.public_id}/{what}/"
    assert text(browser.get(address))
    said = text(browser.post(address, form, follow=True))
    node.refresh_from_db()
    return said


def typed(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"


# Reading


def test_each_node_is_counted_as_what_it_is(acme: Organization, world: World) -> None:
    moment = now()
    stages.active(acme, moment)
    stages.scheduled(acme, moment)  # takes two nodes of its own
    pool = Node.objects.all()[0].pool
    cordon(node=factories.a_node(pool), reason="Loud.", actor=STAFF, now=moment)
    quarantine(node=factories.a_node(pool), reason="Odd.", actor=STAFF, now=moment)
    NodeHealth.objects.create(node=factories.a_node(pool), seen_at=moment, cause="gpu_lost")
    for state in (NodeState.VERIFYING, NodeState.MAINTENANCE, NodeState.WIPE_FAILED, NodeState.RETIRED):
        factories.a_node(pool, state=state)
    (row,) = capacity(site=pool.site)
    assert row.counts == {
        "delivered": 9,  # all but the retired one
        "healthy": 4,  # leased, two booked, cordoned; not the one that lost a GPU
        "free": 1,
        "reserved": 2,
        "in_use": 1,
        "wiping": 0,
        "cordoned": 1,
        "verifying": 1,
        "maintenance": 1,
        "quarantined": 1,
        "wipe_failed": 1,
    }


def test_the_capacity_page_leads_to_the_nodes_that_a_count_counts(staff: Browser, node: Node) -> None:
    other = factories.a_node(node.pool)
    cordon(node=other, reason="Loud.", actor=STAFF, now=now())
    assert "Delivered 2" in text(staff.get("/operations/fleet/"))
    page = staff.get("/operations/fleet/?site=macon").content.decode()
    link = re.search(r'href="([^"]*counted=cordoned)"[^>]*aria-label', page)
    assert link is not None
    found = text(staff.get(link[1].replace("&amp;", "&")))
    assert other.name in found and node.name not in found


def test_the_capacity_is_shown_by_site_and_of_one_site_by_type(staff: Browser, node: Node) -> None:
    factories.a_pool(site=factories.a_site("valdosta"))
    factories.a_pool(node_type=factories.a_node_type("h100x4", 4))
    everywhere, macon = text(staff.get("/operations/fleet/")), text(staff.get("/operations/fleet/?site=macon"))
    assert "Macon 2 pools" in everywhere and "Valdosta" in everywhere
    assert "4 × H100" in macon and "8 × H100" in macon and "Valdosta" not in macon
    assert staff.get("/operations/fleet/?site=atlantis").status_code == 404


@pytest.mark.parametrize("name", COUNTS)
def test_every_count_can_be_asked_for(staff: Browser, node: Node, name: str) -> None:
    assert staff.get("/operations/fleet/nodes/", {"counted": name}).status_code == 200


def test_nodes_are_found_by_name_state_and_site_and_a_wrong_filter_is_named(staff: Browser, node: Node) -> None:
    other = factories.a_node(node.pool, state=NodeState.QUARANTINED)
    address = "/operations/fleet/nodes/"
    assert other.name not in text(staff.get(address, {"q": node.name}))
    assert node.name not in text(staff.get(address, {"state": "quarantined", "site": "macon"}))
    assert "No node is like this" in text(staff.get(address, {"q": "atlantis"}))
    assert "“gone” is not in the list" in text(staff.get(address, {"state": "gone"}))


def test_a_retired_node_is_listed_only_when_it_is_asked_for(staff: Browser, node: Node) -> None:
    Node.objects.update(state=NodeState.RETIRED)
    assert node.name not in text(staff.get("/operations/fleet/nodes/"))
    assert node.name in text(staff.get("/operations/fleet/nodes/", {"state": "retired"}))
    assert staff.get(f"/operations/fleet/nodes/{node.public_id}/").status_code == 200


def test_the_page_of_a_node_says_who_is_on_it_what_is_booked_and_never_its_secrets(
    staff: Browser, acme: Organization, world: World
) -> None:
    lease = stages.active(acme, now())
    node = lease.machines.get().node
    Node.objects.filter(pk=node.pk).update(
        bmc_address="https://10.4.1.17", bmc_user="root", bmc_password="sealed-secret"
    )
    plan(node, lease.guaranteed_until + DAY, lease.guaranteed_until + 2 * DAY, now=now())
    answer = staff.get(f"/operations/fleet/nodes/{node.public_id}/")
    said = text(answer)
    for words in (lease.public_id, acme.name, "https://10.4.1.17", "A fan is replaced.", "The next 60 days"):
        assert words in said
    assert b"sealed-secret" not in answer.content


def test_the_list_takes_the_same_statements_for_one_node_and_for_many(
    staff: Browser, node: Node, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        factories.a_node(node.pool)
    with django_assert_max_num_queries(14):
        staff.get("/operations/fleet/nodes/")
    with django_assert_max_num_queries(10):
        staff.get("/operations/fleet/")


def test_staff_who_may_only_look_see_no_buttons_and_change_nothing(node: Node) -> None:
    browser = Browser()
    browser.force_login(a_member_of_staff("view_node"))
    page = browser.get(f"/operations/fleet/nodes/{node.public_id}/")
    assert "Quarantine" not in text(page)
    answer = browser.post(f"/operations/fleet/nodes/{node.public_id}/quarantine/", {"reason": "x"})
    assert answer.status_code == 403
    node.refresh_from_db()
    assert node.state == NodeState.AVAILABLE


def test_the_menu_leads_staff_to_the_fleet_and_customers_not(staff: Browser, acme: Organization) -> None:
    assert 'href="/operations/fleet/"' in staff.get("/settings/").content.decode()
    customer = Browser()
    customer.force_login(acme.members.get())
    assert 'href="/operations/fleet/"' not in customer.get("/settings/").content.decode()


# Doing


def test_a_node_is_cordoned_with_a_reason_and_uncordoned(staff: Browser, node: Node, pat: User) -> None:
    assert "This field is required" in do(staff, node, "cordon", reason="")
    assert node.cordoned_at is None
    said = do(staff, node, "cordon", reason="A fan is loud.")
    assert "takes no new lease" in said and "A fan is loud." in said
    assert Event.objects.get(kind="node.cordoned").actor == f"user:{pat.public_id}"
    assert "is offered again." in do(staff, node, "uncordon")


def test_a_drain_says_what_stays_on_the_node(staff: Browser, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    node = lease.machines.get().node
    said = do(staff, node, "drain", to="retired", reason="Old.")
    assert f"Still on the node or booked on it: {lease}" in said and "Draining: then retired." in said


def test_a_node_in_use_is_not_quarantined_and_what_was_typed_is_kept(
    staff: Browser, acme: Organization, world: World
) -> None:
    node = stages.active(acme, now()).machines.get().node
    answer = staff.post(f"/operations/fleet/nodes/{node.public_id}/quarantine/", {"reason": "Xid 79"})
    assert "is leased" in text(answer) and 'value="Xid 79"' in answer.content.decode()


def test_a_node_goes_into_quarantine_and_back_through_verification_or_out_for_good(staff: Browser, node: Node) -> None:
    do(staff, node, "quarantine", reason="Odd noises.")
    assert node.state == NodeState.QUARANTINED
    do(staff, node, "verify")
    assert node.state == NodeState.VERIFYING
    do(staff, node, "quarantine", reason="Odd noises.")
    do(staff, node, "retire", reason="Old.")
    assert node.state == NodeState.RETIRED
    assert Event.objects.get(kind="node.retired").data["reason"] == "Old."


def test_a_node_whose_wipe_failed_is_wiped_again(staff: Browser, acme: Organization, world: World) -> None:
    machine = stages.wipe_failed(acme, now()).machines.get()
    do(staff, machine.node, "wipe")
    machine.refresh_from_db()
    assert machine.state == MachineState.WIPING


@pytest.mark.parametrize("what", ["cordon/x", "explode"])
def test_there_is_nothing_else_to_do_to_a_node(staff: Browser, node: Node, what: str) -> None:
    assert staff.get(f"/operations/fleet/nodes/{node.public_id}/{what}/").status_code == 404


def test_only_what_the_state_allows_is_offered(staff: Browser, node: Node) -> None:
    page = staff.get(f"/operations/fleet/nodes/{node.public_id}/").content.decode()
    offered = set(re.findall(rf"/operations/fleet/nodes/{node.public_id}/(\w+)/", page))
    assert offered == {"plan", "cordon", "drain", "quarantine", "verify", "retire"}


def test_a_window_that_is_taken_shows_by_whom_and_offers_the_next_one_with_all_that_was_typed(
    staff: Browser, acme: Organization
) -> None:
    lease = stages.scheduled(acme, now())
    claim = lease.claims.all()[0]
    address = f"/operations/fleet/nodes/{claim.node.public_id}/plan/"
    form = {"kind": "power", "reason": "The feed is switched.", "starts_at": typed(lease.starts_at)}
    answer = staff.post(address, {**form, "ends_at": typed(lease.starts_at + 2 * HOUR)})
    said = text(answer)
    assert lease.name in said and lease.public_id in said and "The feed is switched." in answer.content.decode()
    link = re.search(r'href="(\?[^"]*starts_at[^"]*)"', answer.content.decode())
    assert link is not None
    filled = staff.get(address + link[1].replace("&amp;", "&"))
    initial = filled.context["form"].initial
    assert (initial["kind"], initial["reason"]) == ("power", "The feed is switched.")
    assert "is planned" in text(staff.post(address, initial, follow=True))
    work = Maintenance.objects.get()
    assert work.starts_at >= claim.period.upper and work.ends_at - work.starts_at == 2 * HOUR
    assert work.reason in text(staff.get("/operations/fleet/maintenance/"))


def test_a_window_in_the_past_is_refused_beside_its_field(staff: Browser, node: Node) -> None:
    form = {"kind": "power", "reason": "x", "starts_at": typed(now() - DAY), "ends_at": typed(now() - HOUR)}
    answer = staff.post(f"/operations/fleet/nodes/{node.public_id}/plan/", form)
    assert "Choose an end after now" in answer.context["form"].errors["ends_at"][0]


def test_work_is_extended_finished_and_called_off_from_its_page(staff: Browser, node: Node) -> None:
    moment = now().replace(second=0, microsecond=0)
    work = plan(node, moment + HOUR, moment + 2 * HOUR, now=moment)
    address = f"/operations/fleet/maintenance/{work.public_id}/"
    text(staff.get(f"{address}extend/"))
    assert "Changed." in text(staff.post(f"{address}extend/", {"ends_at": typed(moment + 3 * HOUR)}, follow=True))
    plan(node, moment + 4 * HOUR, moment + 5 * HOUR, now=moment)
    taken = staff.post(f"{address}extend/", {"ends_at": typed(moment + 6 * HOUR)})
    assert "Taken by other work" in taken.context["form"].errors["ends_at"][0]
    assert "This work is planned." in text(staff.get(f"{address}finish/", follow=True))
    assert "Called off." in text(staff.post(f"{address}cancel/", follow=True))
    assert "This work is cancelled." in text(staff.post(f"{address}cancel/", follow=True))
    assert staff.get(f"{address}explode/").status_code == 404


# By the API


def test_the_api_lists_counts_cordons_and_drains(api: APIClient, node: Node) -> None:
    assert api.get("/api/v1/operations/capacity").json()[0]["counts"]["free"] == 1
    listed = api.get("/api/v1/operations/nodes", {"site": "macon", "counted": "free"}).json()["results"]
    assert [row["name"] for row in listed] == [node.name]
    base = f"/api/v1/operations/nodes/{node.public_id}"
    assert api.get(base).json()["cordoned_at"] is None
    assert api.post(f"{base}/cordon", {"reason": "Loud."}).json()["cordon_reason"] == "Loud."
    assert api.post(f"{base}/uncordon").json()["cordoned_at"] is None
    drained = api.post(f"{base}/drain", {"to": "maintenance", "reason": "Old."}).json()
    assert (drained["node"]["state"], drained["moved"], drained["staying"]) == ("maintenance", [], [])
    assert api.post(f"{base}/quarantine", {"reason": "Odd."}).json()["node"]["state"] == "quarantined"
    assert api.post(f"{base}/verify").json()["state"] == "verifying"
    refused = api.post(f"{base}/drain", {"to": "maintenance", "reason": "Old."})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_now")
    wrong = api.get("/api/v1/operations/nodes", {"state": "gone"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "state")


def test_the_api_plans_work_and_names_who_is_in_the_way(api: APIClient, acme: Organization) -> None:
    lease = stages.scheduled(acme, now())
    node = lease.machines.all()[0].node
    base = f"/api/v1/operations/nodes/{node.public_id}/maintenance"
    body = {
        "work": "power",
        "reason": "The feed is switched.",
        "starts_at": lease.starts_at.isoformat(),
        "ends_at": (lease.starts_at + HOUR).isoformat(),
    }
    taken = api.post(base, body).json()
    assert (taken["code"], taken["conflicts"][0]["lease"]) == ("window_taken", lease.public_id)
    body |= {"starts_at": taken["free_from"], "ends_at": "2020-01-01T00:00:00Z"}
    assert api.post(base, body).json()["errors"][0]["field"] == "ends_at"
    body["ends_at"] = (datetime.fromisoformat(taken["free_from"]) + HOUR).isoformat()
    planned = api.post(base, body)
    assert (planned.status_code, planned.json()["stage"]) == (201, "planned")
    assert [row["id"] for row in api.get(base).json()["results"]] == [planned.json()["id"]]
    work = f"/api/v1/operations/maintenance/{planned.json()['id']}"
    later = datetime.fromisoformat(taken["free_from"]) + timedelta(hours=2)
    assert datetime.fromisoformat(api.post(f"{work}/extend", {"ends_at": later.isoformat()}).json()["ends_at"]) == later
    assert api.post(f"{work}/finish").json()["stage"] == "planned"
    assert api.post(f"{work}/cancel").json()["stage"] == "cancelled"


def test_the_api_refuses_staff_without_a_second_factor(node: Node) -> None:
    user = factories.a_user(is_staff=True, is_superuser=True)
    client = APIClient()
    client.force_login(user)
    assert client.get("/api/v1/operations/nodes").json()["code"] == "second_factor_missing"
    assert client.put("/api/v1/operations/nodes").status_code == 405


# From the admin


def act(browser: Browser, action: str, *nodes: Node, reason: str = "") -> str:
    chosen = {"action": action, "reason": reason, "_selected_action": [node.pk for node in nodes]}
    return text(browser.post("/admin/marketplace/node/", chosen, follow=True))


def test_several_nodes_are_cordoned_drained_and_verified_from_their_list(staff: Browser, node: Node) -> None:
    other = factories.a_node(node.pool)
    assert "Say why" in act(staff, "cordon_nodes", node, other)
    assert "is cordoned." in act(staff, "cordon_nodes", node, other, reason="Loud.")
    assert Node.objects.filter(cordon_reason="Loud.").count() == 2
    assert "is not cordoned." in act(staff, "uncordon_nodes", node)
    assert "is being drained." in act(staff, "drain_nodes", node, reason="Old.")
    assert "was left alone" in act(staff, "drain_nodes", node, reason="Old.")
    assert "is quarantined." in act(staff, "quarantine_nodes", node, reason="Odd.")
    assert "is being verified." in act(staff, "verify_nodes", node)
    in_the_admin = staff.get(f"/admin/marketplace/node/{node.pk}/change/").content.decode()
    assert f'href="/operations/fleet/nodes/{node.public_id}/"' in in_the_admin
