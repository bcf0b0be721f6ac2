"""Cards are saved through setup intents or at a payment, and charged later when nobody is there."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe.conftest import events, fails, order
from tests.stripe_standin import StripeStandin


def save(client: stripe.StripeClient, customer: str, card: str = "pm_card_visa", **more: Any) -> stripe.SetupIntent:
    wanted: Any = {"customer": customer, "payment_method": card, "confirm": True} | more
    return client.v1.setup_intents.create(wanted)


def charge(client: stripe.StripeClient, customer: str, method: Any, **more: Any) -> stripe.PaymentIntent:
    wanted: Any = {"amount": 5000, "currency": "usd", "customer": customer, "payment_method": str(method)} | more
    return client.v1.payment_intents.create(wanted | {"confirm": True, "off_session": True})


def default_of(customer: stripe.Customer) -> Any:
    return customer.invoice_settings and customer.invoice_settings.default_payment_method


def url_of(intent: Any) -> str:
    return str(intent.next_action.redirect_to_url.url)


def test_a_saved_card_is_charged_off_session(client: stripe.StripeClient, customer: str) -> None:
    setup = save(client, customer)
    assert setup.status == "succeeded"
    paid = charge(client, customer, setup.payment_method, metadata={"payment_id": "p1"})
    assert (paid.status, paid.amount_received, paid.payment_method) == ("succeeded", 5000, setup.payment_method)
    assert events(client, paid.id) == ["payment_intent.created", "payment_intent.succeeded"]
    assert [method.id for method in client.v1.customers.payment_methods.list(customer).data] == [setup.payment_method]


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
def test_a_saved_card_may_decline_later(
    standin: StripeStandin, client: stripe.StripeClient, customer: str, card: str, code: str, decline_code: str
) -> None:
    setup = save(client, customer, card, return_url="https://shop.example/saved")
    if setup.status == "requires_action":
        assert standin.answer_the_bank(url_of(setup)).status == 303
    method = client.v1.setup_intents.retrieve(setup.id).payment_method
    with pytest.raises(stripe.CardError) as declined:
        charge(client, customer, method)
    assert (declined.value.http_status, declined.value.code) == (402, code)
    assert declined.value.error is not None and declined.value.error.decline_code == decline_code
    intent: Any = declined.value.error.payment_intent
    found = client.v1.payment_intents.retrieve(intent["id"])
    assert (found.status, found.payment_method) == ("requires_payment_method", None)
    assert events(client, found.id) == ["payment_intent.created", "payment_intent.payment_failed"]
    assert client.v1.payment_intents.cancel(found.id).status == "canceled"


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
    ],
)
def test_some_cards_refuse_to_be_saved(client: stripe.StripeClient, customer: str, card: str, code: str) -> None:
    with fails(stripe.CardError, code):
        save(client, customer, card)
    with fails(stripe.CardError, code):
        client.v1.payment_methods.attach(card, {"customer": customer})
    with fails(stripe.CardError, code):
        charge(client, customer, card)


def test_a_card_that_asks_its_owner_is_charged_in_peace_once_it_was_set_up(
    standin: StripeStandin, client: stripe.StripeClient, customer: str
) -> None:
    setup = save(client, customer, "pm_card_authenticationRequiredOnSetup", return_url="https://shop.example/saved")
    assert setup.status == "requires_action"
    page = standin.answer_the_bank(url_of(setup))
    assert page.location is not None and page.location.startswith(f"https://shop.example/saved?setup_intent={setup.id}")
    assert charge(client, customer, client.v1.setup_intents.retrieve(setup.id).payment_method).status == "succeeded"


def test_an_owner_who_refuses_leaves_the_setup_without_a_card(
    standin: StripeStandin, client: stripe.StripeClient, customer: str
) -> None:
    setup = save(client, customer, "pm_card_authenticationRequired", return_url="https://shop.example/saved")
    location = standin.answer_the_bank(url_of(setup), yes=False).location
    assert location is not None and location.endswith("redirect_status=failed")
    found = client.v1.setup_intents.retrieve(setup.id)
    assert found.status == "requires_payment_method" and found.last_setup_error is not None
    assert found.last_setup_error.code == "setup_intent_authentication_failure"
    assert standin.open(url_of(setup)).status == 410


@pytest.mark.parametrize(("yes", "status"), [(True, "succeeded"), (False, "requires_payment_method")])
def test_a_payment_that_needs_its_owner_is_confirmed_again_on_session(
    standin: StripeStandin, client: stripe.StripeClient, customer: str, *, yes: bool, status: str
) -> None:
    method = client.v1.payment_methods.attach("pm_card_authenticationRequired", {"customer": customer})
    with fails(stripe.CardError, "authentication_required") as refused:
        charge(client, customer, method.id)
    reference = refused.value.error.payment_intent["id"]
    again: Any = {"payment_method": method.id, "return_url": "https://shop.example/back"}
    waiting = client.v1.payment_intents.confirm(reference, again)
    assert waiting.status == "requires_action"
    standin.answer_the_bank(url_of(waiting), yes=yes)
    assert client.v1.payment_intents.retrieve(reference).status == status


def test_a_checkout_saves_a_card_without_charging_it(
    standin: StripeStandin, client: stripe.StripeClient, customer: str
) -> None:
    wanted: Any = {"mode": "setup", "currency": "usd", "customer": customer, "success_url": "https://shop.example/s"}
    wanted["setup_intent_data"] = {"metadata": {"a": "1"}}
    session = client.v1.checkout.sessions.create(wanted)
    assert session.url is not None and "Save card" in standin.open(session.url).text
    page = standin.pay(session.url, card="4000002500003155")
    assert page.status == 303 and page.location is not None
    assert standin.answer_the_bank(page.location).location is not None
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent.payment_method"]})
    setup = done.setup_intent
    assert isinstance(setup, stripe.SetupIntent) and isinstance(setup.payment_method, stripe.PaymentMethod)
    assert (done.status, done.payment_status, setup.status) == ("complete", "no_payment_required", "succeeded")
    assert setup.payment_method.customer == customer and setup.metadata is not None
    assert charge(client, customer, setup.payment_method.id).status == "succeeded"


def test_a_checkout_saves_the_card_it_charges(
    standin: StripeStandin, client: stripe.StripeClient, customer: str
) -> None:
    wanted = order(customer=customer, payment_intent_data={"setup_future_usage": "off_session"})
    session = client.v1.checkout.sessions.create(wanted)
    assert session.url is not None
    page = standin.pay(session.url, card="4000002760003184")
    assert page.location is not None
    assert standin.answer_the_bank(page.location, yes=False).status == 303
    assert "could not confirm" in standin.open(session.url).errors["number"]
    page = standin.pay(session.url)
    assert page.status == 303
    [method] = client.v1.payment_methods.list({"customer": customer, "type": "card"}).data
    assert charge(client, customer, method.id).status == "succeeded"


def test_a_payment_method_is_let_go_and_never_used_again(client: stripe.StripeClient, customer: str) -> None:
    method = client.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer})
    settings: Any = {"invoice_settings": {"default_payment_method": method.id}}
    assert default_of(client.v1.customers.update(customer, settings)) == method.id
    stranger = client.v1.customers.create().id
    with fails(stripe.InvalidRequestError, "resource_missing"):
        client.v1.customers.update(stranger, settings)
    with fails(stripe.InvalidRequestError, "payment_method_unexpected_state"):
        charge(client, stranger, method.id)
    assert client.v1.payment_methods.detach(method.id).customer is None
    assert default_of(client.v1.customers.retrieve(customer)) is None
    with fails(stripe.InvalidRequestError, "payment_method_unexpected_state"):
        charge(client, customer, method.id)
    assert events(client, method.id) == ["payment_method.attached", "payment_method.detached"]


def test_an_intent_is_prepared_changed_confirmed_and_then_final(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 900, "currency": "usd"})
    with fails(stripe.InvalidRequestError, "payment_intent_unexpected_state"):
        client.v1.payment_intents.confirm(intent.id)
    assert client.v1.payment_intents.update(intent.id, {"amount": 950, "metadata": {"a": "1"}}).amount == 950
    assert client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    for again in (client.v1.payment_intents.confirm, client.v1.payment_intents.cancel):
        with fails(stripe.InvalidRequestError, "payment_intent_unexpected_state"):
            again(intent.id)
    with fails(stripe.InvalidRequestError, "amount_too_small"):
        client.v1.payment_intents.create({"amount": 49, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="does not have this parameter: transfer_group"):
        client.v1.payment_intents.create({"amount": 900, "currency": "usd", "transfer_group": "x"})


def test_a_setup_is_prepared_changed_and_cancelled(client: stripe.StripeClient, customer: str) -> None:
    setup = client.v1.setup_intents.create({"customer": customer})
    assert client.v1.setup_intents.update(setup.id, {"description": "later"}).description == "later"
    assert client.v1.setup_intents.cancel(setup.id).status == "canceled"
    with fails(stripe.InvalidRequestError, "setup_intent_unexpected_state"):
        client.v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"})
    assert [item.id for item in client.v1.setup_intents.list({"customer": customer}).data] == [setup.id]


def test_a_card_number_becomes_a_payment_method(client: stripe.StripeClient) -> None:
    card: Any = {"number": "5555 5555 5555 4444", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = client.v1.payment_methods.create({"type": "card", "card": card})
    assert method.card is not None and (method.card.brand, method.card.last4) == ("mastercard", "4444")
    changed = client.v1.payment_methods.update(method.id, {"metadata": {"a": "1"}})
    assert changed.metadata is not None and changed.metadata["a"] == "1"


def test_a_customer_has_a_balance_tax_ids_and_an_end(
    standin: StripeStandin, client: stripe.StripeClient, customer: str
) -> None:
    entry = client.v1.customers.balance_transactions.create(customer, {"amount": -500, "currency": "usd"})
    assert (entry.ending_balance, client.v1.customers.retrieve(customer).balance) == (-500, -500)
    assert [item.id for item in client.v1.customers.balance_transactions.list(customer).data] == [entry.id]
    good = client.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": "DE123456789"})
    bad = client.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": "DE111111111"})
    slow = client.v1.customers.tax_ids.create(customer, {"type": "gb_vat", "value": "GB222222222"})
    assert good.verification is not None and good.verification.status == "pending"
    with fails(stripe.InvalidRequestError, "tax_id_invalid"):
        client.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": "123"})
    standin.clock(good.created + 5)
    found = {item.id: item.verification for item in client.v1.customers.tax_ids.list(customer).data}
    states = [verification.status for one in (good, bad, slow) if (verification := found[one.id])]
    assert states == ["verified", "unverified", "pending"]
    standin.clock(None)
    assert client.v1.customers.tax_ids.delete(customer, slow.id).deleted
    assert client.v1.customers.delete(customer).deleted and client.v1.customers.retrieve(customer).deleted
    with fails(stripe.InvalidRequestError, "resource_missing"):
        client.v1.setup_intents.create({"customer": customer})
