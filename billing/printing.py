"""Invoices and credit notes as PDF, made when somebody asks. The same paper gives the same bytes."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Flowable, KeepTogether, Paragraph, Spacer, Table

from accounts import paper
from billing.models import BillingMode, CreditNote, Invoice, InvoiceEnergy, InvoiceLine, LineKind
from leasing.models import EnergySum, summed
from marketplace.measures import counted, format_carbon, format_energy
from marketplace.money import format_cents, format_micros

NUMBER = ParagraphStyle("number", paper.SMALL, alignment=TA_RIGHT)
NUMBER_HEAD = ParagraphStyle("number_head", paper.HEAD, alignment=TA_RIGHT)
SUM = ParagraphStyle("sum", paper.BOLD, alignment=TA_RIGHT)
PAID_HOW = {
    BillingMode.PREPAID: "Paid from your wallet as it was used. Nothing is to be done.",
    BillingMode.METERED: "Charged to your card.",
}
HOW_COUNTED = (
    "Seconds × nodes, less node-seconds of outages, × price per node-hour ÷ 3600, in millionths of a dollar, rounded "
    "to cents once on each line, half a cent away from zero. Amounts in US dollars."
)

ENERGY_COUNTED = (
    "As it was counted when the invoice was issued, and frozen with it: at the site's meter, cooling and losses "
    "included. Location-based counts the grid's mix where the site stands; market-based counts contracts for green "
    "power instead: never add both. How energy is divided and counted:"
)


def invoice_pdf(invoice: Invoice) -> bytes:
    """The invoice as it was issued. Its organization, and its lines with their leases, are read."""
    words = f"SHA-256 {invoice.sha256 or 'not kept'}"
    return paper.pages(_invoice(invoice), title=f"Invoice {invoice.number}", words=words)


def credit_note_pdf(note: CreditNote) -> bytes:
    """The credit note; what it credits is named by the invoice's number and lines."""
    words = f"For invoice {note.invoice.number}"
    return paper.pages(_credit_note(note), title=f"Credit note {note.number}", words=words)


def download(name: str, content: bytes) -> HttpResponse:
    """Saved under its name, and kept by nobody in between."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.pdf"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _invoice(invoice: Invoice) -> Iterator[Flowable]:
    yield Paragraph(f"Invoice {invoice.number}", paper.TITLE)
    yield _parties(invoice)
    facts = [
        ("Issued", f"{invoice.issued_at:%Y-%m-%d} UTC"),
        ("Month of use", f"{invoice.period_start:%B %Y}, UTC"),
        ("Your order number", invoice.purchase_order),
        ("Due", f"{invoice.due_on:%Y-%m-%d}, UTC" if invoice.due_on else ""),
    ]
    yield paper.facts(facts)
    yield Spacer(1, 10)
    yield _payment(invoice)
    yield Paragraph("What was used", paper.SECTION)
    yield _lines(invoice.lines.all())
    yield _sums(invoice.net_cents, invoice.tax_cents, invoice.total_cents, invoice)
    yield Spacer(1, 8)
    yield Paragraph(paper.shown(HOW_COUNTED), paper.QUIET)
    yield from _energy(invoice)


def _credit_note(note: CreditNote) -> Iterator[Flowable]:
    invoice = note.invoice
    yield Paragraph(f"Credit note {note.number}", paper.TITLE)
    yield _parties(invoice)
    facts = [
        ("Issued", f"{note.issued_at:%Y-%m-%d} UTC"),
        ("For invoice", f"{invoice.number} of {invoice.issued_at:%Y-%m-%d}"),
        ("Your order number", invoice.purchase_order),
        ("Reason", note.reason),
    ]
    yield paper.facts(facts)
    yield Paragraph("What is credited", paper.SECTION)
    rows = [[paper.cell(row.line.description), paper.cell(format_cents(row.cents), NUMBER)] for row in note.lines.all()]
    heads = [paper.cell("Line of the invoice", paper.HEAD), paper.cell("Net", NUMBER_HEAD)]
    yield paper.table([heads, *rows], (0.8, 0.2), heads=1)
    yield _sums(note.net_cents, note.tax_cents, note.total_cents, invoice)
    yield Spacer(1, 8)
    yield Paragraph("It was credited to your wallet, and lowers what is open of the invoice.", paper.QUIET)


def _parties(invoice: Invoice) -> Flowable:
    columns = [
        ("From", invoice.seller or "Gridlease", invoice.seller_tax_id),
        ("To", invoice.buyer, invoice.buyer_tax_id),
    ]
    row = []
    for head, words, tax_id in columns:
        said = "<br/>".join(map(paper.shown, [*words.splitlines(), *([f"Tax id {tax_id}"] if tax_id else [])]))
        row.append([Paragraph(head, paper.HEAD), Paragraph(said, paper.TEXT)])
    return Table([row], colWidths=[paper.COLUMN / 2] * 2, style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_flush()])


def _payment(invoice: Invoice) -> Flowable:
    if invoice.due_on:
        words, about = _to_transfer(invoice)
    else:
        words, about = f"Total {format_cents(invoice.total_cents)}", PAID_HOW[BillingMode(invoice.mode)]
    rows = [[Paragraph(paper.shown(words), paper.BOLD)], [Paragraph(paper.shown(about), paper.TEXT)]]
    return Table(rows, colWidths=[paper.COLUMN], style=paper.box(paper.ACCENT, paper.GOOD_SOFT))


def _to_transfer(invoice: Invoice) -> tuple[str, str]:
    """As it was when it was issued: what the wallet paid then is no less paid, and what came later is on our pages."""
    total = format_cents(invoice.total_cents)
    had = sum(row.cents for row in invoice.set_offs.all()[:1] if row.at == invoice.issued_at)
    paid = f"{format_cents(had)} of {total} was paid from your wallet." if had else ""
    if invoice.total_cents <= had:
        return f"Total {total}", f"{paid} Nothing is to be transferred.".strip()
    left, by = format_cents(invoice.total_cents - had), f"{invoice.due_on:%Y-%m-%d}"
    about = f"With {invoice.number} as reference. What has come so far is shown beside the invoice on our pages."
    return f"Please transfer {left} by {by}", f"{paid} {about}".strip()


def _lines(lines: Iterable[InvoiceLine]) -> Flowable:
    heads = [
        paper.cell("Lease", paper.HEAD),
        *(paper.cell(word, NUMBER_HEAD) for word in ("Seconds", "Nodes", "Per node-hour", "Net")),
    ]
    return paper.table([heads, *map(_line, lines)], (0.46, 0.12, 0.09, 0.18, 0.15), heads=1)


def _line(line: InvoiceLine) -> list[Flowable]:
    out = f"less {counted(line.outage_node_seconds, 'node-second')} of outages" if line.outage_node_seconds else ""
    what = [paper.shown(line.description), *([f'<font color="#4a5953">{out}</font>'] if out else [])]
    used = line.kind == LineKind.USAGE
    return [
        Paragraph("<br/>".join(what), paper.SMALL),
        paper.cell(f"{line.seconds:,}" if used else "", NUMBER),
        paper.cell(str(line.nodes), NUMBER),
        paper.cell(format_micros(line.micros_per_node_hour, places=6) if used else "", NUMBER),
        paper.cell(format_cents(line.cents), NUMBER),
    ]


def _energy(invoice: Invoice) -> Iterator[Flowable]:
    """What leases used, each and together; nothing where no energy was counted."""
    rows = list(invoice.energy.all())
    if not rows:
        return
    yield Paragraph("Energy and carbon", paper.SECTION)
    heads = [
        paper.cell("Lease", paper.HEAD),
        *(paper.cell(word, NUMBER_HEAD) for word in ("Energy", "Renewable", "CO2e, location", "CO2e, market", "Hours")),
    ]
    together = [_used("Together", summed(rows))] if len(rows) > 1 else []
    named = [_used(_whose(row), row) for row in rows]
    yield paper.table([heads, *named, *together], (0.24, 0.16, 0.11, 0.16, 0.15, 0.18), heads=1)
    yield Spacer(1, 8)
    yield Paragraph(paper.shown(f"{ENERGY_COUNTED} {settings.BASE_URL}/carbon/"), paper.QUIET)


def _whose(row: InvoiceEnergy) -> str:
    if row.is_late:
        return f"{row.lease.name}, {row.month:%B %Y}, counted after its invoice"
    return row.lease.name if row.complete else f"{row.lease.name}, not counted to the end: the rest follows"


def _used(whose: str, row: EnergySum) -> list[Flowable]:
    percent = "-" if row.renewable_percent is None else f"{row.renewable_percent:.1f} %"
    known = f"{row.measured_hours:,} measured, {row.estimated_hours:,} estimated, {row.missing_hours:,} missing"
    words = (format_energy(row.energy_wh), percent, format_carbon(row.location_ug), format_carbon(row.market_ug), known)
    return [paper.cell(whose), *(paper.cell(word, NUMBER) for word in words)]


def _sums(net: int, tax: int, gross: int, invoice: Invoice) -> Flowable:
    sums = [("Net", net, NUMBER), (invoice.tax_words, tax, NUMBER), ("Total", gross, SUM)]
    rows = [[paper.cell(words, look) for words in ("", name, format_cents(cents))] for name, cents, look in sums]
    parts = [paper.table(rows, (0.5, 0.3, 0.2))]
    if invoice.tax_note:
        parts += [Spacer(1, 6), Paragraph(paper.shown(invoice.tax_note), paper.SMALL)]
    return KeepTogether(parts)


def _flush() -> list[tuple[Any, ...]]:
    return [("LEFTPADDING", (0, 0), (-1, -1), 0), ("BOTTOMPADDING", (0, 0), (-1, -1), 10)]
