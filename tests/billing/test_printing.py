"""Invoices and credit notes as PDF: all that they must say, the same bytes each time, no name as markup."""

from io import BytesIO

import pytest
from django.test import Client
from pypdf import PdfReader
from rest_framework.test import APIClient

from accounts.models import Organization
from billing import credit_notes
from billing.models import BillingAccount, Invoice
from marketplace.models import Offer
from tests.billing.papers import DUE, STAFF, on_account, owing

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(acme: Organization, offer: Offer) -> Invoice:
    """With an order number, for a buyer whose name is no markup."""
    on_account(acme, purchase_order="PO-77", buyer="Acme <b>Robotics</b> 東京\n1 Main Street")
    return owing(acme, offer)


def read(content: bytes) -> str:
    return " ".join("\n".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages).split())


def test_an_invoice_says_who_what_how_much_and_until_when(invoice: Invoice, api: APIClient, browser: Client) -> None:
    answer = api.get(f"/api/v1/invoices/{invoice.public_id}/pdf")
    assert (answer["Content-Type"], answer["Content-Disposition"]) == (
        "application/pdf",
        f'attachment; filename="{invoice.number}.pdf"',
    )
    said = read(answer.content)
    for words in (
        "Invoice GL-000001", "Acme <b>Robotics</b> ?? 1 Main Street", "PO-77", "March 2026", "2026-05-01",
        "Please transfer $3.00", "3,000", "$3.600000", "Net $3.00", "Tax, 0 % $0.00", "Total $3.00", invoice.sha256,
        "Page 1 of 1",
    ):  # fmt: skip
        assert words in said, words
    BillingAccount.objects.update(purchase_order="later", buyer="Somebody else")
    assert browser.get(f"/invoices/{invoice.public_id}/invoice.pdf").content == answer.content


def test_a_credit_note_names_its_invoice_its_reason_and_its_lines(
    invoice: Invoice, api: APIClient, browser: Client
) -> None:
    line = invoice.lines.get()
    note = credit_notes.credit(invoice=invoice, cents_by_line={line.pk: 120}, reason="slow disk", actor=STAFF, now=DUE)
    answer = api.get(f"/api/v1/credit-notes/{note.public_id}/pdf")
    said = read(answer.content)
    for words in ("Credit note GC-000001", "GL-000001 of 2026-04-01", "slow disk", line.description, "Total $1.20"):
        assert words.replace("×", "×") in said, words
    assert browser.get(f"/credit-notes/{note.public_id}/credit-note.pdf").content == answer.content
    (shown,) = api.get("/api/v1/credit-notes").json()["results"]
    assert (shown["number"], shown["total_cents"], shown["lines"][0]["cents"]) == ("GC-000001", 120, 120)
    page = browser.get(f"/invoices/{invoice.public_id}/").content.decode()
    assert "GC-000001" in page and "slow disk" in page and "$1.80" in page, "what is left to transfer"
