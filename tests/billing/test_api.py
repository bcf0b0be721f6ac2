"""Money and orders as an API client sees them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization, User
from billing import metering
from billing.models import Payment, Quote
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from tests import factories
from tests.accounts.cast import a_client, a_token
from tests.billing.conftest import funded, give, running

pytestmark = pytest.mark.django_db
_number = iter(range(10**6))


@pytest.fixture
def stranger(db: None) -> APIClient:
    other = funded(100, "Stranger Ltd")
    owner = other.members.first()
    assert owner
    return a_client(a_token(other, owner))


def post(api: APIClient, path: str, body: dict[str, Any], key: str = "") -> Any:
    headers = {"Idempotency-Key": key or f"key-{next(_number)}"}
    return api.post(f"/api/v1/{path}", body, format="json", headers=headers)


def get(api: APIClient, path: str) -> Any:
    answer = api.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def a_quote(api: APIClient, offer: Offer, **more: Any) -> dict[str, Any]:
    answer = post(api, "quotes", {"offer": offer.public_id, **more})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def an_order(organization: Organization, quote: dict[str, Any], name: str = "training") -> dict[str, Any]:
    factories.an_image()
    key = factories.a_key(organization)
    return {"quote": quote["id"], "name": name, "ssh_keys": [key.public_id], "image": "base"}


def test_a_quote_becomes_a_lease(api: APIClient, acme: Organization, offer: Offer) -> None:
    quote = a_quote(api, offer, nodes=2)
    assert (quote["micros_per_node_hour"], quote["hold_micros"], quote["total_micros"]) == (3_600_000, 7_200_000, None)
    answer = post(api, "leases", an_order(acme, quote))
    assert answer.status_code == 201, answer.content
    lease = answer.json()
    assert (lease["state"], lease["charged_micros"], lease["held_micros"]) == ("provisioning", 0, 7_200_000)
    assert get(api, f"quotes/{quote['id']}")["lease"] == lease["id"]
    assert get(api, "wallet")["available_micros"] == 92_800_000


def test_receipt_usage_wallet_and_ledger_say_the_same(api: APIClient, acme: Organization, offer: Offer) -> None:
    begun = now() - timedelta(hours=3)
    row = running(acme, offer, now=begun, nodes=2)
    assert get(api, f"leases/{row.public_id}")["state"] == "active"
    end(lease=row, reason="returned", actor="user:us_tests", now=begun + timedelta(seconds=90))
    metering.meter(lease=row, upto=now(), now=now())

    receipt = get(api, f"leases/{row.public_id}/receipt")
    assert (receipt["seconds"], receipt["charged_micros"], receipt["final"]) == (90, 180_000, True)
    usage = get(api, f"leases/{row.public_id}/usage")["results"]
    assert sum(part["micros"] for part in usage) == 180_000
    assert get(api, "leases")["results"][0]["charged_micros"] == 180_000
    assert get(api, "wallet")["balance_micros"] == 99_820_000
    newest = get(api, "ledger")["results"][0]
    assert (newest["lease"], newest["kind"], newest["balance_micros"]) == (row.public_id, "usage", 99_820_000)


def test_an_order_needs_an_idempotency_key_and_a_retry_gets_the_first_answer(
    api: APIClient, acme: Organization, offer: Offer
) -> None:
    order = an_order(acme, a_quote(api, offer))
    assert api.post("/api/v1/leases", order, format="json").json()["code"] == "idempotency_key_required"
    first, second = post(api, "leases", order, "one"), post(api, "leases", order, "one")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Lease.objects.count() == 1


def test_an_order_without_money_says_how_much_is_missing(acme: Organization, api: APIClient, offer: Offer) -> None:
    give(acme, -99)
    answer = post(api, "leases", an_order(acme, a_quote(api, offer)))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (402, "insufficient_funds")
    assert (problem["needed_micros"], problem["available_micros"]) == (3_600_000, 1_000_000)
    assert problem["top_up_path"] == "/api/v1/top-ups"
    assert "$2.600000 are missing" in problem["detail"]


def test_a_lost_race_is_answered_with_the_next_windows(acme: Organization, api: APIClient, reserved: Offer) -> None:
    start = (now() + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    window = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=2)).isoformat()}
    assert post(api, "leases", an_order(acme, a_quote(api, reserved, nodes=3, **window))).status_code == 201
    answer = post(api, "leases", an_order(acme, a_quote(api, reserved, **window)))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "nodes_taken")
    assert datetime.fromisoformat(problem["windows"][0]["starts_at"]) > start
    for refused_with in problem["windows"]:  # cleaning ends off the hours that the plan starts on: each is as it stands
        assert post(api, "quotes", {"offer": reserved.public_id, "nodes": 1, **refused_with}).status_code == 201


def test_who_wants_more_nodes_than_there_are_is_sent_to_no_window(
    acme: Organization, api: APIClient, reserved: Offer
) -> None:
    start = (now() + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    window = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=2)).isoformat()}
    problem = post(api, "leases", an_order(acme, a_quote(api, reserved, nodes=4, **window))).json()
    assert (problem["code"], problem["windows"]) == ("nodes_taken", [])
    assert "quote fewer nodes, or another offer" in problem["detail"]


def test_the_windows_of_an_offer_can_be_quoted_as_they_stand(
    acme: Organization, api: APIClient, reserved: Offer
) -> None:
    start = (now() + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    taken = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=2)).isoformat()}
    post(api, "leases", an_order(acme, a_quote(api, reserved, nodes=3, **taken)))
    windows = api.get(f"/api/v1/offers/{reserved.public_id}/windows").json()["windows"]
    assert [datetime.fromisoformat(one["starts_at"]) for one in windows][-1] == start + timedelta(hours=3)
    for window in windows:
        assert post(api, "quotes", {"offer": reserved.public_id, "nodes": 1, **window}).status_code == 201


def test_a_quote_that_is_used_or_expired_says_so(acme: Organization, api: APIClient, offer: Offer) -> None:
    quote = a_quote(api, offer)
    lease = post(api, "leases", an_order(acme, quote)).json()
    used = post(api, "leases", an_order(acme, quote, name="again"))
    assert (used.status_code, used.json()["code"], used.json()["lease"]) == (409, "quote_used", lease["id"])
    old = a_quote(api, offer)
    Quote.objects.filter(public_id=old["id"]).update(expires_at=now())
    expired = post(api, "leases", an_order(acme, old))
    assert (expired.status_code, expired.json()["code"]) == (410, "quote_expired")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quote", "qt_unknown"),
        ("ssh_keys", ["sk_unknown"]),
        ("ssh_keys", []),
        ("image", "unknown"),
        ("name", ""),
        ("startup_script", "é" * 8193),
        ("colour", "red"),
    ],
)
def test_a_bad_order_names_its_field(
    acme: Organization, api: APIClient, offer: Offer, field: str, value: object
) -> None:
    answer = post(api, "leases", {**an_order(acme, a_quote(api, offer)), field: value})
    assert answer.status_code == 400
    assert [error["field"].partition(".")[0] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("offer", {"offer": "of_unknown"}),
        ("nodes", {"nodes": 0}),
        ("starts_at", {"starts_at": "2030-01-01T00:00:00Z"}),
        ("ends_at", {"ends_at": "tomorrow"}),
        ("ends_at", {"ends_at": "2030-01-01T00:00:00"}),
        ("ends_at", {"ends_at": "9999-12-31T23:59:59Z"}),
    ],
)
def test_a_bad_wish_names_its_field(api: APIClient, offer: Offer, field: str, wish: dict[str, Any]) -> None:
    answer = post(api, "quotes", {"offer": offer.public_id, **wish})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_what_is_not_yours_is_404_as_if_it_never_was(
    acme: Organization, api: APIClient, stranger: APIClient, offer: Offer
) -> None:
    quote = a_quote(api, offer)
    lease = post(api, "leases", an_order(acme, quote)).json()
    payment = post(api, "top-ups", {"amount_cents": 5000}).json()
    for path in (
        f"quotes/{quote['id']}",
        f"leases/{lease['id']}",
        f"leases/{lease['id']}/usage",
        f"leases/{lease['id']}/receipt",
        f"top-ups/{payment['id']}",
        "invoices/iv_none",
    ):
        assert stranger.get(f"/api/v1/{path}").status_code == 404, path
    for path in ("leases", "quotes", "top-ups", "refunds", "invoices"):
        assert get(stranger, path)["results"] == []
    assert len(get(stranger, "ledger")["results"]) == 1
    hijack = an_order(Organization.objects.get(name="Stranger Ltd"), quote)
    assert post(stranger, "leases", hijack).json()["errors"][0]["field"] == "quote"
    assert post(stranger, "leases", an_order(acme, quote)).json()["errors"][0]["field"] == "ssh_keys"


def test_a_top_up_begins_with_an_address_to_pay_at(api: APIClient) -> None:
    answer = post(api, "top-ups", {"amount_cents": 5000}, "one")
    again = post(api, "top-ups", {"amount_cents": 5000}, "one")
    assert answer.status_code == 201
    assert answer.json() == again.json()
    payment = Payment.objects.get()
    assert answer.json()["checkout_url"].endswith(f"/top-ups/{payment.public_id}/pay/")
    assert answer.json()["state"] == "pending"
    assert get(api, f"top-ups/{payment.public_id}")["id"] == payment.public_id


@pytest.mark.parametrize("body", [{"amount_cents": 999}, {"amount_cents": 12.5}, {"amount_cents": 5_000_001}, {}])
def test_a_bad_top_up_names_its_field(api: APIClient, body: dict[str, Any]) -> None:
    answer = post(api, "top-ups", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "amount_cents"


def test_a_gift_cannot_be_refunded(api: APIClient) -> None:
    assert get(api, "wallet")["refundable_cents"] == 0
    answer = post(api, "refunds", {"amount_cents": 1})
    assert answer.json()["errors"][0]["field"] == "amount_cents"


def test_the_preview_shows_the_running_month(api: APIClient) -> None:
    preview = get(api, "invoices/preview")
    assert (preview["total_cents"], preview["lines"]) == (0, [])


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("post", "quotes", "lease:write"),
        ("post", "leases", "lease:write"),
        ("get", "wallet", "money:read"),
        ("get", "ledger", "money:read"),
        ("post", "top-ups", "money:write"),
        ("post", "refunds", "money:write"),
    ],
)
def test_a_token_needs_the_scope(acme: Organization, ada: User, method: str, path: str, needed: str) -> None:
    weak = a_client(a_token(acme, ada, "org:read"))
    answer = getattr(weak, method)(f"/api/v1/{path}", {}, format="json", headers={"Idempotency-Key": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert needed in answer.json()["detail"]


def test_the_list_of_leases_takes_as_many_statements_for_ten_as_for_one(
    acme: Organization, api: APIClient, django_assert_max_num_queries: Any
) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=6))
    counts = []
    for wanted in (1, 5):
        for _ in range(wanted):
            assert post(api, "leases", an_order(acme, a_quote(api, offer))).status_code == 201
        with django_assert_max_num_queries(30) as captured:
            get(api, "leases")
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_an_order_asks_for_one_fabric_group_or_is_told_that_there_is_none(api: APIClient, acme: Organization) -> None:
    give(acme, 1_000)
    pool = factories.a_pool(nodes=0)
    for group in ("east", "west", "west", "north", ""):
        factories.a_node(pool, fabric_group=group)
    offer = factories.an_offer(pool)
    wish = {"offer": offer.public_id, "same_fabric": True}
    refused = post(api, "quotes", {**wish, "nodes": 3})
    assert (refused.status_code, "same_fabric" in refused.content.decode()) == (400, True)
    quotes = [post(api, "quotes", {**wish, "nodes": 2}).json() for _ in range(2)]
    assert quotes[0]["same_fabric"] is True
    image, key = factories.an_image().slug, factories.a_key(acme).public_id
    orders = [
        post(api, "leases", {"quote": quote["id"], "name": "train", "ssh_keys": [key], "image": image})
        for quote in quotes
    ]
    lease = orders[0].json()
    assert (lease["same_fabric"], {row["fabric_group"] for row in lease["machines"]}) == (True, {"west"})
    assert [row["hostname"] for row in lease["machines"]] == ["train-1", "train-2"]
    assert (orders[1].status_code, orders[1].json()["code"]) == (409, "nodes_scattered")
    (window,) = orders[1].json()["windows"]  # in the west again, once it is clean
    assert window["starts_at"] > lease["guaranteed_until"]


CAPS = {"budget_exceeded", "node_limit_reached", "ordering_blocked", "insufficient_funds"}
QUOTED = {"quote_used", "quote_expired", "nodes_taken", "power_taken"}


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("leases", CAPS | QUOTED | {"nodes_scattered"}),
        ("leases/{id}/move", CAPS | QUOTED | {"nodes_scattered", "window_fixed"}),
        ("leases/{id}/extend", CAPS | {"booked_behind", "price_too_high", "window_fixed"}),
        ("leases/{id}/shorten", {"window_fixed"}),
    ],
)
def test_the_description_names_every_refusal_that_programs_can_meet(
    client: Client, db: None, path: str, codes: set[str]
) -> None:
    paths = client.get("/api/v1/schema/", {"format": "json"}).json()["paths"]
    said = paths[f"/api/v1/{path}"]["post"]["description"]
    assert {code for code in codes if f"`{code}`" not in said} == set()
