"""Messages say where to look, and nothing else: forged, doubled, late, early or lost ones change nothing in the end."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.clock import now
from accounts.models import Event, Organization
from billing import inbox, payments, polling, refunds, settlement
from billing.models import Entry, Forgery, GatewayEvent, Payment, PaymentState, Posting, Refund, RefundState, Watermark
from billing.payments.base import Facts, ObjectKind
from tests import factories
from tests.billing.conftest import assert_books_balance, balance
from tests.billing.stripe_world import a_payment, opened, paid, pay
from tests.factories import DAY, HOUR
from tests.stripe_standin import SECRET, StripeStandin

pytestmark = pytest.mark.django_db(transaction=True)
ACCOUNT = "acct_1StandInNoRealMoney"


@pytest.fixture
def poor(db: None) -> Organization:
    return factories.an_organization()


def signed(body: bytes, *, secret: str = SECRET, at: float = 0, scheme: str = "v1") -> str:
    """The header, signed so many seconds from now."""
    moment = int(time.time() + at)
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},{scheme}={digest}"


def a_body(**more: Any) -> bytes:
    item = {"object": "checkout.session", "id": "cs_forged", "metadata": {"payment_id": "pm_forged"}}
    known = {"id": "evt_forged", "object": "event", "livemode": False, "created": 1, "data": {"object": item}}
    return json.dumps({**known, "account": ACCOUNT, **more}).encode()


def send(body: bytes, header: str | None) -> int:
    extra = {} if header is None else {"Stripe-Signature": header}
    answer = Client().post("/stripe/webhook/", body, content_type="application/json", headers=extra)
    return int(answer.status_code)


def two_signatures(body: bytes) -> str:
    """As while the secret is changed: one of another secret, and ours."""
    at, _, good = signed(body).partition(",")
    return f"{at},v1={'0' * 64},{good}"


FORGED: dict[str, tuple[bytes, Callable[[bytes], str | None], str]] = {
    "an altered byte": (a_body(), lambda body: signed(body + b" "), "no signature"),
    "a wrong secret": (a_body(), lambda body: signed(body, secret="whsec_guess"), "no signature"),
    "no header": (a_body(), lambda body: None, "no signature"),
    "v0 only": (a_body(), lambda body: signed(body, scheme="v0"), "no signature"),
    "301 s ago": (a_body(), lambda body: signed(body, at=-301), "300 s away"),
    "in 310 s": (a_body(), lambda body: signed(body, at=310), "300 s away"),
    "another account": (a_body(account="acct_other"), signed, "another account"),
    "the other mode": (a_body(livemode=True), signed, "other mode"),
    "too large": (b"x" * (256 * 1024 + 1), signed, "larger than"),
}


def test_a_forged_message_is_refused_counted_and_has_no_effect(stripe: StripeStandin) -> None:
    for name, (body, header, reason) in FORGED.items():
        Forgery.objects.all().delete()
        assert send(body, header(body)) == (413 if name == "too large" else 400), name
        assert send(body, header(body)) >= 400, name
        counted = Forgery.objects.get()
        assert reason in counted.reason and counted.count == 2, name
        assert not GatewayEvent.objects.exists(), name


def test_a_true_message_is_kept_whatever_else_is_signed_with_it(stripe: StripeStandin) -> None:
    assert send(a_body(), two_signatures(a_body())) == 200
    assert send(a_body(), signed(a_body())) == 200
    assert GatewayEvent.objects.count() == 1 and not Forgery.objects.exists()


def test_each_of_two_endpoints_has_its_secret(stripe: StripeStandin, settings: Any) -> None:
    settings.STRIPE_WEBHOOK_SECRET = "whsec_thin, whsec_whole"
    sent = [send(a_body(), signed(a_body(), secret=secret)) for secret in ("whsec_thin", "whsec_whole", SECRET)]
    assert sent == [200, 200, 400]


def test_a_message_that_nobody_can_check_now_is_asked_for_again(stripe: StripeStandin, settings: Any) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    assert send(a_body(), signed(a_body())) == 503
    assert not GatewayEvent.objects.exists() and not Forgery.objects.exists()


def test_a_message_that_cannot_be_used_for_three_days_is_put_aside_and_told(stripe: StripeStandin) -> None:
    assert send(a_body(), signed(a_body())) == 200
    inbox.settle_due(gateway=payments.gateway(), now=now() + timedelta(hours=1))
    assert GatewayEvent.objects.get(processed_at=None).error.startswith("GatewayRefused")
    inbox.settle_due(gateway=payments.gateway(), now=now() + 4 * DAY)
    assert GatewayEvent.objects.get().processed_at
    assert Event.objects.filter(kind="payment.message_put_aside", organization=None, notice__isnull=False).count() == 1


def charged(payment_id: str, *, status: str) -> Facts:
    """A checkout as the processor would give it."""
    over = status == "complete"
    return {
        "id": "cs_1", "url": None if over else "https://pay", "status": status,
        "payment_status": "paid" if over else "unpaid", "amount_total": 5000, "currency": "usd", "livemode": False,
        "metadata": {"payment_id": payment_id}, "payment_intent": {"latest_charge": "ch_1"} if over else None,
    }  # fmt: skip


def a_refund(status: str) -> Facts:
    """The one refund, as the processor would give it."""
    return {"id": "re_1", "status": status, "metadata": {"refund_id": Refund.objects.get().public_id}}


class TooEarlyError(Exception):
    """It will be tried again, as a parked message is."""


def life(organization: Organization, last: str) -> list[Callable[[], None]]:
    """Opened, paid, refund asked (by us), pending, done or failed; the payment told twice, the opening late."""
    payment = a_payment(organization)

    def checkout(status: str) -> Callable[[], None]:
        return lambda: settlement.merge(facts=charged(payment.public_id, status=status), now=now())

    def refunded(status: str) -> Callable[[], None]:
        def told() -> None:
            if not Refund.objects.exists():
                raise TooEarlyError
            refunds.merge(facts=a_refund(status), now=now())

        return told

    def ask() -> None:
        try:
            refunds.request_refund(organization=organization, actor="", created_by=None, amount_cents=5000, now=now())
        except refunds.RefundTooLarge as early:
            raise TooEarlyError from early

    return [checkout("open"), checkout("complete"), checkout("complete"), ask, refunded("pending"), refunded(last)]


def final_state(organization: Organization) -> Any:
    """Everything that may differ, without names and times."""
    entries = Entry.objects.filter(posting__organization=organization).order_by("pk")
    return (
        list(Payment.objects.values_list("state", "checkout_reference", "charge_reference", "refunded_cents")),
        list(Refund.objects.values_list("state", "reference", "error")),
        list(entries.values_list("posting__kind", "account__kind", "amount_micros", "balance_micros")),
    )


@pytest.mark.django_db
@pytest.mark.parametrize(("last", "left", "step"), [("failed", 50_000_000, 1), ("succeeded", 0, 6)])
def test_every_order_of_a_life_of_six_messages_ends_alike(poor: Organization, last: str, left: int, step: int) -> None:
    ends = set()
    for order in sorted(set(permutations((0, 1, 1, 3, 4, 5))))[::step]:  # the second is told twice
        with transaction.atomic():
            steps = life(poor, last)
            waiting = [steps[place] for place in order]
            while waiting:
                waiting = [step for step in waiting if not happened(step)]
            ends.add(repr(final_state(poor)))
            assert balance(poor) == left
            transaction.set_rollback(True)
    assert len(ends) == 1


def happened(step: Callable[[], None]) -> bool:
    try:
        step()
    except TooEarlyError:
        return False
    return True


def poll(after: timedelta = timedelta()) -> dict[str, Exception]:
    return dict(polling.poll(gateway=payments.gateway(), now=now() + after))


def test_what_no_message_ever_told_is_found_within_the_hour(stripe: StripeStandin, poor: Organization) -> None:
    settled = paid(stripe, poor, 2000)
    poll()
    payment = opened(poor)
    stripe.faults(path="", mode="never_emit", times=50)
    pay(stripe, payment)
    (refund,) = refunds.request_refund(
        organization=poor, actor="user:us_tests", created_by=None, amount_cents=2000, now=now()
    )
    Refund.objects.update(reference="")  # it was sent, and our own answer was lost
    made = {"charge": settled.charge_reference, "metadata": {"refund_id": refund.public_id}}
    payments.gateway().send(payments.base.Call("/v1/refunds", made), key="x")
    failures = poll(HOUR)
    assert payment.checkout_reference not in failures and "refund" not in failures
    payment.refresh_from_db()
    refund.refresh_from_db()
    assert (payment.state, refund.state) == (PaymentState.PAID, RefundState.SUCCEEDED)
    poll(2 * HOUR)
    assert Posting.objects.count() == 3
    assert_books_balance()


def test_what_a_message_signed_for_another_time_tells_of_is_found_by_looking(
    stripe: StripeStandin, poor: Organization
) -> None:
    payment = opened(poor)
    pay(stripe, payment)
    page = {"object": "checkout.session", "id": payment.checkout_reference}
    body = a_body(data={"object": page})
    assert [send(body, signed(body, at=at)) for at in (-3600, 3600)] == [400, 400]
    inbox.settle_due(gateway=payments.gateway(), now=now())
    assert balance(poor) == 0
    poll()
    assert balance(poor) == 50_000_000
    assert send(body, signed(body)) == 200
    assert "evt_forged" not in inbox.settle_due(gateway=payments.gateway(), now=now())
    assert balance(poor) == 50_000_000


def test_messages_of_four_days_without_a_web_server_are_caught_up(stripe: StripeStandin, poor: Organization) -> None:
    stripe.webhook("http://127.0.0.1:9/")
    payment = opened(poor)
    pay(stripe, payment)
    poll(4 * DAY)
    payment.refresh_from_db()
    assert payment.state == PaymentState.PAID
    undelivered = GatewayEvent.objects.filter(our_id=payment.public_id, kind=ObjectKind.CHECKOUT)
    assert undelivered.exists() and inbox.settle_due(gateway=payments.gateway(), now=now() + 4 * DAY) is not None
    assert not undelivered.filter(processed_at=None).exists() and balance(poor) == 50_000_000


def test_a_list_that_is_not_given_leaves_its_watermark(stripe: StripeStandin) -> None:
    stripe.faults(path="/v1/refunds", mode="503", times=3, method="GET")
    assert "refund" in poll()
    kinds = set(Watermark.objects.values_list("kind", flat=True))
    assert "refund" not in kinds and {"checkout", "payment_intent", "dispute", "event"} < kinds


def test_what_cannot_be_merged_is_kept_as_a_message(stripe: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    pay(stripe, payment)
    Payment.objects.filter(pk=payment.pk).update(amount_cents=4999)
    assert payment.checkout_reference in poll()
    assert payment.checkout_reference in poll()
    kept = GatewayEvent.objects.get(event_id=f"found:{payment.checkout_reference}")
    Payment.objects.filter(pk=payment.pk).update(amount_cents=5000)
    inbox.settle_due(gateway=payments.gateway(), now=now())
    kept.refresh_from_db()
    assert kept.processed_at and balance(poor) == 50_000_000
