"""A retry never makes a second effect: key and effect commit together."""

from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import APIToken, Event, IdempotencyKey, Organization, User
from accounts.operations import create_organization
from accounts.tasks import forget_idempotency_keys
from tests.accounts.cast import a_client, a_token
from tests.together import together

pytestmark = pytest.mark.urls("tests.accounts.retry_urls")


def post(script: APIClient, key: str = "k1", path: str = "/effects", **body: Any) -> Any:
    return script.post(path, body, headers={"Idempotency-Key": key} if key else {})


def effects() -> int:
    return Event.objects.filter(kind="effect").count()


def test_the_same_call_again_gets_the_same_answer_and_no_second_effect(api: APIClient) -> None:
    first, again = post(api, size=1), post(api, size=1)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert effects() == 1


def test_the_order_of_members_in_the_body_does_not_matter_but_their_values_do(api: APIClient) -> None:
    first = post(api, a=1, b={"x": 1, "y": 2})
    assert post(api, b={"y": 2, "x": 1}, a=1).json() == first.json()
    for other in (post(api, a=1, b={"x": 1}), post(api, path="/other-effects", a=1, b={"x": 1, "y": 2})):
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert effects() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "tab\tkey"])
def test_without_a_usable_key_nothing_is_done(api: APIClient, key: str) -> None:
    answer = post(api, key)
    assert answer.status_code == 400
    assert answer.json()["code"] == ("idempotency_key_invalid" if key else "idempotency_key_required")
    assert effects() == 0


@pytest.mark.parametrize(("outcome", "status"), [("declined", 402), ("taken", 409)])
def test_a_refusal_is_not_kept_so_that_the_same_key_may_try_again(api: APIClient, outcome: str, status: int) -> None:
    assert [post(api, outcome=outcome).status_code for _ in range(2)] == [status, status]
    assert (effects(), IdempotencyKey.objects.count()) == (0, 0)
    assert post(api).status_code == 201


def test_a_crash_undoes_key_and_effect_alike(api: APIClient) -> None:
    with pytest.raises(ZeroDivisionError):
        post(api, outcome="crash")
    assert (effects(), IdempotencyKey.objects.count()) == (0, 0)
    assert post(api).status_code == 201


def test_keys_of_different_callers_are_different_keys(api: APIClient, acme: Organization, eli: User, sam: User) -> None:
    colleague = a_client(a_token(acme, eli))
    stranger = a_client(a_token(sam.organizations.get(), sam))
    assert len({post(script).json()["id"] for script in (api, colleague, stranger)}) == 3


def test_who_may_not_do_it_leaves_no_key_behind(acme: Organization, fay: User) -> None:
    assert post(a_client(a_token(acme, fay))).status_code == 403
    assert not IdempotencyKey.objects.exists()


def test_old_keys_are_forgotten_and_young_ones_kept(api: APIClient) -> None:
    post(api, "old")
    IdempotencyKey.objects.update(created_at="2020-01-01T00:00:00Z")
    post(api, "young")
    forget_idempotency_keys()
    assert IdempotencyKey.objects.get().key == "young"


def test_the_schema_asks_for_the_key_where_it_is_needed(client: Client, db: None) -> None:
    paths = client.get("/api/v1/schema/", {"format": "json"}).json()["paths"]
    assert paths["/effects"]["post"]["parameters"][0] == {
        "in": "header",
        "name": "Idempotency-Key",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "required": True,
        "description": "A fresh random value for each new request; the same one when a request is retried.",
    }
    assert "parameters" not in paths["/unguarded-effects"]["post"]


def committed_token() -> str:
    user = User.objects.create_user("ada@example.com")
    return a_token(create_organization(name="Acme", owner=user, now=now()), user)


@pytest.mark.django_db(transaction=True)
def test_without_the_guard_ten_calls_have_ten_effects() -> None:
    token = committed_token()
    together(10, lambda number: post(a_client(token), path="/unguarded-effects"))
    assert effects() == 10


@pytest.mark.django_db(transaction=True)
def test_fifty_calls_at_once_with_one_key_have_one_effect() -> None:
    token = committed_token()
    answers = together(50, lambda number: post(a_client(token), size=3))
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    made = {answer.content for answer in answers if isinstance(answer, Response) and answer.status_code == 201}
    statuses = {answer.status_code for answer in answers if isinstance(answer, Response)}
    assert (effects(), len(made)) == (1, 1)
    assert statuses <= {201, 409}
    assert post(a_client(token), size=3).headers["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_while_the_first_call_runs_the_second_is_told_to_come_back() -> None:
    token = committed_token()
    claimed, finish = Signal(), Signal()

    def first_call() -> None:
        row = APIToken.objects.get()
        with transaction.atomic():
            IdempotencyKey.objects.create(
                organization=row.organization, actor=f"token:{row.public_id}", key="k1", request_hash="first"
            )
            claimed.set()
            finish.wait(30)
            transaction.set_rollback(True)
        connection.close()

    running = Thread(target=first_call)
    running.start()
    assert claimed.wait(30)
    second = post(a_client(token))
    finish.set()
    running.join()
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
    assert second.headers["Retry-After"] == "1"
    assert effects() == 0
    assert post(a_client(token)).status_code == 201
