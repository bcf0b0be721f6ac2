"""The pages of saved cards, top-ups with one click and automatic top-up; and the same through the API."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from accounts.templatetags.ui import state_tone
from billing import automatic, granting, suspending
from billing.cards import cards_of
from billing.charging import _fail
from billing.models import AutoTopUp, CardPage, CreditGrant, GatewayCall, Payment, PaymentState
from marketplace.money import MICROS
from tests import factories
from tests.billing.cards_world import a_card, switched_on
from tests.factories import DAY

pytestmark = pytest.mark.django_db
RULES = {"threshold": "20", "amount": "50", "ceiling": "120"}
API_RULES = {"threshold_cents": 2000, "amount_cents": 5000, "ceiling_cents": 12000}


def text_of(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, address
    return " ".join(answer.content.decode().split())


def test_a_card_is_saved_from_its_page_on(browser: Client, acme: Organization) -> None:
    assert "No saved cards" in text_of(browser, "/cards/")
    answer = browser.post("/cards/new/")
    page = CardPage.objects.get()
    assert answer.headers["Location"] == f"/card-pages/{page.public_id}/opening/"
    assert f"/card-pages/{page.public_id}/type/" in text_of(browser, answer.headers["Location"])
    CardPage.objects.update(url="https://checkout.stripe.com/c/pay/x")
    assert (
        browser.get(f"/card-pages/{page.public_id}/type/").headers["Location"] == "https://checkout.stripe.com/c/pay/x"
    )
    assert "it is being saved" in text_of(browser, f"/card-pages/{page.public_id}/")
    CardPage.objects.update(state="saved", card=a_card(acme))
    assert "Visa ending in 4242 is saved." in text_of(browser, f"/card-pages/{page.public_id}/")
    assert browser.get(f"/card-pages/{page.public_id}/type/").status_code == 302


def test_cards_are_shown_made_default_and_removed(browser: Client, acme: Organization) -> None:
    card = a_card(acme)
    type(card).objects.update(exp_year=now().year, exp_month=now().month)
    shown = text_of(browser, "/cards/")
    assert "Visa ending in 4242" in shown and "Default card" in shown and "Expires soon" in shown
    assert browser.get(f"/cards/{card.public_id}/default/").status_code == 302
    switched_on(acme)
    refused = browser.post(f"/cards/{card.public_id}/remove/", follow=True).content.decode()
    assert "Save another card or switch automatic top-up off first" in refused
    automatic.switch_off(organization=acme, actor="user:us_tests", now=now())
    assert "is removed" in browser.post(f"/cards/{card.public_id}/remove/", follow=True).content.decode()
    assert browser.get(f"/cards/{card.public_id}/remove/").status_code == 404


def test_the_wallet_tops_up_with_one_click_and_shows_how_it_goes(browser: Client, acme: Organization) -> None:
    card = a_card(acme)
    assert "Top up with Visa ending in 4242" in text_of(browser, "/wallet/")
    assert "Another card, on the next page" in text_of(browser, "/wallet/top-up/")
    answer = browser.post("/wallet/top-up/", {"amount": "75", "card": card.public_id})
    payment = Payment.objects.get()
    assert answer.headers["Location"] == f"/top-ups/{payment.public_id}/"
    assert GatewayCall.objects.get(kind="charge").body["return_url"].endswith(answer.headers["Location"])
    shown = text_of(browser, f"/top-ups/{payment.public_id}/")
    assert "Visa ending in 4242 is being charged" in shown and "Open the payment page" not in shown
    assert "That takes a few seconds" in shown
    Payment.objects.update(created_at=payment.created_at - timedelta(seconds=11))
    shown = text_of(browser, f"/top-ups/{payment.public_id}/")
    assert "It takes longer than usual" in shown and "a few seconds" not in shown
    assert browser.get(f"/top-ups/{payment.public_id}/pay/").status_code == 302
    Payment.objects.update(state=PaymentState.ACTION, intent_reference="pi_1", bank_url="https://bank.example/3ds")
    assert "Your bank asks you to confirm." in text_of(browser, f"/top-ups/{payment.public_id}/")
    assert "Waiting for you to confirm" in text_of(browser, "/wallet/")
    assert state_tone(PaymentState.ACTION) == state_tone(PaymentState.PENDING) == "tone-wait"
    assert browser.get(f"/top-ups/{payment.public_id}/confirm/").headers["Location"] == "https://bank.example/3ds"
    payment.refresh_from_db()
    _fail(payment, "insufficient_funds", now())
    assert "The bank says that there is not enough money on the card." in text_of(
        browser, f"/top-ups/{payment.public_id}/"
    )
    assert browser.get(f"/top-ups/{payment.public_id}/confirm/").headers["Location"] == answer.headers["Location"]


def test_a_card_of_somebody_else_is_no_choice(browser: Client, acme: Organization) -> None:
    answer = browser.post("/wallet/top-up/", {"amount": "75", "card": "cd_0000000000000000000000"})
    assert answer.status_code == 200 and not Payment.objects.exists()
    browser.post("/wallet/top-up/", {"amount": "75", "keep_card": "on"})
    assert Payment.objects.get().keep_card


def test_automatic_top_up_is_switched_on_changed_and_off(browser: Client, acme: Organization) -> None:
    assert "Save a card first" in text_of(browser, "/wallet/automatic/")
    a_card(acme)
    wrong = browser.post("/wallet/automatic/", {**RULES, "ceiling": "40"}).content.decode()
    assert "Allow at least one top-up ($50.00)" in wrong and 'value="40"' in wrong
    browser.post("/wallet/automatic/", RULES)
    assert AutoTopUp.objects.get().active
    assert "$50.00 whenever less than $20.00 is available, $120.00 a month at most" in text_of(browser, "/wallet/")
    AutoTopUp.objects.update(failures=1, next_attempt_at=now() + DAY)
    seen = text_of(browser, "/wallet/automatic/")
    assert "The last charge failed." in seen and "1 of 4 failures in a row: the fourth switches it off." in seen
    assert "charges nothing" not in text_of(browser, "/wallet/")
    suspending.suspend(organization=acme, reason="disputed payment", actor="", now=now())
    assert "While ordering is paused it charges nothing." in text_of(browser, "/wallet/")
    browser.post("/wallet/automatic/", {**RULES, "off": "1"})
    assert not AutoTopUp.objects.get().active
    AutoTopUp.objects.update(off_reason="Visa ending in 4242 was declined: the card has expired.")
    assert "It switched itself off." in text_of(browser, "/wallet/automatic/")


def test_credit_is_shown_apart(browser: Client, api: APIClient, acme: Organization) -> None:
    end = now() + 30 * DAY
    granting.give(
        organization=acme, amount_micros=20 * MICROS, reason="Welcome", expires_at=end, actor="", key="k", now=now()
    )
    shown = text_of(browser, "/wallet/")
    assert "$20.00 of promotional credit</a> until" in shown and "Welcome" in shown
    assert api.get("/api/v1/wallet").json()["promotional_micros"] == 120 * MICROS
    first = api.get("/api/v1/promotional-credit").json()["results"][0]
    assert (first["reason"], first["remaining_micros"]) == ("Welcome", 20 * MICROS)


def test_the_api_does_what_the_pages_do(api: APIClient, acme: Organization) -> None:
    assert api.get("/api/v1/automatic-top-up").status_code == 404
    assert api.put("/api/v1/automatic-top-up", API_RULES).json()["code"] == "no_card"
    page = api.post("/api/v1/card-pages", headers={"Idempotency-Key": "k1"}).json()
    assert page["url"].endswith(f"/card-pages/{page['id']}/type/")
    assert api.get(f"/api/v1/card-pages/{page['id']}").json()["state"] == "open"
    card = a_card(acme).public_id
    assert [one["id"] for one in api.get("/api/v1/cards").json()["results"]] == [card]
    assert api.post(f"/api/v1/cards/{card}/default").json()["is_default"] is True
    bad = api.put("/api/v1/automatic-top-up", {**API_RULES, "ceiling_cents": 4000}).json()
    assert bad["errors"][0]["field"] == "ceiling_cents"
    on = api.put("/api/v1/automatic-top-up", API_RULES).json()
    assert (on["active"], on["used_cents"]) == (True, 0)
    assert api.delete(f"/api/v1/cards/{card}").json()["code"] == "card_needed"
    assert api.delete("/api/v1/automatic-top-up").status_code == 204
    wanted = {"amount_cents": 5000, "card": card}
    made = api.post("/api/v1/top-ups", wanted, headers={"Idempotency-Key": "k2"}).json()
    assert (made["card"], made["state"], made["checkout_url"]) == (card, "pending", None)
    Payment.objects.update(state=PaymentState.ACTION, intent_reference="pi_1")
    assert api.get(f"/api/v1/top-ups/{made['id']}").json()["confirm_url"].endswith(f"/top-ups/{made['id']}/confirm/")
    gone = api.post("/api/v1/top-ups", {**wanted, "card": "cd_x"}, headers={"Idempotency-Key": "k3"}).json()
    assert gone["errors"][0]["field"] == "card"
    both = api.post("/api/v1/top-ups", {**wanted, "keep_card": True}, headers={"Idempotency-Key": "k4"}).json()
    assert both["errors"][0]["field"] == "keep_card"
    assert api.delete(f"/api/v1/cards/{card}").status_code == 204
    assert not cards_of(acme).exists()


def test_staff_give_credit_once_however_often_the_form_is_sent(acme: Organization) -> None:
    root = factories.a_user("root@example.com", is_staff=True, is_superuser=True)
    Authenticator.objects.create(user=root, type=Authenticator.Type.TOTP, data={})
    staff, session = Client(), APIClient()
    staff.force_login(root)
    session.force_login(root)
    assert "Give credit" in text_of(staff, "/operations/promotional-credit/")
    gift = {"organization": acme.public_id, "amount": "20", "expires_at": "", "reason": "Welcome", "key": "form1"}
    for _ in range(2):
        assert staff.post("/operations/promotional-credit/", gift).status_code == 302
    assert CreditGrant.objects.filter(reason="Welcome").count() == 1
    assert f"user:{root.public_id}" == CreditGrant.objects.get(reason="Welcome").given_by
    past = staff.post("/operations/promotional-credit/", {**gift, "key": "form2", "expires_at": "2020-01-01T00:00"})
    assert "It has to end later than now" in past.content.decode()
    body = {"organization": acme.public_id, "amount_micros": 5, "reason": "API", "key": "k"}
    assert session.post("/api/v1/operations/promotional-credit", body).json()["remaining_micros"] == 5
    wrong = session.post("/api/v1/operations/promotional-credit", {**body, "key": "k2", "amount_micros": 0}).json()
    assert wrong["errors"][0]["field"] == "amount_micros"
