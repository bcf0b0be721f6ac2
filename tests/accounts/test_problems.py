"""Errors of the API have one form, name the field and say the way out."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver, reverse
from rest_framework import exceptions
from rest_framework.serializers import DateTimeField
from rest_framework.test import APIClient

from accounts.http.problems import handle, server_error
from accounts.http.serializers import Moment, StrictSerializer
from accounts.models import Organization

TYPE = "application/problem+json"


def test_a_field_that_is_wrong_is_named_with_its_path() -> None:
    detail: Any = {"name": ["Too long."], "machines": [{}, {"port": ["Not a port."]}], "tags": {"0": ["Bad."]}}
    answer = handle(exceptions.ValidationError(detail), {})
    assert answer is not None
    assert answer.data["errors"] == [
        {"field": "name", "message": "Too long."},
        {"field": "machines.1.port", "message": "Not a port."},
        {"field": "tags.0", "message": "Bad."},
    ]
    assert answer.data["status"] == answer.status_code == 400
    assert "machines.1.port: Not a port." in answer.data["detail"]


def test_an_error_of_the_whole_request_has_no_field() -> None:
    answer = handle(exceptions.ValidationError("Choose one."), {})
    assert answer is not None
    assert answer.data["errors"] == [{"field": "", "message": "Choose one."}]


def test_what_is_not_there_is_a_problem_under_api_and_a_page_elsewhere(api: APIClient, client: Client) -> None:
    for path in ("/api/v1/nothing", "/api/v1/ssh-keys/sk_none"):
        answer = api.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, TYPE)
        assert answer.json()["code"] == "not_found"
    page = client.get("/nothing/")
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/v1/ssh-keys/sk_%00", "/keys/sk_%00/remove/", "/%00"])
def test_no_address_has_a_nul_character(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "sent", "field"),
    [
        ("/keys/?next=a%00", None, "next"),
        ("/api/v1/offers?site=ma%00con", None, "site"),
        ("/keys/add/", {"name": "mine", "public_key": "\0"}, "public_key"),
        ("/admin/login/", {"username": "x", "na\0me": "x"}, "na␀me"),
        ("/api/v1/ssh-keys", {"name": "a\0", "public_key": "x"}, "name"),
        ("/api/v1/standing-orders", {"criteria": {"site": ["\0"]}}, "criteria.site.0"),
        ("/api/v1/standing-orders", {"environment": {"A\0": "x"}}, "environment.A␀"),
    ],
)
def test_a_nul_character_is_refused_naming_its_field(
    api: APIClient, client: Client, path: str, sent: dict[str, Any] | None, field: str
) -> None:
    asked: Any = api if "/api/" in path else client
    answer = asked.get(path) if sent is None else asked.post(path, sent, headers={"Idempotency-Key": "once"})
    assert answer.status_code == 400
    if "/api/" in path:
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    else:
        assert f"{field}: A NUL character" in answer.content.decode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (r'{"name": "\ud800", "public_key": "x"}', "name"),
        (r'{"name": "\uDE80\uD83D", "public_key": "x"}', "name"),
        (r'{"na\ud800me": "x"}', "na\ufffdme"),
        (r'{"environment": {"\udfff": "x"}}', "environment.\ufffd"),
    ],
)
def test_half_of_a_character_is_refused_naming_its_field(api: APIClient, body: str, field: str) -> None:
    answer = api.post("/api/v1/ssh-keys", body, content_type="application/json")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == field and error["message"].startswith("Half of a character")


def test_a_character_of_two_halves_is_whole(api: APIClient) -> None:
    answer = api.post(
        "/api/v1/tokens", r'{"name": "\ud83d\ude80", "scopes": ["lease:read"]}', content_type="application/json"
    )
    assert answer.json()["name"] == "🚀"


def strict(kind: type[StrictSerializer] = StrictSerializer) -> Iterator[type[StrictSerializer]]:
    for below in kind.__subclasses__():
        yield below
        yield from strict(below)


def test_no_moment_of_a_request_is_without_a_zone() -> None:
    assert get_resolver().url_patterns  # so that all of them are there
    fields = {f"{kind.__name__}.{name}": field for kind in strict() for name, field in kind().fields.items()}
    moments = {name: field for name, field in fields.items() if isinstance(field, DateTimeField)}
    assert len(moments) >= 15
    assert [name for name, field in moments.items() if not isinstance(field, Moment)] == []


def test_a_crash_is_a_problem_under_api_and_tells_nothing(rf: Client) -> None:
    answer = server_error(rf.get("/api/v1/leases"))  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, TYPE)
    assert json.loads(answer.content)["code"] == "internal_error"
    assert server_error(rf.get("/leases/")).headers["Content-Type"].startswith("text/html")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "parse_error"),
        ("[" * 100_000, "application/json", 400, "parse_error"),
        ('{"name": "' + "x" * 1_100_000 + '"}', "application/json", 413, "body_too_large"),
        ("name=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ('["a", "list"]', "application/json", 400, "validation_error"),
        ('{"name": "a\\u0000b", "public_key": "x"}', "application/json", 400, "validation_error"),
        ('{"name": "\\ud800", "public_key": "x"}', "application/json", 400, "validation_error"),
    ],
)
def test_a_body_that_is_no_good_is_refused(api: APIClient, body: str, kind: str, status: int, code: str) -> None:
    answer = api.post("/api/v1/ssh-keys", body, content_type=kind)
    assert (answer.status_code, answer.json()["code"], answer.headers["Content-Type"]) == (status, code, TYPE)


def test_a_method_that_does_not_exist_is_405(api: APIClient) -> None:
    assert api.options("/api/v1/events").status_code == 200
    assert api.trace("/api/v1/events").status_code in (403, 405)


def test_too_many_calls_are_told_when_to_come_back(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.http.throttles.Writes.rate", "2/min")
    answers = [api.post("/api/v1/ssh-keys", {}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 61
    assert answers[2].json()["code"] == "throttled"
    wait = answers[2].headers["Retry-After"]
    assert answers[2].json()["detail"] == f"Too many requests: 2 a minute are allowed. Try again in {wait} seconds."
    assert api.get("/api/v1/ssh-keys").status_code == 200


@pytest.mark.parametrize("size", ["0", "201", "-1", "many", "1.5", "²"])
def test_a_page_has_1_to_200_rows(api: APIClient, size: str) -> None:
    answer = api.get("/api/v1/tokens", {"page_size": size})
    assert answer.json()["errors"][0]["field"] == "page_size"


def test_pages_follow_one_another_without_gap_or_repeat(api: APIClient, acme: Organization) -> None:
    made = {api.post("/api/v1/tokens", {"name": f"t{n}", "scopes": ["lease:read"]}).json()["id"] for n in range(5)}
    seen, address = [], "/api/v1/tokens?page_size=2"
    while address:
        page = api.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]
    assert len(seen) == len(set(seen)) == 6
    assert made < set(seen)


def test_the_schema_is_whole_and_names_both_ways_in(client: Client, db: None) -> None:
    answer = client.get(reverse("schema"), {"format": "json"})
    schema = answer.json()
    assert set(schema["components"]["securitySchemes"]) == {"token", "session"}
    problem = schema["paths"]["/api/v1/ssh-keys"]["post"]["responses"]["default"]
    assert list(problem["content"]) == [TYPE]


def test_with_the_cache_down_calls_still_go_through(api: APIClient, settings: Any) -> None:
    working = settings.CACHES
    settings.CACHES = {"default": {**working["default"], "LOCATION": "redis://127.0.0.1:1"}}
    assert api.get("/api/v1/ssh-keys").status_code == 200
    settings.CACHES = working
