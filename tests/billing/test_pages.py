"""Ordering and paying in the browser, without a browser: pages, forms, and where they lead."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.clock import now
from accounts.models import Membership, Organization, Role, User
from accounts.templatetags.ui import duration
from billing import metering
from billing.models import Payment, PaymentState, Quote
from leasing.models import Lease
from leasing.operations import end
from leasing.states import LeaseState
from marketplace.models import Offer, PlanKind, Rate
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.conftest import HOUR, NOON, SECOND, balance, funded, give, invoiced, place, running

pytestmark = pytest.mark.django_db


def see(browser: Client, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found.group(1)


def the_form(page: str, organization: Organization, **typed: Any) -> dict[str, Any]:
    """What a browser sends: what the page holds, and what was typed."""
    factories.an_image()
    return {
        "offer": hidden(page, "offer"),
        "quote": hidden(page, "quote"),
        "nodes": "1",
        "name": "training",
        "ssh_keys": [factories.a_key(organization).public_id],
        "image": "base",
        "startup_script": "",
        **typed,
    }


def submit(browser: Client, form: dict[str, Any]) -> HttpResponse:
    return browser.post("/order/", form)  # type: ignore[return-value]


def test_an_order_leads_to_its_lease(browser: Client, acme: Organization, offer: Offer) -> None:
    factories.a_key(acme)
    page = see(browser, f"/order/?offer={offer.public_id}")
    assert "$3.60" in page and "Order for" in page
    answer = submit(browser, the_form(page, acme, startup_script="#!/bin/sh\r\necho hi\r\n"))
    lease = Lease.objects.get()
    assert answer.headers["Location"] == f"/leases/{lease.public_id}/"
    assert lease.startup_script == "#!/bin/sh\necho hi\n"


def test_a_second_click_leads_to_the_same_lease(browser: Client, acme: Organization, offer: Offer) -> None:
    form = the_form(see(browser, f"/order/?offer={offer.public_id}"), acme)
    first, second = submit(browser, form), submit(browser, form)
    assert first.headers["Location"] == second.headers["Location"]
    assert Lease.objects.count() == 1


def test_the_price_follows_the_number_of_nodes(browser: Client, acme: Organization, offer: Offer) -> None:
    answer = browser.get(f"/order/?offer={offer.public_id}&nodes=2", headers={"HX-Request": "true"})
    panel = answer.content.decode()
    assert panel.lstrip().startswith("<aside") and "$7.20" in panel
    assert Quote.objects.get(public_id=hidden(panel, "quote")).nodes == 2


def test_what_was_priced_must_be_what_is_ordered(browser: Client, acme: Organization, offer: Offer) -> None:
    form = the_form(see(browser, f"/order/?offer={offer.public_id}"), acme, nodes="2")
    page = submit(browser, form).content.decode()
    assert "The price was renewed" in page
    assert not Lease.objects.exists()
    assert submit(browser, {**form, "quote": hidden(page, "quote")}).status_code == 302


def test_the_price_shown_is_kept_when_the_rate_rises(browser: Client, acme: Organization, offer: Offer) -> None:
    form = the_form(see(browser, f"/order/?offer={offer.public_id}"), acme)
    Rate.objects.create(offer=offer, micros_per_node_hour=9_000_000, starts_at=now())
    submit(browser, form)
    assert Lease.objects.get().rate.micros_per_node_hour == 3_600_000


def test_an_expired_price_is_renewed_and_nothing_typed_is_lost(
    browser: Client, acme: Organization, offer: Offer
) -> None:
    form = the_form(see(browser, f"/order/?offer={offer.public_id}"), acme, name="typed before")
    Quote.objects.update(expires_at=now())
    page = submit(browser, form).content.decode()
    assert "The price was renewed" in page and "typed before" in page
    assert not Lease.objects.exists()


def test_a_missing_key_is_said_beside_its_field(browser: Client, acme: Organization, offer: Offer) -> None:
    form = the_form(see(browser, f"/order/?offer={offer.public_id}"), acme)
    del form["ssh_keys"]
    assert "without one nobody could log in" in submit(browser, form).content.decode()


def test_without_any_key_the_page_leads_to_adding_one(browser: Client, offer: Offer) -> None:
    page = see(browser, f"/order/?offer={offer.public_id}")
    assert f"/ssh-keys/add/?next=%2Forder%2F%3Foffer%3D{offer.public_id}" in page


def test_without_money_the_page_leads_to_a_top_up(browser: Client, acme: Organization, offer: Offer) -> None:
    give(acme, -99)
    form = the_form(see(browser, f"/order/?offer={offer.public_id}"), acme)
    page = submit(browser, form).content.decode()
    assert "Nothing was ordered" in page and "/wallet/top-up/?amount=10" in page


def test_a_reservation_is_proposed_a_window_and_may_change_it(
    browser: Client, acme: Organization, reserved: Offer
) -> None:
    page = see(browser, f"/order/?offer={reserved.public_id}")
    start = (now() + timedelta(hours=5)).replace(minute=0, second=0, microsecond=0)
    times = {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "ends_at": f"{start + timedelta(hours=2):%Y-%m-%dT%H:%M}"}
    page = see(browser, f"/order/?offer={reserved.public_id}&starts_at={times['starts_at']}&ends_at={times['ends_at']}")
    assert "$7.20" in page
    assert submit(browser, the_form(page, acme, **times)).status_code == 302
    assert Lease.objects.get().ends_at == start + timedelta(hours=2)


def test_the_period_is_told_in_the_users_zone_which_can_be_changed(
    browser: Client, acme: Organization, reserved: Offer
) -> None:
    User.objects.update(time_zone="Asia/Riyadh")
    start = (now() + timedelta(hours=5)).replace(minute=0, second=0, microsecond=0)
    local = f"{start + timedelta(hours=3):%Y-%m-%dT%H:%M}"
    asked = f"starts_at={start:%Y-%m-%dT%H:%M}&ends_at={start + timedelta(hours=2):%Y-%m-%dT%H:%M}"
    page = see(browser, f"/order/?offer={reserved.public_id}&{asked}")
    assert f'value="{local}"' in page and '<option value="Asia/Riyadh" selected>' in page
    there = {"zone": "Africa/Nairobi", "starts_at": local, "ends_at": f"{start + timedelta(hours=5):%Y-%m-%dT%H:%M}"}
    submit(browser, the_form(see(browser, f"/order/?offer={reserved.public_id}&{urlencode(there)}"), acme, **there))
    assert Lease.objects.get().starts_at == start  # Nairobi and Riyadh are both three hours ahead


def test_a_time_that_clocks_show_twice_is_priced_once_it_is_chosen(browser: Client, reserved: Offer) -> None:
    asked = {"offer": reserved.public_id, "zone": "America/New_York", "starts_at": "2025-11-02T01:00"}
    page = see(browser, f"/order/?{urlencode(asked)}")
    assert "Clocks show 01:00 twice" in page and 'name="starts_at_offset" value="-05:00"' in page
    page = see(browser, f"/order/?{urlencode(asked | {'starts_at_offset': '-05:00'})}")
    assert "Clocks show" not in page and "Choose a start after now" in page


def test_the_question_which_of_two_times_comes_with_the_price_while_one_types(browser: Client, reserved: Offer) -> None:
    asked = {"offer": reserved.public_id, "zone": "America/New_York", "starts_at": "2025-11-02T01:00"}
    part = browser.get("/order/", asked, headers={"HX-Request": "true"}).content.decode()
    assert '<div id="id_starts_at_which" hx-swap-oob="true">' in part and 'value="-04:00"' in part
    assert '<div id="id_ends_at_which" hx-swap-oob="true" hidden>' in part


def test_a_window_that_the_plan_forbids_is_explained(browser: Client, reserved: Offer) -> None:
    page = see(browser, f"/order/?offer={reserved.public_id}&starts_at=2020-01-01T00:00&ends_at=2020-01-01T05:00")
    assert "Choose a start after now" in page
    assert 'name="quote"' not in page


def test_a_taken_pool_says_from_when_it_is_free(browser: Client, acme: Organization, offer: Offer) -> None:
    form = the_form(see(browser, f"/order/?offer={offer.public_id}&nodes=3"), acme, nodes="3")
    rival = funded(100, "Rival")
    running(rival, offer, now=now())
    page = submit(browser, form).content.decode()
    assert "Somebody was faster" in page and "Only 2 free" in page


def test_an_offer_that_is_gone_is_404(browser: Client) -> None:
    see(browser, "/order/?offer=of_gone", 404)
    see(browser, "/order/", 404)


def test_the_wallet_shows_what_is_there_and_for_how_long(browser: Client, acme: Organization, offer: Offer) -> None:
    running(acme, offer, now=now())
    page = see(browser, "/wallet/")
    assert "$96.40" in page and duration(97_200) in page
    assert "gift" in see(browser, "/wallet/ledger/")


def test_a_top_up_leads_through_our_own_page_to_the_processor(browser: Client, acme: Organization) -> None:
    answer = browser.post("/wallet/top-up/", {"amount": "25.50"})
    payment = Payment.objects.get()
    assert payment.amount_cents == 2550
    assert answer.headers["Location"] == f"/top-ups/{payment.public_id}/opening/"
    opening = see(browser, f"/top-ups/{payment.public_id}/opening/")
    assert f'content="0; url=/top-ups/{payment.public_id}/pay/"' in opening


def test_coming_back_from_the_processor_proves_nothing(browser: Client, acme: Organization) -> None:
    browser.post("/wallet/top-up/", {"amount": "25"})
    payment = Payment.objects.get()
    page = see(browser, f"/top-ups/{payment.public_id}/?success=1")
    assert "being confirmed" in page and 'hx-trigger="every 2s"' in page
    assert balance(acme) == 100_000_000
    Payment.objects.update(state=PaymentState.PAID, settled_at=now())
    page = see(browser, f"/top-ups/{payment.public_id}/")
    assert "in your wallet" in page and "hx-trigger" not in page.partition('id="payment"')[2].partition("</section>")[0]


@pytest.mark.parametrize("amount", ["9.99", "50000.01", "ten", "", "12.345", "NaN", "1e9"])
def test_a_bad_amount_is_explained_beside_its_field(browser: Client, amount: str) -> None:
    answer = browser.post("/wallet/top-up/", {"amount": amount})
    assert answer.status_code == 200
    assert 'id="id_amount_error"' in answer.content.decode()
    assert not Payment.objects.exists()


def test_a_gift_cannot_be_refunded_to_a_card(browser: Client) -> None:
    assert "Nothing to refund" in see(browser, "/wallet/refund/")


def test_papers_say_the_same_amount(browser: Client, acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 90 * SECOND)
    metering.meter(lease=lease, upto=NOON, now=NOON + 90 * SECOND)
    made = invoiced(acme, now=NOON + timedelta(days=40))
    assert made
    assert "$0.09" in see(browser, f"/leases/{lease.public_id}/receipt/")
    page = see(browser, f"/invoices/{made.public_id}/")
    assert 'data-label="Net"' in page and 'data-label="Amount"' not in page, "as on the PDF"
    assert made.number in page and "$0.09" in page
    assert made.number in see(browser, "/invoices/")


def test_strangers_see_none_of_it(acme: Organization, browser: Client, offer: Offer) -> None:
    lease = running(acme, offer)
    browser.post("/wallet/top-up/", {"amount": "25"})
    payment = Payment.objects.get()
    other = funded(1, "Stranger Ltd").members.first()
    assert other
    stranger = a_browser(other)
    for path in (f"/leases/{lease.public_id}/receipt/", f"/top-ups/{payment.public_id}/", "/invoices/iv_none/"):
        see(stranger, path, 404)
    assert "25.00" not in see(stranger, "/wallet/")


def test_an_engineer_sees_money_but_does_not_move_it(acme: Organization) -> None:
    eli = factories.a_user("eli@example.com")
    Membership.objects.create(organization=acme, user=eli, role=Role.ENGINEER)
    engineer = a_browser(eli)
    assert "Top up</a>" not in see(engineer, "/wallet/").partition("page-header")[2].partition("grid--stats")[0]
    see(engineer, "/wallet/top-up/", 403)
    see(engineer, "/wallet/refund/", 403)
    assert engineer.post("/wallet/top-up/", {"amount": "25"}).status_code == 403


def test_on_a_plan_that_allows_it_an_empty_start_is_at_once(browser: Client, acme: Organization) -> None:
    plan = factories.a_plan(PlanKind.RESERVED, may_start_now=True)
    offer = factories.an_offer(factories.a_pool(nodes=1), plan)
    factories.a_key(acme)
    ends_at = (now() + 3 * HOUR).replace(minute=0, second=0, microsecond=0)
    page = see(browser, f"/order/?offer={offer.public_id}&ends_at={ends_at:%Y-%m-%dT%H:%M}")
    assert "Empty: at once." in page
    form = the_form(page, acme, starts_at="", ends_at=f"{ends_at:%Y-%m-%dT%H:%M}")
    later = f"{ends_at - HOUR:%Y-%m-%dT%H:%M}"
    assert "The price was renewed" in submit(browser, {**form, "starts_at": later}).content.decode()
    assert submit(browser, form).status_code == 302
    lease = Lease.objects.get()
    assert (lease.ends_at, lease.state) == (ends_at, LeaseState.PROVISIONING)


def test_a_discount_is_shown_on_the_offer_the_order_and_the_receipt(browser: Client) -> None:
    plan = factories.a_plan(PlanKind.RESERVED, discounts=[[86_400, 25]])
    offer = factories.an_offer(factories.a_pool(nodes=1), plan)
    starts_at = (now() + 2 * HOUR).replace(minute=0, second=0, microsecond=0)
    period = f"starts_at={starts_at:%Y-%m-%dT%H:%M}&ends_at={starts_at + 24 * HOUR:%Y-%m-%dT%H:%M}"
    shown = see(browser, f"/offers/{offer.public_id}/?{period}")
    assert "25&nbsp;% off" in shown and "$64.80" in shown  # 24 h at $2.70
    priced = see(browser, f"/order/?offer={offer.public_id}&{period}")
    assert "<s>$3.60</s>" in priced and "$2.70" in priced and "Order for $64.80" in priced
    lease = place(Quote.objects.get(public_id=hidden(priced, "quote")), now=now())
    assert "$2.70" in see(browser, f"/leases/{lease.public_id}/")
    receipt = see(browser, f"/leases/{lease.public_id}/receipt/")
    assert "$3.60" in receipt and "less 25&nbsp;% for the agreed length" in receipt and "$2.70" in receipt
