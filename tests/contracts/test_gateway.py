"""What billing relies on from a payment gateway: StripeGateway against the stand-in's process."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from billing.payments import checkouts, refunds
from billing.payments import gateway as configured_gateway
from billing.payments.base import (
    BadSignature,
    Gateway,
    GatewayBroke,
    GatewayRefused,
    GatewaySilent,
    GatewayUnavailable,
    KeyRefused,
)
from billing.payments.checkouts import Checkout
from billing.payments.refunds import Answer
from billing.payments.stripe import StripeGateway
from tests.stripe_standin import KEY, SECRET, StripeStandin, running

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeStandin]:
    with running(tmp_path_factory.mktemp("stripe")) as started:
        yield started


@pytest.fixture
def gateway(standin: StripeStandin) -> Iterator[Gateway]:
    yield StripeGateway(api_key=KEY, webhook_secret=SECRET, api_base=standin.url)
    standin.heal()


def open_checkout(gateway: Gateway, payment_id: str, amount_cents: int = 5000) -> Checkout:
    call = checkouts.top_up(
        payment_id=payment_id,
        amount_cents=amount_cents,
        organization_id="og_1",
        customer_email=f"{payment_id}@example.com",
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/wallet",
    )
    return checkouts.read(gateway.send(call, key=payment_id))


def checkout(gateway: Gateway, reference: str) -> Checkout:
    return checkouts.read(gateway.fetch(f"{checkouts.PATH}/{reference}", expand=checkouts.EXPAND))


def refund(gateway: Gateway, refund_id: str, charge: str, amount_cents: int) -> Answer:
    call = refunds.refund(refund_id=refund_id, charge_reference=charge, amount_cents=amount_cents)
    return refunds.read(gateway.send(call, key=refund_id))


def refund_state(gateway: Gateway, reference: str) -> Answer:
    return refunds.read(gateway.fetch(f"{refunds.PATH}/{reference}"))


def charge(gateway: Gateway, standin: StripeStandin, payment_id: str, **pay: str) -> str:
    page = open_checkout(gateway, payment_id)
    assert standin.pay(page.url, **pay).status == 303
    reference = checkout(gateway, page.reference).charge_reference
    assert reference is not None
    return reference


def made(gateway: Gateway, charge: str) -> list[str]:
    return [refunds.read(facts).refund_id for facts in gateway.each(refunds.PATH, charge=charge)]


def test_a_checkout_goes_from_open_to_paid(gateway: Gateway, standin: StripeStandin) -> None:
    page = open_checkout(gateway, "pm_paid")
    before = checkout(gateway, page.reference)
    assert before == page and (before.status, before.payment_id, before.charge_reference) == ("open", "pm_paid", None)
    assert (before.amount_cents, before.currency, before.livemode) == (5000, "usd", False)
    assert standin.pay(page.url).location == "https://shop.example/thanks"
    after = checkout(gateway, page.reference)
    assert (after.status, after.url) == ("paid", "") and after.charge_reference


def test_a_declined_checkout_stays_open_and_has_nothing_to_refund(gateway: Gateway, standin: StripeStandin) -> None:
    page = open_checkout(gateway, "pm_declined")
    assert standin.pay(page.url, card="4000000000000002").status == 402
    state = checkout(gateway, page.reference)
    assert (state.status, state.charge_reference) == ("open", None)


def test_an_expired_checkout_says_so(gateway: Gateway, standin: StripeStandin) -> None:
    page = open_checkout(gateway, "pm_expired")
    stripe.StripeClient(KEY, base_addresses={"api": standin.url}).v1.checkout.sessions.expire(page.reference)
    assert checkout(gateway, page.reference).status == "expired"


def test_the_same_call_again_has_the_same_answer(gateway: Gateway) -> None:
    assert open_checkout(gateway, "pm_again") == open_checkout(gateway, "pm_again")


def test_one_key_with_two_bodies_is_refused_loudly(gateway: Gateway) -> None:
    open_checkout(gateway, "pm_two", 5000)
    with pytest.raises(GatewayRefused) as refused:
        open_checkout(gateway, "pm_two", 6000)
    assert refused.value.code == "idempotency_error"


def test_an_answer_that_was_lost_is_given_again(gateway: Gateway, standin: StripeStandin) -> None:
    standin.faults(path=checkouts.PATH, mode="apply_then_close")
    assert open_checkout(gateway, "pm_lost") == open_checkout(gateway, "pm_lost")


def test_an_error_of_the_processors_own_is_told_from_silence(gateway: Gateway, standin: StripeStandin) -> None:
    paid = charge(gateway, standin, "pm_broke")
    standin.faults(path=refunds.PATH, mode="apply_then_500")
    for _ in range(2):  # it is replayed, although the refund was made
        with pytest.raises(GatewayBroke):
            refund(gateway, "rf_broke", paid, 1000)
    assert made(gateway, paid) == ["rf_broke"]


def test_refunds_are_partial_and_never_exceed_the_charge(gateway: Gateway, standin: StripeStandin) -> None:
    paid = charge(gateway, standin, "pm_partial")
    state = refund(gateway, "rf_part", paid, 2000)
    assert (state.status, state.reason) == ("succeeded", "") and refund_state(gateway, state.reference) == state
    with pytest.raises(GatewayRefused, match="greater than"):
        refund(gateway, "rf_over", paid, 3001)


@pytest.mark.parametrize("mode", ["429", "500", "503", "close"])
def test_a_refund_that_was_not_made_is_unavailable_not_refused(
    gateway: Gateway, standin: StripeStandin, mode: str
) -> None:
    paid = charge(gateway, standin, f"pm_not_{mode}")
    standin.faults(path=refunds.PATH, mode=mode, times=3)
    with pytest.raises(GatewayUnavailable):
        refund(gateway, f"rf_not_{mode}", paid, 1000)
    assert made(gateway, paid) == []


@pytest.mark.parametrize(
    ("card", "at_first", "in_the_end", "reason"),
    [
        ("4000000000007726", "pending", "succeeded", ""),
        ("4000000000005126", "succeeded", "failed", "expired_or_canceled_card"),
    ],
)
def test_a_refund_may_end_later(
    gateway: Gateway, standin: StripeStandin, card: str, at_first: str, in_the_end: str, reason: str
) -> None:
    paid = charge(gateway, standin, f"pm_{in_the_end}", card=card)
    asked = refund(gateway, f"rf_{in_the_end}", paid, 5000)
    assert asked.status == at_first
    standin.settle()
    later = refund_state(gateway, asked.reference)
    assert (later.status, later.reason) == (in_the_end, reason)


def test_answers_in_another_version_are_not_read(standin: StripeStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = StripeGateway(api_key=KEY, webhook_secret=SECRET, api_base=standin.url)
    assert ours.account() == ours.account() == "acct_1StandInNoRealMoney"
    monkeypatch.setattr("billing.payments.stripe.API_VERSION", "2020-08-27")  # answers are what this is not, then
    with pytest.raises(GatewayUnavailable, match="answers in version"):
        ours.fetch("/v1/balance")


def test_what_is_not_there_is_refused(gateway: Gateway) -> None:
    with pytest.raises(GatewayRefused) as refused:
        refund_state(gateway, "re_nothing")
    assert refused.value.code == "resource_missing"


def test_with_a_wrong_key_or_a_dead_server_the_processor_is_unavailable(standin: StripeStandin) -> None:
    with pytest.raises(KeyRefused):
        checkout(StripeGateway(api_key="sk_live_x", webhook_secret=SECRET, api_base=standin.url), "cs_test_1")
    with pytest.raises(GatewaySilent):
        checkout(StripeGateway(api_key=KEY, webhook_secret=SECRET, api_base="http://127.0.0.1:9"), "cs_test_1")


def test_the_gateway_comes_from_the_settings(settings: Any, standin: StripeStandin) -> None:
    settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = KEY, standin.url
    assert configured_gateway() is configured_gateway()
    assert open_checkout(configured_gateway(), "pm_settings").url.startswith(standin.url)
    settings.STRIPE_API_KEY = ""
    with pytest.raises(Exception, match="STRIPE_API_KEY is not set"):
        configured_gateway()


def body(kind: str = "checkout.session", *, livemode: bool = False, **metadata: str) -> bytes:
    item = {"object": kind, "id": "cs_1", "metadata": metadata}
    event = {"object": "event", "id": "evt_1", "livemode": livemode, "created": 1_700_000_000, "data": {"object": item}}
    return json.dumps(event).encode()


def sign(payload: bytes, *, secret: str = SECRET, offset: int = 0) -> str:
    at = int(NOW.timestamp()) + offset
    return str(stripe.WebhookSignature.generate_signature_header(payload.decode(), secret, at))


def test_a_signed_webhook_is_read(gateway: Gateway) -> None:
    payload = body(payment_id="pm_1")
    event = gateway.verify_webhook(payload, sign(payload), NOW)
    assert (event.id, event.kind, event.object_reference, event.our_id) == ("evt_1", "checkout", "cs_1", "pm_1")
    assert (event.livemode, event.created) == (False, datetime.fromtimestamp(1_700_000_000, UTC))
    refund = body("refund", refund_id="rf_1")
    event = gateway.verify_webhook(refund, sign(refund), NOW)
    assert (event.kind, event.our_id, event.account) == ("refund", "rf_1", None)
    other = body("customer")
    assert gateway.verify_webhook(other, sign(other), NOW).kind == "other"


def test_a_signed_webhook_without_its_object_is_read_by_its_type(gateway: Gateway) -> None:
    known = {"id": "evt_2", "object": "v2.core.event", "livemode": False, "created": "2026-11-22T12:00:00.000Z"}
    about = {"type": "v1.billing.meter.error_report_triggered", "related_object": {"id": "mtr_1"}}
    payload = json.dumps(known | about).encode()
    event = gateway.verify_webhook(payload, sign(payload), NOW)
    assert (event.kind, event.object_reference, event.created) == ("meter_error", "mtr_1", NOW)


def test_one_good_signature_among_several_is_enough(gateway: Gateway) -> None:
    payload = body()
    at, _, good = sign(payload).partition(",")
    assert gateway.verify_webhook(payload, f"{at},v1={'0' * 64},{good}", NOW).id == "evt_1"


@pytest.mark.parametrize("offset", [-300, 0, 300])
def test_a_webhook_within_five_minutes_is_taken(gateway: Gateway, offset: int) -> None:
    assert gateway.verify_webhook(body(), sign(body(), offset=offset), NOW)


def forgeries() -> list[tuple[str, bytes, str]]:
    payload = body()
    return [
        ("another secret", payload, sign(payload, secret="whsec_other")),
        ("an altered byte", payload.replace(b"cs_1", b"cs_2"), sign(payload)),
        ("too old", payload, sign(payload, offset=-301)),
        ("from the future", payload, sign(payload, offset=3600)),
        ("only v0", payload, sign(payload).replace("v1=", "v0=")),
        ("no signature", payload, ""),
        ("no time", payload, sign(payload).partition(",")[2]),
        ("nonsense", payload, "t=soon,v1=é"),
        ("letters outside ASCII", payload, sign(payload).partition(",")[0] + ",v1=é"),
        ("live mode", body(livemode=True), sign(body(livemode=True))),
        ("not UTF-8", b"\xff\xfe", sign(payload)),
        ("not an event", b"{}", sign(b"{}")),
        ("not an object", b"[]", sign(b"[]")),
        ("not JSON", b"hello", sign(b"hello")),
    ]


@pytest.mark.parametrize(
    ("name", "payload", "signature"), forgeries(), ids=lambda value: value if type(value) is str else ""
)
def test_a_forged_webhook_is_a_bad_signature(gateway: Gateway, name: str, payload: bytes, signature: str) -> None:
    with pytest.raises(BadSignature):
        gateway.verify_webhook(payload, signature, NOW)
