"""Pages, API, receipt and invoice say what handing back costs and brings: before it is done, and afterwards."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from billing import handing_back, invoicing, metering, reselling
from billing.models import HandBack, InvoiceLine, LineKind
from billing.queries.meters import LAG
from billing.receipts import receipt
from leasing import schedule
from leasing.models import Lease
from leasing.states import LeaseState
from marketplace.models import Offer, Terms
from marketplace.money import format_micros
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.conftest import HOUR, NOON, SECOND, agree, funded, invoiced
from tests.billing.reserving import ACTOR, DOLLARS, START, an_offer, begun, booked, settled, start, this_hour
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db
MICROS_PER_HOUR = 3_600_000


@pytest.fixture
def reserved(db: None) -> Offer:
    return an_offer()


@pytest.fixture
def lease(acme: Organization, reserved: Offer) -> Lease:
    """Active for ten hours from this full hour on."""
    return begun(acme, reserved, begin=this_hour())


@pytest.fixture
def browser(acme: Organization) -> Client:
    return a_browser(acme.members.get())


@pytest.fixture
def api(acme: Organization) -> APIClient:
    return a_client(a_token(acme, acme.members.get()))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def see(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return words(answer.content.decode())


def asked(api: APIClient, lease: Lease, query: str = "") -> Any:
    return api.get(f"/api/v1/leases/{lease.public_id}/hand-back{query}")


def path(lease: Lease, what: str) -> str:
    return f"/leases/{lease.public_id}/{what}/"


def test_the_return_page_says_what_it_costs_before_it_is_confirmed(browser: Client, lease: Lease) -> None:
    shown = see(browser, path(lease, "return"))
    worth = handing_back.value(lease=lease, now=now())
    assert "Fee, kept of it" in shown and "As they use it, up to" in shown
    said = re.search(r"Return now for \$([\d.]+)", shown)
    assert said and float(said[1]) == pytest.approx(worth.fee_micros / DOLLARS, abs=0.02)
    assert browser.post(path(lease, "return"), {"fee_micros": f"{9 * DOLLARS}"}).status_code == 302
    assert 0 < settled(lease).fee_micros <= 9 * DOLLARS


def test_a_fee_that_rose_since_it_was_shown_is_asked_about_once_more(
    browser: Client, acme: Organization, reserved: Offer
) -> None:
    lease = booked(acme, reserved, begin=this_hour() + 3 * HOUR, at=this_hour())
    answer = browser.post(path(lease, "return"), {"fee_micros": "0"})
    shown = words(answer.content.decode())
    assert "the fee has changed, to the one below. Nothing was done" in shown and "Fee, kept of it $3.60" in shown
    assert not HandBack.objects.exists()
    answer = browser.post(path(lease, "return"), {"fee_micros": "3600000"}, follow=True)
    assert "charged nothing but the fee of $3.60" in words(answer.content.decode())


def test_cancelling_without_a_fee_says_so(browser: Client, acme: Organization, reserved: Offer) -> None:
    lease = booked(acme, reserved, begin=this_hour() + 48 * HOUR, at=this_hour())
    shown = see(browser, path(lease, "return"))
    assert "Cancel this lease?" in shown and "you are charged nothing" in shown
    assert "Free in your wallet at once $36.00" in shown and "Cancel lease Keep as it is" in shown


def test_the_lease_page_leads_to_the_question_instead_of_asking_it(browser: Client, lease: Lease) -> None:
    page = browser.get(f"/leases/{lease.public_id}/").content.decode()
    assert path(lease, "return") in page and path(lease, "shorten") in page
    assert "data-dialog" not in page and "<dialog" not in page


def test_shortening_in_the_browser_shows_first_and_then_does_it(browser: Client, lease: Lease) -> None:
    ends_at = lease.starts_at + 4 * HOUR
    assert "End it at" not in see(browser, path(lease, "shorten"))
    page = browser.get(path(lease, "shorten"), {"ends_at": f"{ends_at:%Y-%m-%dT%H:%M}"}).content.decode()
    assert "Fee, kept of it $5.40" in words(page)
    sent = dict(re.findall(r'name="(ends_at|fee_micros)" value="([^"]*)"', page))
    assert sent["fee_micros"] == "5400000"
    answer = browser.post(path(lease, "shorten"), sent, follow=True)
    assert f"It ends at {ends_at:%-d %b %Y, %H:%M} UTC now." in words(answer.content.decode())
    lease.refresh_from_db()
    assert (lease.state, lease.ends_at) == (LeaseState.ACTIVE, ends_at)


def test_the_page_says_that_a_shorter_lease_extends_itself_no_more(browser: Client, lease: Lease) -> None:
    off = "Shortening it turns that off"
    assert off not in words(see(browser, path(lease, "shorten")))
    Lease.objects.filter(pk=lease.pk).update(auto_extend_seconds=3600, auto_extend_max_micros=MICROS_PER_HOUR)
    assert f"It extends itself by 1 h 00 min. {off}" in words(see(browser, path(lease, "shorten")))


def test_an_end_that_cannot_be_is_said_beside_the_field(browser: Client, lease: Lease) -> None:
    for typed, said in {
        f"{lease.starts_at + 11 * HOUR:%Y-%m-%dT%H:%M}": "Choose an end before the present one",
        f"{lease.starts_at + 90 * 60 * SECOND:%Y-%m-%dT%H:%M}": "the next end from then on is",
        "soon": "Write it as",
    }.items():
        for answer in (
            browser.get(path(lease, "shorten"), {"ends_at": typed}),
            browser.post(path(lease, "shorten"), {"ends_at": typed}),
        ):
            assert said in words(answer.content.decode())
    assert not HandBack.objects.exists()


def test_a_lease_that_is_over_is_not_shortened(browser: Client, lease: Lease) -> None:
    browser.post(path(lease, "return"))
    assert "cannot be shortened" in words(browser.get(path(lease, "shorten"), follow=True).content.decode())


def test_the_api_says_what_returning_and_shortening_cost(api: APIClient, lease: Lease) -> None:
    worth = asked(api, lease).json()
    assert worth["kind"] == "returned" and worth["fee_micros"] + worth["refund_micros"] == worth["price_micros"]
    ends_at = lease.starts_at + 4 * HOUR
    shorter = asked(api, lease, f"?ends_at={ends_at:%Y-%m-%dT%H:%M:%SZ}").json()
    assert shorter == {
        "kind": "shortened",
        "since": f"{ends_at:%Y-%m-%dT%H:%M:%SZ}",
        "until": f"{lease.ends_at:%Y-%m-%dT%H:%M:%SZ}",
        "price_micros": 6 * MICROS_PER_HOUR,
        "fee_micros": 5_400_000,
        "repriced_micros": 0,
        "micros_per_node_hour": None,
        "refund_micros": 16_200_000,
        "resale_micros": 4_320_000,
    }
    assert not HandBack.objects.exists()


def test_the_api_refuses_a_parameter_that_it_does_not_know(api: APIClient, lease: Lease) -> None:
    """Else who mistypes `ends_at` would read what returning costs, and take it for shortening."""
    answer = asked(api, lease, f"?end_at={START + HOUR:%Y-%m-%dT%H:%M:%SZ}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "end_at"


def test_a_lease_that_is_over_is_no_fault_of_the_end_that_was_asked_for(api: APIClient, lease: Lease) -> None:
    ends_at = f"{lease.starts_at + 2 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    handing_back.hand_back(lease=lease, actor=ACTOR, now=now())
    answers = [
        api.post(f"/api/v1/leases/{lease.public_id}/shorten", {"ends_at": ends_at}, format="json"),
        asked(api, lease, f"?ends_at={ends_at}"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "window_fixed")] * 2


def test_the_api_shortens_and_a_retry_does_no_harm(api: APIClient, lease: Lease) -> None:
    ends_at = lease.starts_at + 4 * HOUR
    for _ in range(2):
        answer = api.post(f"/api/v1/leases/{lease.public_id}/shorten", {"ends_at": ends_at}, format="json")
        assert answer.status_code == 200, answer.content
        assert answer.json()["ends_at"] == f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"
    assert answer.json()["held_micros"] <= 4 * MICROS_PER_HOUR
    assert HandBack.objects.count() == 1


def test_the_api_refuses_an_end_by_its_field(api: APIClient, lease: Lease) -> None:
    later = f"{lease.starts_at + 11 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    for answer in (
        asked(api, lease, f"?ends_at={later}"),
        asked(api, lease, "?ends_at=soon"),
        api.post(f"/api/v1/leases/{lease.public_id}/shorten", {"ends_at": later}, format="json"),
        api.post(f"/api/v1/leases/{lease.public_id}/shorten", {}, format="json"),
    ):
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == ["ends_at"]


def test_a_lease_that_was_returned_is_worth_nothing_more(api: APIClient, lease: Lease) -> None:
    api.post(f"/api/v1/leases/{lease.public_id}/return")
    worth = asked(api, lease).json()
    assert (worth["price_micros"], worth["fee_micros"], worth["refund_micros"]) == (0, 0, 0)


@pytest.fixture
def resold(acme: Organization, reserved: Offer) -> Lease:
    """Nine of ten hours given back on 2 March; two of them used by somebody else; all metered and credited."""
    lease, at = begun(acme, reserved), START + HOUR
    handing_back.hand_back(lease=lease, actor=ACTOR, now=at)
    work_all(reserved, now=at + 60 * SECOND)
    other = booked(funded(100, "Other"), reserved, begin=START + 8 * HOUR, hours=2, at=at + 120 * SECOND)
    start(other, START + 8 * HOUR)
    metering.meter(lease=lease, upto=at, now=at + HOUR)
    reselling.credit(hand_back=settled(lease), now=START + 10 * HOUR + LAG)
    return lease


USE, FEE, CREDIT = 3_600_000, 8_100_000, 1_440_000


def test_the_receipt_has_fee_and_credit_on_lines_of_their_own(browser: Client, api: APIClient, resold: Lease) -> None:
    paper = receipt(lease=resold, now=NOON + timedelta(days=1))
    assert (paper.charged_micros, paper.total_micros) == (USE, USE + FEE - CREDIT)
    shown = see(browser, path(resold, "receipt"))
    for said in ("Use $3.60", "Fee: handed back $8.10", "Credit: others used the time −$1.44", "Charged $10.26"):
        assert said in shown
    answer = api.get(f"/api/v1/leases/{resold.public_id}/receipt").json()
    (row,) = answer["hand_backs"]
    assert (row["kind"], row["fee_micros"], row["credited_micros"], row["credit_closed"]) == (
        "returned", FEE, CREDIT, True,
    )  # fmt: skip
    assert (answer["charged_micros"], answer["total_micros"]) == (USE, USE + FEE - CREDIT)


def test_the_invoice_has_fee_and_credit_on_lines_of_their_own(
    browser: Client, acme: Organization, resold: Lease
) -> None:
    preview = invoicing.preview(organization=acme, now=NOON + timedelta(days=1))
    invoice = invoiced(acme, now=NOON + timedelta(days=31))
    assert invoice
    lines = [(line.kind, line.micros, line.cents) for line in invoice.lines.all()]
    assert lines == [(LineKind.USAGE, USE, 360), (LineKind.FEE, FEE, 810), (LineKind.CREDIT, -CREDIT, -144)]
    assert [(line.kind, line.micros, line.cents) for line in preview] == lines
    assert invoice.total_cents == 1026
    assert "fee for agreed time that was handed back" in see(browser, f"/invoices/{invoice.public_id}/")


def test_papers_show_several_prices_beside_fee_and_credit(browser: Client, acme: Organization, reserved: Offer) -> None:
    lease, at = begun(acme, reserved), START + 2 * HOUR
    agree(lease, 2 * MICROS_PER_HOUR, from_at=START + HOUR, now=START)
    handing_back.shorten(lease=lease, ends_at=START + 9 * HOUR, actor=ACTOR, now=at)
    lines = [
        (LineKind.USAGE, MICROS_PER_HOUR, 3600, MICROS_PER_HOUR),
        (LineKind.USAGE, 2 * MICROS_PER_HOUR, 3600, 2 * MICROS_PER_HOUR),
        (LineKind.FEE, MICROS_PER_HOUR, 0, 2 * MICROS_PER_HOUR // 4),
    ]
    for posted_until in (None, START + HOUR, at):
        if posted_until:
            metering.meter(lease=lease, upto=posted_until, now=at)
        said = invoicing.preview(organization=acme, now=at)
        assert [(line.kind, line.micros_per_node_hour, line.seconds, line.micros) for line in said] == lines
    handing_back.hand_back(lease=lease, actor=ACTOR, now=at)
    metering.meter(lease=lease, upto=at, now=at)
    invoice = invoiced(acme, now=NOON + timedelta(days=31))
    assert invoice
    last = [(LineKind.FEE, MICROS_PER_HOUR, 0, (1 + 7) * 2 * MICROS_PER_HOUR // 4)]
    told = [(line.kind, line.micros_per_node_hour, line.seconds, line.micros) for line in invoice.lines.all()]
    assert told == lines[:2] + last
    shown = see(browser, path(lease, "receipt"))
    for words_said in ("Price per node-hour $3.60", "$7.20", "Use $10.80", "Fee: shortened $1.80", "Charged $25.20"):
        assert words_said in shown


def test_the_list_of_leases_has_the_fee_beside_the_cost(browser: Client, acme: Organization, resold: Lease) -> None:
    (row,) = HandBack.objects.all()
    shown = see(browser, "/leases/")
    assert (
        row.credited_micros and f"and {format_micros(row.fee_micros - row.credited_micros)} for handing back" in shown
    )


def test_a_start_that_is_called_off_names_its_fee(browser: Client, acme: Organization, reserved: Offer) -> None:
    lease = booked(acme, reserved, begin=this_hour() + HOUR, at=this_hour())
    schedule.start_due(now=lease.starts_at)
    shown = see(browser, path(lease, "return"))
    assert "Return now for $3.60" in shown and "The start is called off." in shown
    assert "charged nothing" not in shown


def test_a_month_in_which_only_a_fee_was_due_has_an_invoice(acme: Organization, reserved: Offer) -> None:
    handing_back.hand_back(lease=booked(acme, reserved), actor=ACTOR, now=NOON)
    april = NOON + timedelta(days=31)
    assert invoicing.due(period=date(2026, 3, 1), now=april) == [acme.pk]
    assert invoiced(acme, now=april)
    assert InvoiceLine.objects.get().kind == LineKind.FEE


def test_the_wallet_names_fee_and_credit(browser: Client, resold: Lease) -> None:
    shown = see(browser, "/wallet/ledger/")
    assert "given back before its end Fee for handing back early" in shown
    assert "others use time that was handed back Credit for resold time" in shown


def test_terms_that_keep_nothing_show_no_fee(browser: Client, acme: Organization) -> None:
    lease = begun(acme, an_offer(return_refund_percent=100, resale_percent=0), begin=this_hour())
    assert Terms.objects.get(pk=lease.terms_id).return_refund_percent == 100
    shown = see(browser, path(lease, "return"))
    assert "Fee, kept of it $0.00" in shown and "Return now Keep as it is" in shown
