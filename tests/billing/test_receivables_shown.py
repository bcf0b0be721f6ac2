"""Staff's pages and API of what is owed, each action behind its own permission; and what customers see and set."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Organization
from accounts.templatetags.ui import unbroken
from billing.models import BankTransfer, BillingAccount, CreditNote, Invoice, ParkedMonth, WriteOff
from marketplace.models import Offer
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.papers import ISSUED, on_account, owing

pytestmark = pytest.mark.django_db
BASE = "/operations/receivables/"


@pytest.fixture
def invoice(acme: Organization, offer: Offer) -> Invoice:
    """Acme owes $3.00, long overdue by the clock on the wall or not."""
    on_account(acme)
    return owing(acme, offer)


def staff(*permissions: str) -> Client:
    """Somebody of the operator's who may do these."""
    person = factories.a_user("clerk@example.com", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={})
    return a_browser(person)


def test_staff_see_what_is_owed_and_do_what_they_may(invoice: Invoice, acme: Organization) -> None:
    clerk = staff("view_invoice", "add_banktransfer")
    page = clerk.get(BASE).content.decode()
    assert all(
        words in page for words in (invoice.number, "$3.00", "Not due", "Over 90 days late", "Record a transfer")
    )
    one = f"{BASE}{invoice.public_id}/"
    assert "Issue a credit note" not in clerk.get(one).content.decode()
    assert [clerk.get(f"{one}{action}/").status_code for action in ("credit", "write-off")] == [403, 403]
    assert clerk.get("/operations/closing/").status_code == 403
    said = {
        "organization": acme.public_id, "reference": "BANK-1", "amount": "1.00", "received_at": "2026-04-02T12:00",
        "invoice": "GL-9",
    }  # fmt: skip
    refused = clerk.post(f"{BASE}transfer/", said).content.decode()
    assert "This customer has no invoice GL-9." in re.sub("<[^>]+>", "", refused) and 'value="BANK-1"' in refused
    assert clerk.post(f"{BASE}transfer/", {**said, "invoice": invoice.number}).status_code == 302
    again = clerk.post(f"{BASE}transfer/", {**said, "invoice": "", "amount": "2.00"}).content.decode()
    assert "recorded with another amount" in again
    assert BankTransfer.objects.get().amount_cents == 100
    assert "BANK-1" in clerk.get(one).content.decode()


def test_staff_credit_and_write_off_with_a_reason(invoice: Invoice) -> None:
    clerk = staff("view_invoice", "add_creditnote", "add_writeoff")
    one, line = f"{BASE}{invoice.public_id}/", f"line_{invoice.lines.get().pk}"
    assert "At most $3.00 is left" in clerk.post(f"{one}credit/", {line: "3.01", "reason": "x"}).content.decode()
    assert "This field is required" in clerk.post(f"{one}credit/", {line: "1.00"}).content.decode()
    assert clerk.post(f"{one}credit/", {line: "1.00", "reason": "slow disk"}).status_code == 302
    assert clerk.post(f"{one}write-off/", {"reason": "insolvent"}).status_code == 302
    assert (CreditNote.objects.get().total_cents, WriteOff.objects.get().cents) == (100, 200)
    page = clerk.get(one).content.decode()
    assert all(words in page for words in ("Written off", "GC-000001", "slow disk", "insolvent"))


def test_staff_read_the_lines_of_an_invoice_and_its_paper(invoice: Invoice) -> None:
    clerk, one = staff("view_invoice"), f"{BASE}{invoice.public_id}/"
    page, line = clerk.get(one).content.decode(), invoice.lines.get()
    assert line.description in page and line.lease.public_id in page
    assert f'href="{one}pdf/"' in page and "/receipt/" not in page and "/ledger/" not in page
    paper = clerk.get(f"{one}pdf/")
    assert paper.headers["Content-Type"] == "application/pdf" and paper.content.startswith(b"%PDF")


def test_an_invoice_of_which_nothing_is_open_is_not_written_off(invoice: Invoice) -> None:
    clerk, address = staff("view_invoice", "add_writeoff"), f"{BASE}{invoice.public_id}/write-off/"
    assert "is no longer expected" in clerk.get(address).content.decode()
    clerk.post(address, {"reason": "insolvent"})
    page = clerk.get(address, follow=True).content.decode()
    said = f"Nothing is open of invoice {invoice.number}, so there is nothing to write off."
    assert unbroken(said) in page
    assert "is no longer expected" not in page


def test_staff_choose_the_customer_by_name(invoice: Invoice, acme: Organization) -> None:
    clerk = staff("view_invoice", "add_banktransfer", "add_adjustment", "view_tieout", "change_billingaccount")
    for address in (f"{BASE}transfer/", "/operations/adjustments/new/", "/operations/metered/"):
        page = clerk.get(address).content.decode()
        assert f'<option value="{acme.name} ({acme.public_id})"></option>' in page
    assert f"transfer/?organization={acme.public_id}&amp;" in clerk.get(f"{BASE}{invoice.public_id}/").content.decode()
    chosen = clerk.get(f"{BASE}transfer/?organization={acme.public_id}").content.decode()
    assert f'value="{acme.name} ({acme.public_id})"' in chosen.split("<datalist")[0]


def test_the_same_by_the_api(invoice: Invoice, acme: Organization) -> None:
    clerk = staff("view_invoice", "add_banktransfer", "add_creditnote", "add_writeoff", "change_parkedmonth")
    base = "/api/v1/operations/"
    (row,) = clerk.get(f"{base}receivables").json()
    assert (row["number"], row["open_cents"]) == (invoice.number, 300)
    said = {
        "organization": acme.public_id, "reference": "B", "amount_cents": 100, "received_at": "2026-04-02T12:00:00Z",
    }  # fmt: skip
    made = clerk.post(f"{base}transfers", said, content_type="application/json")
    assert (made.status_code, made.json()["applied"][0]["cents"]) == (201, 100)
    bad = clerk.post(f"{base}transfers", {**said, "amount_cents": 5}, content_type="application/json")
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "reference")
    one = f"{base}invoices/{invoice.public_id}/"
    lines = {"lines": [{"line": 1, "cents": 100}], "reason": "slow disk"}
    noted = clerk.post(f"{one}credit", lines, content_type="application/json")
    assert (noted.status_code, noted.json()["number"]) == (201, "GC-000001")
    none = clerk.post(f"{one}credit", {**lines, "lines": [{"line": 2, "cents": 1}]}, content_type="application/json")
    assert none.status_code == 400
    gone = [clerk.post(f"{one}write-off", {"reason": "x"}, content_type="application/json") for _ in range(2)]
    assert [answer.status_code for answer in gone] == [201, 409]
    parked = ParkedMonth.objects.create(organization=acme, period_start="2026-02-01", reason="odd", parked_at=ISSUED)
    assert "odd" in clerk.get("/operations/closing/").content.decode()
    release = f"{base}parked-months/{parked.public_id}/release"
    answers = [clerk.post(release, {"reason": "looked"}, content_type="application/json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert clerk.get(f"{base}parked-months").json()["results"][0]["release_reason"] == "looked"


def test_finance_sets_what_invoices_carry_and_sees_how_far_they_are(
    invoice: Invoice, acme: Organization, api: APIClient, browser: Client
) -> None:
    assert browser.post("/invoices/details/", {"purchase_order": "PO-1", "buyer": "Acme\nRoad 1"}).status_code == 302
    assert api.get("/api/v1/invoices/details").json() == {"purchase_order": "PO-1", "buyer": "Acme\nRoad 1"}
    changed = api.put("/api/v1/invoices/details", {"purchase_order": "PO-2", "buyer": ""}, format="json")
    assert changed.json() == {"purchase_order": "PO-2", "buyer": ""}
    assert BillingAccount.objects.get(organization=acme).purchase_order == "PO-2"
    shown = api.get(f"/api/v1/invoices/{invoice.public_id}").json()
    assert (shown["net_cents"], shown["tax_cents"], shown["owed"]["open_cents"]) == (300, 0, 300)
    page = browser.get("/invoices/").content.decode().replace("\N{NO-BREAK SPACE}", " ")
    assert all(words in page for words in (invoice.number, "due 1 May 2026, UTC", "What invoices carry"))
