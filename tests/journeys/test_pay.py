"""Money as a customer handles it in a browser: cards, the bank's question, an invoice, a dispute; each page on all."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.journeys.conftest import Product
from tests.journeys.people import sign_up
from tests.waiting import until

COMPANY, MAIL = "Difference Engines", "ada@difference.example.com"
ASKS, DISPUTED = "4000 0027 6000 3184", "4000 0000 0000 0259"  # cards whose bank asks always; whose owner disputes
SCREENS = ((1280, 900), (390, 844))
LAST_MONTH = f"""
from django.db import transaction
from accounts.clock import now
from accounts.models import Organization, User
from billing import adjusting, checkout, credit_notes, invoicing
from billing.models import Invoice
from billing.queries.months import month_of, previous_month, start_of
from leasing.operations import Setup, end
from marketplace.models import Image, Offer
company, moment = Organization.objects.get(name="{COMPANY}"), now()
offer = Offer.objects.filter(listed=True, plan__slug="on_demand").order_by("pk").first()
own = {{"organization": company, "now": moment}}
quote = checkout.quote(offer=offer, nodes=1, starts_at=None, ends_at=None, **own)
setup = Setup("training", [], Image.objects.order_by("pk").first())
with transaction.atomic():
    lease = checkout.place(actor="system:tests", created_by=None, quote=quote.public_id, setup=setup, **own)
end(lease=lease, reason="returned", actor="system:tests", now=moment)
month, staff = previous_month(month_of(moment)), User.objects.filter(is_staff=True).order_by("pk").first()
said = {{"words": "Nodes of last month", "reason": "a journey", "lease": lease, "by": staff, "now": start_of(month)}}
adjusting.ask(organization=company, amount_micros=-12_340_000, **said)
assert invoicing.close(period=month, organizations=[company.pk], now=moment)
invoice = Invoice.objects.get(organization=company)
why = "https://tickets.example.com/" + "x" * 170
credit = {{"cents_by_line": {{invoice.lines.get().pk: 34}}, "reason": why, "actor": "system:tests", "now": moment}}
credit_notes.credit(invoice=invoice, **credit)
"""


def test_a_customer_saves_a_card_tops_up_and_reads_an_invoice_and_a_dispute(
    page: Page, product: Product, tmp_path: Path
) -> None:
    sign_up(page, product, company=COMPANY, mail=MAIL)
    _save_a_card(page)
    _switch_automatic_top_up_on(page)
    _top_up(page)
    product.run("manage", "shell", "-c", LAST_MONTH)
    _read_the_invoice(page, tmp_path)
    _see_a_dispute(page)


def _save_a_card(page: Page) -> None:
    page.goto("/cards/")
    page.get_by_role("link", name="Save a card").first.click()
    _looks_right(page, "card-new")
    page.get_by_role("button", name="Continue to Stripe").click()
    _try_until_it_opens(page)
    _type(page, ASKS)
    _confirm(page)
    expect(page.get_by_text("Visa ending in 3184 is saved.")).to_be_visible()
    _looks_right(page, "card-saved")


def _try_until_it_opens(page: Page) -> None:
    """The first card of a company waits until the processor knows the company: in a busy moment one is to try again."""
    number, again = page.get_by_label("Card number"), page.get_by_role("link", name="Try again")
    expect(number.or_(again)).to_be_visible()
    while again.is_visible():
        again.click()
        expect(number.or_(again)).to_be_visible()


def _switch_automatic_top_up_on(page: Page) -> None:
    page.get_by_role("link", name="Automatic top-up").first.click()
    page.get_by_label("When less than this is available").fill("0")
    page.get_by_label("Top up by").fill("50")
    page.get_by_label("In a month, at most").fill("40")
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("Allow at least one top-up ($50.00)").first).to_be_visible()
    _looks_right(page, "automatic-refused")
    page.get_by_label("In a month, at most").fill("120")
    page.get_by_role("button", name="Switch on").click()
    page.goto("/wallet/automatic/")
    expect(page.get_by_role("button", name="Switch off")).to_be_visible()
    _looks_right(page, "automatic")


def _top_up(page: Page) -> None:
    page.goto("/wallet/top-up/")
    page.get_by_label("Amount").fill("75")
    _looks_right(page, "top-up")
    page.get_by_role("button", name="Top up").click()
    expect(page.get_by_text("Your bank asks you to confirm.")).to_be_visible()
    _looks_right(page, "bank-asks")
    page.get_by_role("link", name="Confirm with your bank").click()
    _confirm(page)
    expect(page.get_by_text("The money is in your wallet")).to_be_visible()
    page.get_by_role("link", name="To the wallet").click()
    expect(page.get_by_text("$75.00").first).to_be_visible()
    _looks_right(page, "wallet")


def _read_the_invoice(page: Page, directory: Path) -> None:
    page.goto("/invoices/")
    _looks_right(page, "invoices")
    page.get_by_role("link", name=re.compile(r"^G\w-?\d+")).first.click()
    expect(page.get_by_text("$12.34").first).to_be_visible()
    number = page.get_by_role("heading", level=1).inner_text().split()[1]
    expect(page.get_by_text("https://tickets.example.com/")).to_be_visible()
    _looks_right(page, "invoice")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download PDF").click()
    paper = directory / "invoice.pdf"
    started.value.save_as(paper)
    words = PdfReader(paper).pages[0].extract_text()
    assert number in words and "12.34" in words and COMPANY in words


def _see_a_dispute(page: Page) -> None:
    page.goto("/wallet/top-up/")
    page.get_by_label("Amount").fill("60")
    page.get_by_label("Another card, on the next page").check()
    page.get_by_role("button", name="Top up").click()
    _type(page, DISPUTED)
    expect(page.get_by_text("The money is in your wallet")).to_be_visible()

    def told() -> bool:
        page.reload()
        return page.get_by_text("The card’s owner disputes it").is_visible()

    until(told, what="word of the dispute")
    expect(page.get_by_text("Disputed", exact=True)).to_be_visible()
    _looks_right(page, "disputed")
    page.goto("/wallet/")
    expect(page.get_by_text("Your company is suspended")).to_be_visible()
    _looks_right(page, "wallet-disputed")


def _type(page: Page, card: str) -> None:
    """On the processor's page."""
    page.get_by_label("Card number").fill(card)
    for field, value in {"Expiry": "12/34", "Security code": "123", "Name on card": "Ada"}.items():
        page.get_by_label(field).fill(value)
    page.locator("form button[type=submit]").click()


def _confirm(page: Page) -> None:
    """On the bank's page."""
    page.get_by_role("button", name="Yes, confirm").click()


def _looks_right(page: Page, name: str) -> None:
    """At a desk and on a phone, by day and by night: nothing to scroll sideways for."""
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
    page.set_viewport_size({"width": SCREENS[0][0], "height": SCREENS[0][1]})
