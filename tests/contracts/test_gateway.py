"""What billing relies on from a payment gateway: StripeGateway against the stand-in's process."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from billing.payments import gateway as configured_gateway
from billing.payments.base import BadSignature, CheckoutPage, Gateway, GatewayRefused, GatewayUnavailable
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


def open_checkout(gateway: Gateway, payment_id: str, amount_cents: int = 5000) -> CheckoutPage:
    return gateway.open_checkout(
        payment_id=payment_id,
        amount_cents=amount_cents,
        organization_id="og_1",
        customer_email=f"{payment_id}@example.com",
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/wallet",
    )


def charge(gateway: Gateway, standin: StripeStandin, payment_id: str, **pay: str) -> str:
    page = open_checkout(gateway, payment_id)
    assert standin.pay(page.url, **pay).status == 303
    reference = gateway.checkout(page.reference).charge_reference
    assert reference is not None
    return reference


def refunds(standin: StripeStandin, reference: str) -> int:
    client = stripe.StripeClient(KEY, base_addresses={"api": standin.url})
    return len(client.v1.refunds.list({"charge": reference}).data)


def test_a_checkout_goes_from_open_to_paid(gateway: Gateway, standin: StripeStandin) -> None:
    page = open_checkout(gateway, "pm_paid")
    assert page.expires_at > datetime.now(UTC) + timedelta(minutes=29)
    before = gateway.checkout(page.reference)
    assert (before.status, before.payment_id, before.charge_reference) == ("open", "pm_paid", None)
    assert (before.amount_cents, before.currency, before.livemode) == (5000, "usd", False)
    assert standin.pay(page.url).location == "https://shop.example/thanks"
    after = gateway.checkout(page.reference)
    assert after.status == "paid" and after.charge_reference


def test_a_declined_checkout_stays_open_and_has_nothing_to_refund(gateway: Gateway, standin: StripeStandin) -> None:
    page = open_checkout(gateway, "pm_declined")
    assert standin.pay(page.url, card="4000000000000002").status == 402
    state = gateway.checkout(page.reference)
    assert (state.status, state.charge_reference) == ("open", None)


def test_an_expired_checkout_says_so(gateway: Gateway, standin: StripeStandin) -> None:
    page = open_checkout(gateway, "pm_expired")
    stripe.StripeClient(KEY, base_addresses={"api": standin.url}).v1.checkout.sessions.expire(page.reference)
    assert gateway.checkout(page.reference).status == "expired"


def test_opening_the_same_payment_again_gives_the_same_page(gateway: Gateway) -> None:
    assert open_checkout(gateway, "pm_again") == open_checkout(gateway, "pm_again")


def test_one_payment_with_two_amounts_is_refused_loudly(gateway: Gateway) -> None:
    open_checkout(gateway, "pm_two", 5000)
    with pytest.raises(GatewayRefused) as refused:
        open_checkout(gateway, "pm_two", 6000)
    assert refused.value.code == "idempotency_error"


@pytest.mark.parametrize("mode", ["apply_then_500", "apply_then_close"])
def test_a_checkout_whose_answer_was_lost_is_found_again(gateway: Gateway, standin: StripeStandin, mode: str) -> None:
    standin.faults(path="/v1/checkout/sessions", mode=mode)
    page = open_checkout(gateway, f"pm_{mode}")
    assert gateway.checkout(page.reference).payment_id == f"pm_{mode}"
    assert open_checkout(gateway, f"pm_{mode}") == page


def test_refunds_are_partial_and_never_exceed_the_charge(gateway: Gateway, standin: StripeStandin) -> None:
    paid = charge(gateway, standin, "pm_partial")
    state = gateway.refund(refund_id="rf_part", charge_reference=paid, amount_cents=2000)
    assert (state.status, state.reason) == ("succeeded", "") and gateway.refund_state(state.reference) == state
    with pytest.raises(GatewayRefused, match="greater than"):
        gateway.refund(refund_id="rf_over", charge_reference=paid, amount_cents=3001)


@pytest.mark.parametrize("mode", ["apply_then_500", "apply_then_close"])
def test_a_refund_whose_answer_was_lost_is_made_once(gateway: Gateway, standin: StripeStandin, mode: str) -> None:
    paid = charge(gateway, standin, f"pm_once_{mode}")
    standin.faults(path="/v1/refunds", mode=mode)
    made = [gateway.refund(refund_id=f"rf_{mode}", charge_reference=paid, amount_cents=1000) for _ in range(3)]
    assert len({state.reference for state in made}) == 1 and refunds(standin, paid) == 1
    assert gateway.find_refund(f"rf_{mode}", paid) == made[0]


def test_a_refund_lost_for_longer_than_every_retry_is_found_by_its_name(
    gateway: Gateway, standin: StripeStandin
) -> None:
    paid = charge(gateway, standin, "pm_long")
    standin.faults(path="/v1/refunds", mode="apply_then_close", times=3)
    with pytest.raises(GatewayUnavailable):
        gateway.refund(refund_id="rf_long", charge_reference=paid, amount_cents=1000)
    found = gateway.find_refund("rf_long", paid)
    assert found is not None and gateway.refund(refund_id="rf_long", charge_reference=paid, amount_cents=1000) == found
    assert refunds(standin, paid) == 1


@pytest.mark.parametrize("mode", ["429", "500", "503", "close"])
def test_a_refund_that_was_not_made_is_unavailable_not_refused(
    gateway: Gateway, standin: StripeStandin, mode: str
) -> None:
    paid = charge(gateway, standin, f"pm_not_{mode}")
    standin.faults(path="/v1/refunds", mode=mode, times=3)
    with pytest.raises(GatewayUnavailable):
        gateway.refund(refund_id=f"rf_not_{mode}", charge_reference=paid, amount_cents=1000)
    assert gateway.find_refund(f"rf_not_{mode}", paid) is None


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
    refund = gateway.refund(refund_id=f"rf_{in_the_end}", charge_reference=paid, amount_cents=5000)
    assert refund.status == at_first
    standin.settle()
    later = gateway.refund_state(refund.reference)
    assert (later.status, later.reason) == (in_the_end, reason)


def test_what_is_not_there_is_refused(gateway: Gateway) -> None:
    with pytest.raises(GatewayRefused) as refused:
        gateway.refund_state("re_nothing")
    assert refused.value.code == "resource_missing"


def test_with_a_wrong_key_or_a_dead_server_the_processor_is_unavailable(standin: StripeStandin) -> None:
    with pytest.raises(GatewayUnavailable):
        StripeGateway(api_key="sk_live_x", webhook_secret=SECRET, api_base=standin.url).checkout("cs_test_1")
    with pytest.raises(GatewayUnavailable):
        StripeGateway(api_key=KEY, webhook_secret=SECRET, api_base="http://127.0.0.1:9").checkout("cs_test_1")


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
    assert (event.id, event.kind, event.object_reference, event.payment_id) == ("evt_1", "checkout", "cs_1", "pm_1")
    assert (event.livemode, event.created) == (False, datetime.fromtimestamp(1_700_000_000, UTC))
    refund = body("refund", refund_id="rf_1")
    event = gateway.verify_webhook(refund, sign(refund), NOW)
    assert (event.kind, event.refund_id, event.payment_id) == ("refund", "rf_1", None)
    other = body("customer")
    assert gateway.verify_webhook(other, sign(other), NOW).kind == "other"


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
