"""Pages and API of who pays by the month: the customer's figures, and staff's decisions."""

from datetime import date

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Event, Organization
from accounts.templatetags.ui import on_day
from billing import cards, standing
from billing.models import BillingAccount, CardInvoice, TieOut
from marketplace.models import Offer
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.cards_world import a_card
from tests.billing.conftest import HOUR, NOON, running
from tests.billing.monthly import DAY, MICROS, charge, decided
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db


@pytest.fixture
def metered(acme: Organization) -> Organization:
    """Acme has used $150.00 of its money and its credit; one invoice is paid, the card of another was declined."""
    decided(acme, NOON, trust="known")
    charge(acme, 150 * MICROS, NOON)
    for number, status, failed_at in (("AC-1", "paid", None), ("AC-2", "open", NOON)):
        CardInvoice.objects.create(
            organization=acme,
            reference=number,
            number=number,
            status=status,
            period_start=NOON - 31 * DAY,
            period_end=NOON,
            subtotal_cents=5_000,
            total_cents=5_000,
            due_cents=5_000,
            paid_cents=5_000 if status == "paid" else 0,
            page_url=f"https://invoice.example.com/{number}",
            pdf_url=f"https://invoice.example.com/{number}/pdf",
            finalized_at=NOON,
            paid_at=NOON if status == "paid" else None,
            attempts=1,
            failed_at=failed_at,
        )
    return acme


def tied_out(organization: Organization, day: int, counted: int) -> TieOut:
    """One day by three books."""
    return TieOut.objects.create(
        organization=organization,
        span="day",
        day=(NOON + day * DAY).date(),
        posted_micros=10,
        exported_micros=10,
        told_micros=10,
        counted_micros=counted,
        checked_at=NOON,
        differs_since=None if counted == 10 else NOON,
    )


def test_the_customer_sees_mode_credit_and_the_last_day_that_matched(
    metered: Organization, browser: Client, api: APIClient
) -> None:
    tied_out(metered, 0, 10)
    tied_out(metered, 1, 11)
    tied_out(metered, 2, 10)
    page = browser.get("/wallet/").content.decode()
    assert "by card at the end of each month" in page and "$1,000.00" in page and on_day(date(2026, 3, 2)) in page
    wallet = api.get("/api/v1/wallet").json()
    assert (wallet["mode"], wallet["credit_micros"], wallet["credit_used_micros"]) == (
        "metered",
        1_000_000_000,
        50_000_000,
    )
    assert (wallet["available_micros"], wallet["matched_on"]) == (950_000_000, "2026-03-02")


def test_who_pays_later_is_led_to_invoices_instead_of_a_top_up(metered: Organization, browser: Client) -> None:
    page = browser.get("/wallet/").content.decode()
    assert ">Top up<" not in page and 'href="/invoices/">Invoices</a>' in page
    assert "taken off the next invoice" in browser.get("/wallet/top-up/").content.decode()


@pytest.mark.parametrize("mode", ["metered", "invoiced"])
def test_nobody_who_pays_later_is_told_to_top_up(
    acme: Organization, browser: Client, api: APIClient, offer: Offer, mode: str
) -> None:
    lease = running(acme, offer)
    decided(acme, NOON, mode=mode, trust="known")
    a_card(acme)
    charge(acme, 1100 * MICROS, NOON)
    standing.enforce(organization=acme, now=NOON + HOUR)
    card = acme.cards.get()
    cards.tell_of_expiry(card=card, now=NOON)
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == ("paused", "out_of_funds")
    pages = [f"/leases/{lease.public_id}/", "/wallet/", *(["/cards/"] if mode == "metered" else [])]
    assert not [page for page in pages if "op up" in browser.get(page).content.decode()]
    assert "open invoice" in browser.get(pages[0]).content.decode()
    for words in ("You need not top up", "write to us for a higher limit"):
        assert words in browser.get("/wallet/automatic/").content.decode()
    mails = [
        event.notice["text"] for event in Event.objects.filter(organization=acme, notice__isnull=False) if event.notice
    ]
    assert ("months cannot be charged to it" in " ".join(mails)) == (mode == "metered")
    told = [text for text in mails if "higher limit" in text]
    assert len(told) == 2 and not [text for text in told if "op up" in text]  # it is paused; nothing is left
    quote = api.post("/api/v1/quotes", {"offer": offer.public_id, "nodes": 1}, format="json").json()
    order = {
        "quote": quote["id"],
        "name": "more",
        "ssh_keys": [factories.a_key(acme).public_id],
        "image": factories.an_image().slug,
    }
    answer = api.post("/api/v1/leases", order, format="json", headers={"Idempotency-Key": "one"}).json()
    assert answer["code"] == "insufficient_funds" and "Pay an open invoice" in answer["detail"]
    assert answer["invoices_path"] == "/api/v1/invoices" and "top_up_path" not in answer


def test_who_pays_before_sees_nothing_of_it(acme: Organization, browser: Client, api: APIClient) -> None:
    page = browser.get("/wallet/").content.decode()
    assert "Prepaid." in page and "Credit used" not in page and "matched" not in page
    wallet = api.get("/api/v1/wallet").json()
    assert (wallet["mode"], wallet["credit_micros"], wallet["matched_on"]) == ("prepaid", 0, None)


def test_the_processors_invoices_are_shown_with_their_pages_and_files(
    metered: Organization, browser: Client, api: APIClient
) -> None:
    page = browser.get("/invoices/").content.decode()
    for words in ("AC-1", "https://invoice.example.com/AC-2/pdf", "card declined", "Pay or see it"):
        assert words in page
    rows = api.get("/api/v1/card-invoices").json()["results"]
    assert {row["number"]: row["status"] for row in rows} == {"AC-1": "paid", "AC-2": "open"}


@pytest.fixture
def staff(db: None) -> Client:
    """Staff who may do everything, with a second factor."""
    user = factories.a_user("staff@example.com", is_staff=True, is_superuser=True)
    TOTP.activate(user, generate_totp_secret())
    return a_browser(user)


def test_staff_see_who_owes_and_what_differs(metered: Organization, staff: Client) -> None:
    assert "All books agree" in staff.get("/operations/metered/").content.decode()
    tied_out(metered, 0, 12)
    page = staff.get("/operations/metered/").content.decode()
    assert "$0.000012" in page and metered.name in page and "$50.00" in page
    found = staff.get("/operations/metered/", {"organization": metered.public_id})
    assert found.headers["Location"] == f"/operations/metered/{metered.public_id}/"
    assert "There is no organization og_x." in staff.get("/operations/metered/?organization=og_x").content.decode()


def test_staff_decide_with_a_reason_and_a_refusal_stands_beside_its_field(
    stripe: StripeStandin, acme: Organization, staff: Client, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT_CENTS = 100_000  # more credit needs a second person
    address = f"/operations/metered/{acme.public_id}/"
    wanted = {"mode": "metered", "trust": "known", "credit": "", "reason": "two years without a delay"}
    refused = staff.post(address, wanted).content.decode()
    assert "no default card that works" in refused and "two years without a delay" in refused
    assert staff.post(address, {**wanted, "override": "on"}).status_code == 302
    account = BillingAccount.objects.get(organization=acme)
    assert (account.mode, account.trust, account.credit_micros) == ("metered", "known", 1_000_000_000)


def test_the_api_decides_as_the_page_does(
    stripe: StripeStandin, acme: Organization, staff: Client, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT_CENTS = 100_000
    address = f"/api/v1/operations/accounts/{acme.public_id}"
    wanted = {"mode": "metered", "trust": "known", "reason": "two years without a delay"}
    refused = staff.post(address, wanted, content_type="application/json")
    assert refused.status_code == 400 and "no default card that works" in refused.content.decode()
    assert staff.post(address, {**wanted, "override": True}, content_type="application/json").status_code == 200
    assert staff.get(address).json() == {
        "organization": acme.public_id,
        "mode": "metered",
        "trust": "known",
        "credit_micros": 1_000_000_000,
        "suspended_at": None,
        "suspended_reason": "",
    }


def test_a_member_without_the_permission_decides_nothing(metered: Organization, browser: Client) -> None:
    for address in ("/operations/metered/", f"/operations/metered/{metered.public_id}/"):
        assert browser.get(address).status_code == 403
