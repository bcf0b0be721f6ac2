"""What must happen at the card processor happens once, whatever happens on the way."""

import time
from datetime import datetime, timedelta

import pytest
import stripe as sdk
from django.conf import settings
from django.db import IntegrityError

from accounts.clock import now
from accounts.models import Event, Organization
from billing import customers, opening, operations, pacing, payments, sending
from billing.models import BillingAccount, CallKind, CallState, GatewayCall, Pace
from billing.payments import checkouts
from billing.payments.base import Call, GatewayRefused
from tests import factories
from tests.billing.stripe_world import a_payment
from tests.stripe_standin import KEY, StripeStandin
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
PATH = "/v1/customers"


@pytest.fixture
def acme(db: None) -> Organization:
    return factories.an_organization("Acme Robotics")


def asked(organization: Organization, at: datetime | None = None) -> GatewayCall:
    """The call that makes an organization known."""
    customers.make_known(organization=organization, now=at or now())
    return GatewayCall.objects.get(organization=organization)


def send(after: timedelta = timedelta()) -> dict[str, Exception]:
    return dict(sending.send_due(gateway=payments.gateway(), now=now() + after))


def made(organization: Organization) -> list[str]:
    """The customers that the processor has made of an organization."""
    client = sdk.StripeClient(KEY, base_addresses={"api": settings.STRIPE_API_BASE})
    found = client.v1.customers.list({"limit": 100}).auto_paging_iter()
    return [one.id for one in found if getattr(one.metadata, "organization_id", "") == organization.public_id]


def test_a_call_is_made_once_and_its_answer_applied(stripe: StripeStandin, acme: Organization) -> None:
    call = asked(acme)
    assert asked(acme) == call  # the wish is written down once
    assert send() == {}
    call.refresh_from_db()
    assert call.state == CallState.DONE and made(acme) == [call.reference]
    assert BillingAccount.objects.get(organization=acme).customer_reference == call.reference
    assert send(DAY) == {} and made(acme) == [call.reference]


@pytest.mark.parametrize("mode", ["apply_then_500", "apply_then_close", "429", "503", "close"])
def test_whatever_the_processor_does_there_is_one_customer(
    stripe: StripeStandin, acme: Organization, mode: str
) -> None:
    call = asked(acme)
    stripe.faults(path=PATH, mode=mode, times=3)
    for minutes in (0, 5, 10, 15):  # the SDK repeats some of them by itself
        send(timedelta(minutes=minutes))
    call.refresh_from_db()
    assert call.state == CallState.DONE and made(acme) == [call.reference]


@pytest.mark.parametrize("mode", ["apply_then_500", "apply_then_close", "429", "503", "lock_timeout"])
def test_whatever_the_processor_does_there_is_one_page_to_pay_at(
    stripe: StripeStandin, acme: Organization, mode: str
) -> None:
    payment = a_payment(acme)
    stripe.faults(path=checkouts.PATH, mode=mode, times=3)
    for minutes in (0, 5, 10, 15):
        send(timedelta(minutes=minutes))
    payment.refresh_from_db()
    sessions = payments.gateway().each(checkouts.PATH, created={"gte": int(payment.created_at.timestamp()) - 1})
    assert [one["id"] for one in sessions if one["client_reference_id"] == payment.public_id] == [
        payment.checkout_reference
    ]


def test_a_body_that_was_changed_is_refused_loudly(stripe: StripeStandin, acme: Organization) -> None:
    call = asked(acme)
    stripe.faults(path=PATH, mode="apply_then_close", times=3)
    send()
    GatewayCall.objects.filter(pk=call.pk).update(body={"name": "Another"})
    for minutes in (5, 10):
        send(timedelta(minutes=minutes))
    call.refresh_from_db()
    assert (call.state, call.error_code) == (CallState.DONE, "idempotency_error")  # what was made before was found
    assert made(acme) == [call.reference]
    assert Event.objects.filter(kind="payment.call_failed", organization=None, notice__isnull=False).count() == 1


def test_who_has_many_calls_is_one_in_each_round(
    stripe: StripeStandin, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        many = Call(PATH, {"name": f"{number}"})
        operations.ask(organization=acme, kind=CallKind.CUSTOMER, subject=f"{number}", call=many, now=now())
    others = [asked(factories.an_organization(f"Other {number}")) for number in range(4)]
    rounds = iter([sending.due(now=now()), []])
    monkeypatch.setattr(sending, "due", lambda **_: next(rounds))
    assert sending.send_due(gateway=payments.gateway(), now=now(), workers=3) == {}
    done = set(GatewayCall.objects.filter(state=CallState.DONE).values_list("pk", flat=True))
    assert done == {GatewayCall.objects.get(subject="0").pk, *(call.pk for call in others)}


def test_all_workers_together_keep_to_the_pace_of_an_endpoint(
    stripe: StripeStandin, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "PER_SECOND", 5)
    for number in range(6):
        asked(factories.an_organization(f"Other {number}"))
    stripe.rate_limit(6)
    began = time.monotonic()
    assert sending.send_due(gateway=payments.gateway(), now=now(), workers=6) == {}
    stripe.rate_limit(None)
    assert time.monotonic() - began >= 1 and Pace.objects.get().endpoint == PATH
    assert pacing.IDS.sub("/{id}", "/v1/payment_intents/pi_3Nx/confirm") == "/v1/payment_intents/{id}/confirm"


def test_who_waits_has_his_call_and_those_in_front_of_it_made(stripe: StripeStandin, acme: Organization) -> None:
    first, payment = asked(acme), a_payment(acme)
    page = opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now())
    first.refresh_from_db()
    assert first.state == CallState.DONE and page.startswith(stripe.url)


def test_a_key_that_may_be_forgotten_is_not_used_again(stripe: StripeStandin, acme: Organization) -> None:
    call = asked(acme)
    stripe.faults(path=PATH, mode="apply_then_close", times=3)
    assert list(send()) == [call.public_id]
    stripe.forget_keys()
    send(DAY)
    call.refresh_from_db()
    assert call.state == CallState.DONE and made(acme) == [call.reference]  # found by its mark, not made again


def test_without_that_rule_there_would_be_two(stripe: StripeStandin, acme: Organization) -> None:
    call = asked(acme)
    stripe.faults(path=PATH, mode="apply_then_close", times=3)
    send()
    stripe.forget_keys()
    send(timedelta(hours=1))  # within the time in which keys should hold
    call.refresh_from_db()
    assert len(made(acme)) == 2


def test_an_uncertain_call_without_a_trace_is_given_up_after_days_and_told(
    stripe: StripeStandin, acme: Organization
) -> None:
    call = asked(acme)
    stripe.faults(path=PATH, mode="close", times=3)
    send()
    send(DAY)
    call.refresh_from_db()
    assert call.state == CallState.UNCERTAIN
    send(4 * DAY)
    call.refresh_from_db()
    assert (call.state, call.error_code) == (CallState.FAILED, "never_made") and made(acme) == []
    assert Event.objects.filter(kind="payment.call_refused", subject=call.public_id).exists()


def test_a_refusal_is_final(stripe: StripeStandin, acme: Organization) -> None:
    wrong = Call(PATH, {"nonsense": "1"})
    call = operations.ask(organization=acme, kind=CallKind.CUSTOMER, subject="x", call=wrong, now=now())
    assert send() == {}
    call.refresh_from_db()
    assert (call.state, call.error_code) == (CallState.FAILED, "parameter_unknown")
    assert send(DAY) == {}


def test_one_customers_calls_go_in_order_and_hold_up_nobody_else(stripe: StripeStandin, acme: Organization) -> None:
    borealis = factories.an_organization("Borealis")
    first = asked(acme)
    second = operations.ask(
        organization=acme, kind=CallKind.CUSTOMER, subject="second", call=Call(PATH, {"name": "x"}), now=now()
    )
    other = asked(borealis)
    stripe.faults(path=PATH, mode="429")
    assert list(send()) == [first.public_id]
    states = {call.pk: call.state for call in GatewayCall.objects.all()}
    assert states == {first.pk: CallState.PENDING, second.pk: CallState.PENDING, other.pk: CallState.DONE}
    send(timedelta(minutes=5))
    assert set(GatewayCall.objects.values_list("state", flat=True)) == {CallState.DONE}


def test_many_workers_make_a_call_once(stripe: StripeStandin, acme: Organization) -> None:
    call = asked(acme)
    together(6, lambda _: send())
    call.refresh_from_db()
    assert (call.state, call.attempts) == (CallState.DONE, 1)


def test_the_database_allows_one_call_of_a_customer_in_flight(acme: Organization) -> None:
    first = asked(acme)
    second = operations.ask(organization=acme, kind=CallKind.CUSTOMER, subject="second", call=Call(PATH, {}), now=now())
    GatewayCall.objects.filter(pk=first.pk).update(in_flight_until=now())
    with pytest.raises(IntegrityError):
        GatewayCall.objects.filter(pk=second.pk).update(in_flight_until=now())


def test_a_dead_workers_call_is_taken_by_the_next(stripe: StripeStandin, acme: Organization) -> None:
    call = sending.take(pk=asked(acme).pk, now=now())
    assert call is not None and sending.take(pk=call.pk, now=now()) is None
    send(timedelta(minutes=3))
    call.refresh_from_db()
    assert call.state == CallState.DONE


def test_a_refusal_that_comes_second_changes_nothing(stripe: StripeStandin, acme: Organization) -> None:
    call = asked(acme)
    send()
    sending._settle(call, CallState.FAILED, now(), refusal=GatewayRefused("late", "too late"))
    call.refresh_from_db()
    assert call.state == CallState.DONE
