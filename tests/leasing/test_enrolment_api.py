"""The operator's API of enrolments."""

from typing import Any

import pytest
from django.test import Client

from accounts.clock import now
from accounts.models import Organization
from leasing.models import Enrolment
from marketplace.states import NodeState
from tests import factories
from tests.leasing.conftest import enrol_all
from tests.leasing.scripted import Scripted

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/operations/enrolments"


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    factories.a_site("macon")
    factories.a_plan()
    factories.a_node_type()


def body(**changed: Any) -> dict[str, Any]:
    wanted = {
        "site": "macon",
        "name": "macon-h100x8-9001",
        "plan": "on_demand",
        "address": "10.4.0.17",
        "password": "first-login",
        "node_type": "h100x8",
        "micros_per_node_hour": 19_200_000,
    }
    return {**wanted, **changed}


def post(client: Client, path: str = ADDRESS, **changed: Any) -> Any:
    return client.post(path, body(**changed), content_type="application/json")


def test_a_host_is_asked_for_and_shown_until_it_is_a_node(staff_browser: Client, inspector: Scripted) -> None:
    answer = post(staff_browser)
    made = answer.json()
    assert answer.status_code == 201
    assert (made["state"], made["provisioner"], made["node"], made["inspection"]) == ("reaching", "podman", None, None)
    assert "first-login" not in answer.content.decode() and "credentials" not in made
    enrol_all(now=now())
    shown = staff_browser.get(f"{ADDRESS}/{made['id']}").json()
    assert (shown["state"], shown["node_type"], shown["differences"]) == ("passed", "h100x8", [])
    assert shown["node"].startswith("nd_") and shown["inspection"]["measures"]["matmul"] == 700.0
    assert [row["id"] for row in staff_browser.get(ADDRESS).json()["results"]] == [made["id"]]
    assert factories.a_pool(0, provisioner="podman").nodes.get().state == NodeState.AVAILABLE


def test_differences_are_told_part_by_part(staff_browser: Client, inspector: Scripted) -> None:
    inspector.without(vcpus=2)
    made = post(staff_browser).json()
    enrol_all(now=now())
    shown = staff_browser.get(f"{ADDRESS}/{made['id']}").json()
    assert shown["differences"] == [{"part": "vCPUs", "promised": "224", "found": "2"}]
    assert shown["reason"] == "wrong_hardware" and not shown["inspection"]["passed"]


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"site": "atlantis"}, "site", "atlantis"),
        ({"address": "10.4.0.17:22"}, "address", "without a port"),
        ({"micros_per_node_hour": None}, "micros_per_node_hour", "There is no price yet"),
        ({"provisioner": "fake"}, "provisioner", "not a valid choice"),
        ({"pasword": "x"}, "pasword", "Unknown field"),
    ],
)
def test_a_bad_request_names_the_field(staff_browser: Client, changed: dict[str, Any], field: str, words: str) -> None:
    answer = post(staff_browser, **changed)
    assert answer.status_code == 400
    assert words in str(answer.json()["errors"]) and field in str(answer.json()["errors"])
    assert not Enrolment.objects.exists()


def test_an_enrolment_is_withdrawn_once(staff_browser: Client) -> None:
    made = post(staff_browser).json()
    address = f"{ADDRESS}/{made['id']}/withdraw"
    assert staff_browser.post(address).json()["state"] == "withdrawn"
    answer = staff_browser.post(address)
    assert (answer.status_code, answer.json()["code"]) == (409, "enrolment_over")


def test_customers_and_strangers_are_refused(client: Client, acme: Organization) -> None:
    assert client.get(ADDRESS).status_code == 401
    member = acme.members.first()
    assert member is not None
    client.force_login(member)
    for answer in (client.get(ADDRESS), post(client)):
        assert (answer.status_code, answer.json()["code"]) == (403, "operator_only")
