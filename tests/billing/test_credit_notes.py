"""Credit notes: numbered without gaps, exact to the cent, never more than the line, with the tax that was on it."""

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from accounts.models import Organization
from billing import credit_notes
from billing.credit_notes import BadCredit
from billing.models import AccountKind, CreditNote, CreditNoteLine, Invoice, PostingKind
from billing.queries import taxes
from billing.queries.receivables import receivable_of
from marketplace.models import Offer
from tests.billing.conftest import assert_books_balance, balance
from tests.billing.papers import DUE, STAFF, on_account, owing

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(acme: Organization, offer: Offer) -> Invoice:
    """Acme pays by transfer, and owes $3.00 on one line."""
    on_account(acme)
    return owing(acme, offer)


def credit(invoice: Invoice, cents: int, line: int | None = None) -> CreditNote:
    key = invoice.lines.get().pk if line is None else line
    return credit_notes.credit(invoice=invoice, cents_by_line={key: cents}, reason="slow disk", actor=STAFF, now=DUE)


def test_a_note_lowers_what_is_owed_and_gives_the_wallet_exactly_its_cents(
    invoice: Invoice, acme: Organization
) -> None:
    before = balance(acme), balance(acme, AccountKind.REVENUE)
    note = credit(invoice, 101)
    assert (note.number, note.total_cents, note.net_cents, note.tax_cents) == ("GC-000001", 101, 101, 0)
    assert (balance(acme) - before[0], balance(acme, AccountKind.REVENUE) - before[1]) == (1_010_000, -1_010_000)
    owed = receivable_of(invoice)
    assert owed and owed.open_cents == 199
    posting = acme.postings.get(kind=PostingKind.CREDIT_NOTE)
    assert (posting.memo, posting.link.number) == (f"GC-000001 for {invoice.number}", acme.postings.count())
    assert_books_balance()


def test_never_more_than_the_line_and_a_refused_note_leaves_no_gap(invoice: Invoice) -> None:
    credit(invoice, 200)
    for cents in (0, -1, 101):
        with pytest.raises(BadCredit, match=r"At most \$1\.00 is left"):
            credit(invoice, cents)
    with pytest.raises(BadCredit, match="no charge on this invoice"):
        credit(invoice, 1, line=0)
    with pytest.raises(BadCredit, match="at least one line"):
        credit_notes.credit(invoice=invoice, cents_by_line={}, reason="x", actor=STAFF, now=DUE)
    assert credit(invoice, 100).number == "GC-000002"


def test_the_database_itself_refuses_more_than_the_line(invoice: Invoice) -> None:
    note, line = credit(invoice, 200), invoice.lines.get()
    other = CreditNote.objects.create(
        organization=invoice.organization, invoice=invoice, number="GC-X", issued_at=DUE, reason="x", total_cents=101
    )
    with pytest.raises(IntegrityError, match="more than it was charged"), transaction.atomic():
        CreditNoteLine.objects.create(credit_note=other, line=line, cents=101)
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        CreditNote.objects.filter(pk=note.pk).update(reason="nicer")


def test_notes_over_all_of_an_invoice_take_back_exactly_its_tax(acme: Organization, offer: Offer) -> None:
    invoice = owing(acme, offer)
    with connection.cursor() as cursor:  # as if 19 % had been on it when it was issued
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE billing_invoice DISABLE TRIGGER USER")
        cursor.execute("UPDATE billing_invoice SET tax_rate_ppm = 190000, tax_cents = 57, total_cents = 357")
        cursor.execute("ALTER TABLE billing_invoice ENABLE TRIGGER USER")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    invoice.refresh_from_db()
    taxed = [credit(invoice, cents).tax_cents for cents in (1, 2, 3, 5, 89, 200)]
    assert taxed == [0, 1, 0, 1, 17, 38]
    assert sum(taxed) == 57
    assert balance(acme, AccountKind.TAXES) == -570_000  # what the close would have put there
    assert taxes.tax_at(organization=acme, end=invoice.issued_at).rate_ppm == 0
