"""docs/billing-example.md, computed by the product: every number of its tables, and no table more."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from accounts.models import Organization
from billing import credit_notes, metering, receivables
from billing.models import AccountKind, Entry, Invoice
from billing.queries.receivables import receivable_of
from leasing.operations import end
from marketplace.money import MICROS_PER_CENT, format_micros
from tests import factories
from tests.billing.conftest import SECOND, a_quote, assert_books_balance, funded, invoiced, place
from tests.billing.papers import ISSUED, STAFF, on_account
from tests.billing.test_outages import out
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "billing-example.md"
BEGIN = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


def use(organization: Organization, name: str, *, micros: int, nodes: int, seconds: int, outage: int = 0) -> None:
    """A lease that was ordered, used, out for a while on one node, and given back."""
    offer = factories.an_offer(factories.a_pool(nodes=nodes, node_type=factories.a_node_type(name)), micros=micros)
    lease = place(a_quote(organization, offer, now=BEGIN, nodes=nodes), now=BEGIN, name=name)
    work_all(offer, now=BEGIN)
    lease.refresh_from_db()
    if outage:
        out(lease, BEGIN + 60 * SECOND, BEGIN + (60 + outage) * SECOND)
    end(lease=lease, reason="returned", actor=STAFF, now=BEGIN + seconds * SECOND)
    metering.meter(lease=lease, upto=BEGIN, now=BEGIN + timedelta(hours=2))


def cents(amount: int) -> str:
    return format_micros(amount * MICROS_PER_CENT)


def opened(invoice: Invoice) -> str:
    owed = receivable_of(invoice)
    assert owed
    return cents(owed.open_cents)


def test_the_document_says_what_the_product_computes() -> None:
    own = funded(200, "Example Robotics")  # so that it may order; given, and no part of the example
    on_account(own)
    gift = Entry.objects.filter(account__organization=own).latest("id").pk
    use(own, "training", micros=23_920_000, nodes=2, seconds=5_000, outage=77)
    use(own, "tuning", micros=2_490_000, nodes=1, seconds=3_333)
    invoice = invoiced(own, now=ISSUED)
    assert invoice
    steps, training = ["–", "–", opened(invoice)], invoice.lines.get(seconds=5_000)
    april = datetime(2026, 4, 10, 12, 0, tzinfo=UTC)
    credit_notes.credit(invoice=invoice, cents_by_line={training.pk: 500}, reason="slow", actor=STAFF, now=april)
    steps.append(opened(invoice))
    for day, amount in ((april + timedelta(days=10), 5_000), (april + timedelta(days=25), 1_300)):
        receivables.record_transfer(
            organization=own, reference=f"B{amount}", amount_cents=amount, received_at=day, actor=STAFF, now=day
        )
        steps.append(opened(invoice))
    receivables.write_off(invoice=invoice, reason="kept by a bank", actor=STAFF, now=april + timedelta(days=40))
    steps.append(opened(invoice))
    assert tables() == [*lines(invoice), *totals(invoice), *moves(own, gift, steps)]
    assert_books_balance()


def lines(invoice: Invoice) -> list[list[str]]:
    return [
        [
            row.lease.name, f"{row.seconds:,}", str(row.nodes), str(row.outage_node_seconds),
            f"{row.seconds * row.nodes - row.outage_node_seconds:,}", f"{row.micros_per_node_hour:,}",
            f"{row.micros:,}", f"{row.cents:,}",
        ]
        for row in invoice.lines.order_by("id")
    ]  # fmt: skip


def totals(invoice: Invoice) -> list[list[str]]:
    tax = f"tax, {invoice.tax_percent} %"
    amounts = {"net": invoice.net_cents, tax: invoice.tax_cents, "total": invoice.total_cents}
    assert invoice.due_on == date(2026, 5, 1)
    return [*([name, cents(amount)] for name, amount in amounts.items()), ["due", str(invoice.due_on)]]


def moves(organization: Organization, gift: int, steps: list[str]) -> list[list[str]]:
    """What moved the wallet; the slices of a lease's use together."""
    entries = Entry.objects.filter(account__organization=organization, account__kind=AccountKind.WALLET, pk__gt=gift)
    sums: dict[tuple[str, int | None, str], int] = {}
    for row in entries.select_related("posting").order_by("id"):
        once = "" if row.posting.lease_id else row.posting.key
        fact = (row.posting.kind, row.posting.lease_id, once)
        sums[fact] = sums.get(fact, 0) + row.amount_micros
    assert sum(sums.values()) == 0
    return [[fact[0], f"{sums[fact]:,}", step] for fact, step in zip(sums, steps, strict=True)]


def tables() -> list[list[str]]:
    """The rows of the document's tables, without their heads."""
    rows = [line.strip("|").split("|") for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows]
    rules = {at for at, row in enumerate(cells) if set(row) == {"---"}}
    return [row for at, row in enumerate(cells) if at not in rules and at + 1 not in rules]
