"""One key, one effect; the first answer is replayed, whatever it was."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.standins.stripe.conftest import client_of, order, paid_charge
from tests.stripe_standin import StripeStandin


def create(client: stripe.StripeClient, key: str, email: str = "ada@example.com") -> stripe.Customer:
    return client.v1.customers.create({"email": email}, {"idempotency_key": key})


def headers(item: Any) -> Any:
    return item.last_response.headers


def test_the_same_key_and_parameters_replay_the_first_answer(client: stripe.StripeClient) -> None:
    first, second = create(client, "same"), create(client, "same")
    assert second.to_dict() == first.to_dict()
    assert "Idempotent-Replayed" not in headers(first) and headers(second)["Idempotent-Replayed"] == "true"
    assert headers(first)["Request-Id"] != headers(second)["Request-Id"]


def test_the_same_key_with_other_parameters_is_refused(client: stripe.StripeClient) -> None:
    create(client, "other")
    with pytest.raises(stripe.IdempotencyError) as refused:
        create(client, "other", "grace@example.com")
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.checkout.sessions.create(order(), {"idempotency_key": "other"})


def test_a_server_error_is_replayed_although_the_request_was_executed(
    standin: StripeStandin, client: stripe.StripeClient
) -> None:
    standin.faults(path="/v1/customers", mode="apply_then_500")
    for _ in range(3):
        with pytest.raises(stripe.APIError) as failed:
            create(client, "sticky", "sticky@example.com")
        assert failed.value.http_status == 500
    assert len(client.v1.customers.list({"email": "sticky@example.com"}).data) == 1


def test_a_request_that_never_parsed_leaves_its_key_free(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"bogus": 1}, {"idempotency_key": "typo"})  # type: ignore[arg-type]
    assert create(client, "typo").email == "ada@example.com"


def test_a_rate_limited_request_leaves_its_key_free(standin: StripeStandin, client: stripe.StripeClient) -> None:
    standin.faults(path="/v1/customers", mode="429")
    with pytest.raises(stripe.RateLimitError):
        create(client, "limited")
    assert create(client, "limited").id


def test_a_key_in_use_is_a_conflict(standin: StripeStandin) -> None:
    standin.faults(path="/v1/customers", mode="delay", seconds=1.5)
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(create, client_of(standin), "busy") for _ in range(4)]
        failures = [error for each in tries if (error := each.exception())]
    assert len(failures) == 3
    assert all(isinstance(e, stripe.APIError) and e.http_status == 409 for e in failures)
    assert create(client_of(standin), "busy").id == next(each.result().id for each in tries if not each.exception())


def test_a_closed_connection_after_the_effect_ends_in_one_object_when_retried(standin: StripeStandin) -> None:
    patient = client_of(standin, retries=2)
    standin.faults(path="/v1/customers", mode="apply_then_close")
    assert headers(create(patient, "closed", "closed@example.com"))["Idempotent-Replayed"] == "true"
    assert len(patient.v1.customers.list({"email": "closed@example.com"}).data) == 1


def test_a_forgotten_key_makes_a_new_request(standin: StripeStandin, client: stripe.StripeClient) -> None:
    first = create(client, "pruned")
    standin.forget_keys()
    assert create(client, "pruned").id != first.id


def test_a_refusal_of_the_endpoint_is_replayed_too(standin: StripeStandin, client: stripe.StripeClient) -> None:
    charge = paid_charge(standin, client)
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.refunds.create({"charge": charge, "amount": 9_999_999}, {"idempotency_key": "too much"})
    assert refused.value.headers is not None and refused.value.headers["Idempotent-Replayed"] == "true"


def test_a_wrong_fault_says_what_there_is(standin: StripeStandin) -> None:
    with pytest.raises(Exception, match="400"):
        standin.faults(path="/v1/refunds", mode="explode")
