"""Paying on the hosted page, as a person does."""

import time

import pytest
import stripe

from tests.standins.stripe.conftest import order, paid_charge
from tests.stripe_standin import StripeStandin


@pytest.fixture
def session(client: stripe.StripeClient) -> stripe.checkout.Session:
    return client.v1.checkout.sessions.create(order(customer_email="ada@example.com"))


def url(session: stripe.checkout.Session) -> str:
    assert session.url is not None
    return session.url


def test_the_page_says_what_it_is_and_what_is_paid(standin: StripeStandin, session: stripe.checkout.Session) -> None:
    page = standin.open(url(session))
    assert "Stripe stand-in, no real money" in page.text
    assert "Wallet top-up" in page.text and "$50.00" in page.text and "https://shop.example/basket" in page.text
    assert page.fields == {"email": "ada@example.com", "number": "", "expiry": "", "cvc": "", "name": ""}
    assert not any(page.errors.values()) and "<script" not in page.text


def test_a_paid_checkout_redirects_and_is_complete(
    standin: StripeStandin, client: stripe.StripeClient, session: stripe.checkout.Session
) -> None:
    page = standin.pay(url(session))
    assert (page.status, page.location) == (303, f"https://shop.example/thanks?session={session.id}")
    found = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (found.status, found.payment_status, found.url) == ("complete", "paid", None)
    assert isinstance(found.payment_intent, stripe.PaymentIntent)
    charge = found.payment_intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (found.payment_intent.status, charge.amount, charge.captured) == ("succeeded", 5000, True)


def test_paying_twice_charges_once(
    standin: StripeStandin, client: stripe.StripeClient, session: stripe.checkout.Session
) -> None:
    address = url(session)
    assert standin.pay(address).location == standin.pay(address).location
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert len(client.v1.charges.list({"payment_intent": str(found.payment_intent)}).data) == 1


@pytest.mark.parametrize(
    ("card", "field", "decline_code", "message"),
    [
        ("4000000000000002", "number", "generic_decline", "declined"),
        ("4000 0000 0000 9995", "number", "insufficient_funds", "insufficient funds"),
        ("4000-0000-0000-0069", "expiry", "expired_card", "expired"),
        ("6011111111111117", "number", "test_mode_live_card", "only the test cards"),
    ],
)
def test_a_declined_card_is_told_beside_the_field_and_another_may_be_tried(
    standin: StripeStandin,
    client: stripe.StripeClient,
    session: stripe.checkout.Session,
    card: str,
    field: str,
    decline_code: str,
    message: str,
) -> None:
    page = standin.pay(url(session), card=card)
    assert page.status == 402 and message in page.errors[field]
    assert page.fields["number"] == card and page.fields["name"] == "Ada Lovelace"
    open_session = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (open_session.status, open_session.payment_status) == ("open", "unpaid")
    intent = open_session.payment_intent
    assert isinstance(intent, stripe.PaymentIntent) and intent.last_payment_error is not None
    assert (intent.status, intent.last_payment_error.decline_code) == ("requires_payment_method", decline_code)
    assert standin.pay(url(session)).status == 303
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    assert [c.status for c in client.v1.charges.list({"payment_intent": intent.id}).data] == ["succeeded", "failed"]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"card": "4242 4242 4242 4241"}, "number"),
        ({"card": ""}, "number"),
        ({"expiry": "13 / 40"}, "expiry"),
        ({"expiry": "01 / 20"}, "expiry"),
        ({"cvc": "12"}, "cvc"),
        ({"email": "ada"}, "email"),
        ({"name": ""}, "name"),
    ],
)
def test_a_mistyped_field_is_told_and_nothing_is_charged(
    standin: StripeStandin,
    client: stripe.StripeClient,
    session: stripe.checkout.Session,
    typed: dict[str, str],
    field: str,
) -> None:
    page = standin.pay(url(session), **typed)
    assert page.status == 422
    assert [name for name, message in page.errors.items() if message and name != "form"] == [field]
    assert client.v1.checkout.sessions.retrieve(session.id).payment_intent is None


def test_what_people_type_is_shown_as_text(standin: StripeStandin, session: stripe.checkout.Session) -> None:
    page = standin.pay(url(session), cvc="", name='"><script>alert(1)</script>')
    assert "<script" not in page.text and page.fields["name"] == '"><script>alert(1)</script>'


def test_an_expired_checkout_cannot_be_paid(
    standin: StripeStandin, client: stripe.StripeClient, session: stripe.checkout.Session
) -> None:
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    assert standin.pay(url(session)).status == 410
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)
    assert client.v1.events.list({"type": "checkout.session.expired"}).data[0].data.object["id"] == session.id


def test_an_unknown_checkout_is_not_found(standin: StripeStandin) -> None:
    assert standin.open(standin.url + "/c/pay/cs_test_nothing").status == 404


def test_a_checkout_may_make_a_customer(standin: StripeStandin, client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(order(customer_creation="always"))
    standin.pay(url(session), email="new@example.com")
    customer = client.v1.checkout.sessions.retrieve(session.id).customer
    assert client.v1.customers.retrieve(str(customer)).email == "new@example.com"


def test_refunds_add_up_to_the_charge_and_no_further(standin: StripeStandin, client: stripe.StripeClient) -> None:
    charge = paid_charge(standin, client, 5000)
    first = client.v1.refunds.create({"charge": charge, "amount": 1500})
    assert (first.status, first.amount) == ("succeeded", 1500)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        client.v1.refunds.create({"charge": charge, "amount": 3501})
    assert client.v1.refunds.create({"charge": charge}).amount == 3500
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": charge})
    assert refused.value.code == "charge_already_refunded"
    found = client.v1.charges.retrieve(charge)
    assert (found.amount_refunded, found.refunded) == (5000, True)
    assert sum(r.amount for r in client.v1.refunds.list({"charge": charge}).data) == 5000


def test_a_payment_intent_is_refunded_by_its_charge(standin: StripeStandin, client: stripe.StripeClient) -> None:
    charge = client.v1.charges.retrieve(paid_charge(standin, client))
    assert client.v1.refunds.create({"payment_intent": str(charge.payment_intent)}).charge == charge.id


@pytest.mark.parametrize(
    ("card", "at_first", "in_the_end", "refunded"),
    [("4000000000007726", "pending", "succeeded", 5000), ("4000000000005126", "succeeded", "failed", 0)],
)
def test_some_cards_refunds_end_later(
    standin: StripeStandin, client: stripe.StripeClient, card: str, at_first: str, in_the_end: str, refunded: int
) -> None:
    charge = paid_charge(standin, client, card=card)
    refund = client.v1.refunds.create({"charge": charge})
    assert refund.status == at_first
    standin.settle()
    assert client.v1.refunds.retrieve(refund.id).status == in_the_end
    assert client.v1.charges.retrieve(charge).amount_refunded == refunded


def test_a_checkout_lasts_a_day_unless_told(client: stripe.StripeClient) -> None:
    now = int(time.time())
    assert abs(client.v1.checkout.sessions.create(order()).expires_at - now - 86400) < 30
    assert client.v1.checkout.sessions.create(order(expires_at=now + 3600)).expires_at == now + 3600
