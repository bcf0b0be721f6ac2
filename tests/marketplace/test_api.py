"""The catalogue in the API: open to everybody, in the shape that the documentation says, with errors that help."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.http.throttles import Reads
from marketplace.models import Pool
from marketplace.queries import Criteria, Sort, find, rows
from marketplace.queries.terms import remember
from marketplace.serializers import OfferShown, listing
from tests.factories import HOUR, NOON
from tests.marketplace.conftest import Fair

pytestmark = pytest.mark.django_db


def get(path: str, **query: Any) -> Any:
    return APIClient().get(f"/api/v1/{path}", query)


def errors(path: str, **query: Any) -> dict[str, str]:
    answer = get(path, **query)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


def test_anybody_finds_offers_with_price_place_and_free_nodes(fair: Fair) -> None:
    (found,) = get("offers", gpu_model="l4").json()["results"]
    named = ("gpu_model", "gpu_count", "gpu_memory_gb", "gpu_memory_total_gb")
    assert (found["id"], found["plan"]) == (fair.small.public_id, "on_demand")
    assert (found["provisioner"], found["simulated"]) == ("sandbox", True)
    assert (found["micros_per_node_hour"], found["micros_per_gpu_hour"]) == (500_000, 500_000)
    assert (found["free"], found["nodes_total"]) == (1, 1)
    assert abs(datetime.fromisoformat(found["free_from"]) - now()) < timedelta(minutes=1)
    assert [found["node_type"][name] for name in named] == ["l4", 1, 24, 24]
    assert [found["site"][name] for name in ("slug", "country", "gco2_per_kwh", "renewable_percent")] == [
        "macon", "US", 380, 12,
    ]  # fmt: skip


def test_each_filter_reaches_the_search(fair: Fair) -> None:
    Pool.objects.filter(pk=fair.green.pool_id).update(provisioner="sandbox")
    wanted = {
        "plan": "on_demand", "gpu_model": "h100-sxm", "gpus": 4, "gpu_memory_gb": 80, "region": "south_america",
        "site": "itaipu", "provisioner": "sandbox", "nodes": 3, "max_micros_per_node_hour": 4_000_000,
        "renewable_share": 100,
    }  # fmt: skip
    assert [offer["id"] for offer in get("offers", **wanted).json()["results"]] == [fair.green.public_id]


def test_the_list_comes_in_pages_that_name_the_next(fair: Fair) -> None:
    first = get("offers", page_size=3, sort="node_price").json()
    last = APIClient().get(first["next"]).json()
    assert (first["count"], first["previous"], last["next"]) == (4, None, None)
    assert [row["micros_per_node_hour"] for row in first["results"] + last["results"]] == [
        500_000, 3_000_000, 3_600_000, 4_000_000,
    ]  # fmt: skip


@pytest.mark.parametrize("sort", Sort.values)
def test_a_ceiling_leaves_full_pages_in_the_wanted_order_and_counts_only_what_is_below_it(
    fair: Fair, sort: str
) -> None:
    everything = get("offers", sort=sort).json()["results"]
    below = [row["id"] for row in everything if row["micros_per_node_hour"] <= 3_600_000]
    pages = [get("offers", sort=sort, max_micros_per_node_hour=3_600_000, page_size=2).json()]
    while pages[-1]["next"]:
        pages.append(APIClient().get(pages[-1]["next"]).json())
    assert [len(page["results"]) for page in pages] == [2, 1], "one is dearer"
    assert {page["count"] for page in pages} == {3}
    assert [row["id"] for page in pages for row in page["results"]] == below


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("gpus", "9", "from 1 to 8"),
        ("nodes", "0", "from 1 to 256"),
        ("nodes", "many", "from 1 to 256"),
        ("page_size", "201", "from 1 to 200"),
        ("offset", "-1", "from 0 to"),
        ("renewable_share", "101", "from 0 to 100"),
        ("region", "mars", "one of: north_america"),
        ("sort", "beauty", "one of: price"),
        ("plan", "free", "/api/v1/plans lists them"),
        ("gpu_model", "abacus", "There is no GPU model “abacus”. GET /api/v1/gpu-models lists them"),
        ("site", "atlantis", "/api/v1/sites lists them"),
        ("starts_at", "tomorrow", "2026-03-02T12:00:00Z"),
        ("starts_at", "2036-03-02T12:00:00", "Say the zone"),
        ("starts_at", "2096-03-02T12:00:00Z", "60 days ahead"),
        ("ends_at", "2016-03-02T12:00:00Z", "after now"),
        ("ends_at", "9999-12-31T23:59:59Z", "2000 to 2199"),
        ("colour", "green", "Unknown field. Known here: ends_at, gpu_memory_gb"),
    ],
)
def test_a_bad_parameter_is_answered_with_its_name_its_limit_and_the_way_out(
    fair: Fair, field: str, value: str, says: str
) -> None:
    assert says in errors("offers", **{field: value})[field]


def test_all_that_is_wrong_is_said_at_once(fair: Fair) -> None:
    assert set(errors("offers", gpus="x", region="mars", colour="green")) == {"gpus", "region", "colour"}


def test_an_end_before_the_start_is_refused(fair: Fair) -> None:
    start, end = now() + timedelta(days=2), now() + timedelta(days=1)
    assert "after the start" in errors("offers", starts_at=start.isoformat(), ends_at=end.isoformat())["ends_at"]


def test_one_offer_is_shown_for_the_asked_nodes_and_period(fair: Fair) -> None:
    found = get(f"offers/{fair.big_reserved.public_id}", nodes=3).json()
    assert (found["free"], found["free_from"], found["nodes_total"]) == (2, None, 2)
    assert errors(f"offers/{fair.big.public_id}", nodes=257)["nodes"] == "Must be a whole number from 1 to 256."


def test_an_offer_that_is_unknown_or_off_the_list_is_not_there(fair: Fair) -> None:
    fair.small.listed = False
    fair.small.save()
    for path in ("offers/of_unknown", f"offers/{fair.small.public_id}", f"offers/{fair.small.public_id}/windows"):
        answer = get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_windows_of_an_offer_reach_two_weeks_unless_asked_otherwise(fair: Fair) -> None:
    found = get(f"offers/{fair.big.public_id}/windows", nodes=2).json()
    starts_at, until = datetime.fromisoformat(found["starts_at"]), datetime.fromisoformat(found["until"])
    assert (found["offer"], found["nodes"], until - starts_at) == (fair.big.public_id, 2, timedelta(days=14))
    assert found["windows"] == [{"starts_at": found["starts_at"], "ends_at": found["until"]}]


def test_windows_are_looked_for_at_most_sixty_days_ahead(fair: Fair) -> None:
    late = (now() + timedelta(days=61)).isoformat()
    assert "within 60 days" in errors(f"offers/{fair.big.public_id}/windows", until=late)["until"]


@pytest.mark.parametrize(
    ("path", "slugs"),
    [
        ("sites", ["itaipu", "macon"]),
        ("gpu-models", ["h100-sxm", "l4"]),
        ("node-types", ["h100x4", "h100x8", "l4x1"]),
        ("images", []),
        ("plans", ["on_demand", "reserved"]),
    ],
)
def test_what_offers_are_made_of_is_listed(fair: Fair, path: str, slugs: list[str]) -> None:
    found = get(path).json()
    assert set(found) == {"next", "previous", "results"}
    assert [row["slug"] for row in found["results"]] == slugs


def test_anonymous_callers_share_the_calls_of_their_address(fair: Fair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reads, "rate", "2/min")
    client = APIClient()
    statuses = [client.get("/api/v1/plans").status_code for _ in range(3)]
    elsewhere = client.get("/api/v1/plans", REMOTE_ADDR="192.0.2.7").status_code
    assert (statuses, elsewhere) == ([200, 200, 429], 200)


@pytest.mark.parametrize("wanted", [Criteria(), Criteria(nodes=3), Criteria(starts_at=NOON + HOUR, plan="reserved")])
def test_a_page_of_offers_says_each_as_the_offer_itself_is_shown(fair: Fair, wanted: Criteria) -> None:
    hits = find(criteria=wanted, now=NOON)
    one_by_one = OfferShown(rows(hits=hits, criteria=wanted, now=NOON), many=True).data
    rendered = JSONRenderer().render(listing(hits=hits, criteria=wanted, now=NOON))
    assert hits and json.loads(rendered) == json.loads(JSONRenderer().render(one_by_one))


def test_a_page_of_offers_takes_a_fixed_number_of_queries(fair: Fair) -> None:
    remember()
    with CaptureQueriesContext(connection) as queries:
        assert get("offers").status_code == 200
    assert len(queries) == 5  # the clock, offers; then the page's free nodes, counted further, its places and stock
