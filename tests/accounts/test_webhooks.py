"""Events reach the addresses of customers: signed, once unless something breaks, and never for ever."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.core import mail
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import DeliveryState, Event, Organization, User, WebhookDelivery
from accounts.tasks import catch_up_webhooks, deliver_notices
from accounts.webhooks import endpoints, sending, signing, spreading
from accounts.webhooks.sending import Outcome
from tests.accounts.hooks import ACTOR, an_endpoint, happened, sweep, the_delivery, with_secret
from tests.accounts.receiver import Receiver, receiving, the_documented_check

DAY = timedelta(days=1)
verify = the_documented_check()


@pytest.fixture(scope="module")
def listening() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def receiver(listening: Receiver, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setattr(sending, "CALL_SECONDS", 0.3)
    listening.received.clear()
    return listening


def test_our_signature_is_the_one_of_the_specifications_own_example() -> None:
    known = signing.signatures(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
    )
    assert known == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_arrives_signed_as_the_api_shows_it_once_however_often_the_sweep_runs(
    receiver: Receiver, acme: Organization, api: APIClient
) -> None:
    _, secret = with_secret(acme, receiver.url(), "lease.*")
    event = happened(acme)
    assert [sweep(), sweep(), sweep()] == [1, 0, 0]
    ((_, headers, body),) = receiver.received
    verify(secret, headers, body)
    for wrong in (body + b" ", body.replace(b"lease", b"Lease")):
        with pytest.raises(ValueError, match="not a message"):
            verify(secret, headers, wrong)
    (shown,) = api.get("/api/v1/events", {"kind": "lease"}).json()["results"]
    assert json.loads(body) == {"type": "lease.active", "timestamp": shown["at"], "data": shown}
    assert headers["webhook-id"] == event.public_id
    row = the_delivery()
    assert (row.state, row.status, row.answer, row.attempts) == (DeliveryState.DELIVERED, 200, "thanks", 1)
    assert row.duration_ms is not None


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ([], ["lease.active", "leasehold.odd", "lease.ended", "wallet.empty"]),
        (["lease.*"], ["lease.active", "lease.ended"]),
        (["lease.ended", "wallet.*"], ["lease.ended", "wallet.empty"]),
        (["budget.*"], []),
    ],
)
def test_an_endpoint_is_told_of_what_it_has_chosen_and_of_nobody_else(
    acme: Organization, sam: User, kinds: list[str], told: list[str]
) -> None:
    happened(acme)
    endpoint = an_endpoint(acme, "https://hooks.example/", *kinds)
    for kind in ("lease.active", "leasehold.odd", "lease.ended", "wallet.empty"):
        happened(acme, kind)
        happened(sam.organizations.get(), kind)
        happened(None, kind)
    assert (spreading.spread(now=now()), spreading.spread(now=now())) == (len(told), 0)
    assert list(endpoint.deliveries.order_by("event").values_list("event__kind", flat=True)) == told


def test_what_was_recorded_late_is_found_by_the_sweep_that_looks_further_back(acme: Organization) -> None:
    endpoint = an_endpoint(acme)
    endpoint.since -= 9 * DAY
    endpoint.save()
    for hours in (1, 100):
        happened(acme, at=now() - timedelta(hours=hours))
    assert spreading.spread(now=now()) == 1  # that the organization was created
    assert not WebhookDelivery.objects.filter(event__kind="lease.active").exists()
    catch_up_webhooks(anything="else")
    assert WebhookDelivery.objects.filter(event__kind="lease.active").count() == 1


def test_while_a_secret_is_replaced_both_sign_and_then_the_new_one_alone(
    receiver: Receiver, acme: Organization
) -> None:
    endpoint, former = with_secret(acme, receiver.url(), "lease.*")
    endpoint, secret = endpoints.rotate(endpoint=endpoint, actor=ACTOR, now=now())
    happened(acme)
    sweep()
    _, headers, body = receiver.received.pop()
    verify(former, headers, body)
    verify(secret, headers, body)
    later = signing.headers(endpoint=endpoint, id="ev_1", body=b"", now=now() + endpoints.OVERLAP)
    assert len(later["webhook-signature"].split()) == 1
    endpoints.forget_former(now=now() + endpoints.OVERLAP)
    endpoint.refresh_from_db()
    assert endpoint.former_secret == ""


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("broken", 500, "500 instead of 2xx"),
        ("moved", 302, "Redirects are not followed"),
        ("slow", None, "within 0.3 s"),
        ("hang_up", None, "closed connection"),
    ],
)
def test_what_does_not_arrive_waits_and_the_log_says_why(
    receiver: Receiver, acme: Organization, path: str, status: int | None, words: str
) -> None:
    endpoint = an_endpoint(acme, receiver.url(path), "lease.*")
    happened(acme)
    assert (sweep(), sweep()) == (1, 0)
    row = the_delivery()
    assert (row.state, row.status, row.in_flight_until) == (DeliveryState.PENDING, status, None)
    assert words in row.error
    assert timedelta(seconds=4) < row.next_attempt_at - (row.attempted_at or now()) < timedelta(seconds=6)
    endpoint.refresh_from_db()
    assert endpoint.failing_since
    assert len(receiver.received) == 1


def test_a_busy_receiver_says_when_to_come_back_and_no_answer_breaks_the_log(
    receiver: Receiver, acme: Organization
) -> None:
    busy, binary = (an_endpoint(acme, receiver.url(path), "lease.*") for path in ("busy", "binary"))
    happened(acme)
    sweep()
    row = busy.deliveries.get()
    assert row.next_attempt_at - (row.attempted_at or now()) == timedelta(seconds=600)
    assert binary.deliveries.get().answer == "\ufffd␀<b>"


def test_ten_tries_in_three_days_with_one_id_then_it_has_failed(receiver: Receiver, acme: Organization) -> None:
    endpoint = an_endpoint(acme, receiver.url("broken"), "lease.*")
    event = happened(acme)
    spreading.spread(now=now())
    row, begun = the_delivery(), now()
    while row.state == DeliveryState.PENDING:
        assert sending.send_due(now=row.next_attempt_at, lanes=1) == 1
        row.refresh_from_db()
    assert (row.state, row.attempts) == (DeliveryState.FAILED, 10)
    assert 2.8 * DAY < (row.settled_at or begun) - begun < 3.5 * DAY
    assert {headers["webhook-id"] for headers in receiver.of("broken")} == {event.public_id}
    assert len({headers["webhook-timestamp"] for headers in receiver.of("broken")}) == 10
    endpoint.refresh_from_db()
    assert endpoint.enabled


def tried(endpoint_id: int, outcome: Outcome, days: float) -> None:
    """One try so many days from now, and what came of it."""
    moment = now() + days * DAY
    delivery = sending.take(endpoint=endpoint_id, now=moment)
    assert delivery
    sending.apply(delivery=delivery, outcome=outcome, now=moment)


def test_days_of_nothing_but_failures_switch_an_endpoint_off_and_its_owner_is_told(
    acme: Organization, ada: User
) -> None:
    endpoint = an_endpoint(acme, "https://hooks.example/", "lease.*")
    for number in range(5):
        happened(acme, subject=f"ls_{number}")
    spreading.spread(now=now())
    tried(endpoint.pk, Outcome(1, error="no"), 0)
    tried(endpoint.pk, Outcome(1, status=204), 4)
    tried(endpoint.pk, Outcome(1, error="no"), 5.1)
    tried(endpoint.pk, Outcome(1, error="no"), 10)
    endpoint.refresh_from_db()
    assert endpoint.enabled
    tried(endpoint.pk, Outcome(1, error="no"), 10.2)
    endpoint.refresh_from_db()
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "failing")
    assert not endpoint.deliveries.filter(state=DeliveryState.PENDING).exists()
    assert sending.due(now=now() + 20 * DAY) == []
    Event.objects.filter(kind="webhook_endpoint.disabled").get()
    deliver_notices()
    assert "was switched off" in "".join(str(letter.subject) for letter in mail.outbox if letter.to == [ada.email])


def test_gone_switches_off_at_once_and_on_again_what_failed_can_be_sent_again(
    receiver: Receiver, acme: Organization
) -> None:
    endpoint = an_endpoint(acme, receiver.url("gone"), "lease.*")
    happened(acme), happened(acme, subject="ls_2")
    sweep()
    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == "gone"
    with pytest.raises(endpoints.BadEndpoint, match="Switch it on"):
        endpoints.send_again(endpoint=endpoint, actor=ACTOR, now=now())
    happened(acme, subject="ls_3")
    endpoints.change(endpoint=endpoint, actor=ACTOR, url=receiver.url(), enabled=True, now=now())
    assert sweep() == 0  # not of what happened while it was off
    assert endpoints.send_again(endpoint=endpoint, actor=ACTOR, now=now()) == 2
    assert sweep() == 2
    assert set(endpoint.deliveries.values_list("state", "attempts")) == {(DeliveryState.DELIVERED, 1)}


def test_a_worker_that_died_leaves_a_delivery_to_the_next_and_writes_nothing_if_it_wakes(
    receiver: Receiver, acme: Organization
) -> None:
    endpoint = an_endpoint(acme, receiver.url(), "lease.*")
    happened(acme)
    spreading.spread(now=now())
    lost = sending.take(endpoint=endpoint.pk, now=now())
    assert lost
    assert sending.take(endpoint=endpoint.pk, now=now()) is None
    assert sending.send_due(now=now() + sending.FLIGHT, lanes=1) == 1
    sending.apply(delivery=lost, outcome=Outcome(1, error="woke up"), now=now())
    assert (the_delivery().state, the_delivery().error) == (DeliveryState.DELIVERED, "")


def test_few_are_in_flight_to_one_endpoint_and_one_while_it_fails(acme: Organization) -> None:
    endpoint = an_endpoint(acme, "https://hooks.example/", "lease.*")
    for number in range(6):
        happened(acme, subject=f"ls_{number}")
    spreading.spread(now=now())
    taken = [sending.take(endpoint=endpoint.pk, now=now()) for _ in range(6)]
    assert len([one for one in taken if one]) == sending.AT_ONCE
    endpoint.failing_since = now()
    endpoint.save()
    later = now() + sending.FLIGHT
    assert [bool(sending.take(endpoint=endpoint.pk, now=later)) for _ in range(2)] == [True, False]


def test_the_log_is_kept_for_thirty_days_and_what_left_it_is_not_sent_anew(
    receiver: Receiver, acme: Organization
) -> None:
    an_endpoint(acme, receiver.url(), "lease.*")
    happened(acme)
    sweep()
    assert spreading.forget(now=now() + 29 * DAY) == 0
    assert spreading.forget(now=now() + 31 * DAY) == 1
    assert spreading.spread(now=now() + 31 * DAY, back=spreading.LATEST) == 0


def test_no_secret_is_kept_readable(acme: Organization) -> None:
    endpoint, secret = with_secret(acme, "https://hooks.example/")
    _, second = endpoints.rotate(endpoint=endpoint, actor=ACTOR, now=now())
    kept = str(type(endpoint).objects.values()) + str(Event.objects.values())
    assert secret[6:] not in kept and second[6:] not in kept
