"""What the API answers while something is booked is what its OpenAPI document says: clients are made from that."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from accounts.operations import hold_ordering, release_ordering
from billing import waiting
from marketplace.models import Offer
from tests import factories
from tests.billing.test_api import an_order
from tests.leasing.test_firm_power import a_limit

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


@pytest.fixture
def call(api: APIClient) -> Call:
    """Sends a request, and compares its answer with the document."""
    document = api.get("/api/v1/schema/", {"format": "json"}).json()
    assert '"nullable"' not in str(document).replace("'", '"')  # a word of OpenAPI 3.0, which 3.1 does not know

    def send(method: str, path: str, body: Any = None, *, id: str = "", query: Any = None) -> Any:
        address, key = f"/api/v1/{path}".replace("{id}", id), f"{method} {path} {id}"
        asked = api.get(address, query) if method == "get" else _posted(api, method, address, body, key)
        described = document["paths"][f"/api/v1/{path}"][method]["responses"]
        (content,) = described.get(str(asked.status_code), described["default"])["content"].values()
        schema = {**content["schema"], "components": document["components"]}
        answer = asked.json()
        assert [error.message for error in Draft202012Validator(schema).iter_errors(answer)] == [], address
        return answer

    return send


def _posted(api: APIClient, method: str, address: str, body: Any, key: str) -> Any:
    return getattr(api, method)(address, body or {}, format="json", headers={"Idempotency-Key": key})


def hour(number: int) -> str:
    return f"{now() + timedelta(hours=number):%Y-%m-%dT%H:00:00Z}"


def test_what_can_be_booked(call: Call, reserved: Offer) -> None:
    for path in ("offers", "plans", "limits", "earliest"):
        assert call("get", path)
    for path in ("offers/{id}", "offers/{id}/windows", "offers/{id}/calendar"):
        assert call("get", path, id=reserved.public_id)


def test_a_lease_from_its_price_to_its_end(call: Call, acme: Organization, reserved: Offer) -> None:
    call("post", "budgets", {"limit_micros": 10**9})
    wish = {"offer": reserved.public_id, "nodes": 2, "starts_at": hour(30), "ends_at": hour(33)}
    quote = call("post", "quotes", wish)
    assert call("get", "quotes") and call("get", "quotes/{id}", id=quote["id"])
    assert len(call("get", "quotes/{id}/budgets", id=quote["id"])) == 1
    lease = call("post", "leases", an_order(acme, quote))["id"]
    assert call("get", "leases/{id}/extension", id=lease, query={"ends_at": hour(34)})["price"]
    call("post", "leases/{id}/extend", {"ends_at": hour(34)}, id=lease)
    call("post", "leases/{id}/auto-extend", {"seconds": 3600, "max_micros_per_node_hour": 10**9}, id=lease)
    call("get", "leases/{id}/hand-back", id=lease, query={"ends_at": hour(32)})
    call("post", "leases/{id}/shorten", {"ends_at": hour(32)}, id=lease)
    call("post", "leases/{id}/rename", {"name": "another"}, id=lease)
    call("post", "leases/{id}/project", {"project": "lab"}, id=lease)
    later = call("post", "quotes", {**wish, "starts_at": hour(40), "ends_at": hour(42)})
    assert call("post", "leases/{id}/move", {"quote": later["id"]}, id=lease)["starts_at"] == hour(40)
    assert call("post", "leases/{id}/return", id=lease)["state"] == "cancelled"
    for path in ("", "/transitions", "/usage", "/intervals", "/receipt", "/events", "/hand-back"):
        call("get", f"leases/{{id}}{path}", id=lease)
    for path in ("leases", "budgets", "wallet"):
        call("get", path)


def test_a_place_in_line(call: Call, reserved: Offer) -> None:
    wish = {"mode": "tell", "criteria": {"plan": "reserved"}, "length_seconds": 3600, "latest_at": hour(48)}
    order = call("post", "standing-orders", wish)["id"]
    assert call("get", "standing-orders") and call("get", "standing-orders/{id}", id=order)
    assert call("post", "standing-orders/{id}/cancel", id=order)["state"] == "cancelled"


def test_refusals(call: Call, acme: Organization, reserved: Offer) -> None:
    assert call("post", "quotes", {"offer": "of_none"})["code"] == "validation_error"
    wish = {"offer": reserved.public_id, "nodes": 9, "starts_at": hour(30), "ends_at": hour(33)}
    factories.a_key(acme)
    assert call("post", "leases", an_order(acme, call("post", "quotes", wish)))["code"] == "nodes_taken"
    assert call("get", "leases/{id}", id="ls_none")["code"] == "not_found"


def test_refusals_beyond_a_limit(
    call: Call, acme: Organization, reserved: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_WAITING", 0)
    wish = {"mode": "tell", "criteria": {"plan": "reserved"}, "length_seconds": 3600, "latest_at": hour(48)}
    assert call("post", "standing-orders", wish)["code"] == "standing_order_limit_reached"
    assert call("get", "earliest", query={"hours": 8760})["code"] == "validation_error"
    window = {"offer": reserved.public_id, "nodes": 1, "starts_at": hour(30), "ends_at": hour(33)}
    lease = call("post", "leases", an_order(acme, call("post", "quotes", window)))["id"]
    hold_ordering(organization=acme, reason="stolen card?", actor="user:us_staff", now=now())
    assert call("post", "quotes", {**window, "hold": True})["code"] == "ordering_blocked"
    a_limit(reserved.pool.site, 0)
    release_ordering(organization=acme, reason="it was not", actor="user:us_staff", now=now())
    assert call("post", "leases/{id}/extend", {"ends_at": hour(34)}, id=lease)["code"] == "power_taken"
