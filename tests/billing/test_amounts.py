"""Every amount on a page of money leads to what it is the sum of, or stands below its parts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.test import Client
from django.test.html import Element

from accounts.clock import now
from accounts.models import Organization
from billing import budgets, credit_notes, granting, handing_back, metering, receivables, refunds, views
from billing.invoicing import statements
from billing.models import Invoice, Payment, PaymentState
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from marketplace.money import MICROS
from tests.accounts.cast import a_browser
from tests.billing import amounts as read
from tests.billing.amounts import Amount
from tests.billing.cards_world import charge, charged, saved, switched_on
from tests.billing.conftest import HOUR, SECOND, funded, running
from tests.billing.papers import DUE, STAFF, on_account, owing
from tests.billing.reserving import an_offer, booked
from tests.billing.stripe_world import paid
from tests.factories import DAY
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db

MARCH = "/wallet/statement/?since=2026-03-01&until=2026-04-01&by="
PAGES = {
    "wallet": "/wallet/",
    "budgets": "/budgets/",
    "statement of this month": "/wallet/statement/?by=lease",
    "statement by lease": f"{MARCH}lease",
    "statement by project": f"{MARCH}project",
    "statement by day": f"{MARCH}day",
    "automatic top-up": "/wallet/automatic/",
    "automatic top-ups of this month": "/wallet/automatic/charges/",
    "invoices": "/invoices/",
    "invoice": "/invoices/{invoice}/",
    "receipt of a lease that is over": "/leases/{over}/receipt/",
    "receipt of one that runs": "/leases/{runs}/receipt/",
    "receipt of one that was called off for a fee": "/leases/{called_off}/receipt/",
    "movements": "/wallet/ledger/",
}
# Amounts that are no sums of anything, and why. What is agreed may be a part of a sum, a price is never one.
AGREED = {
    r"^Credit limit$": "agreed with staff",
    r"^Limit$": "of a budget, as it was set",
    r"^of \$": "the same, and the credit limit",
    r"^From the wallet$": "what was free there and was needed: of no movements in particular",
    r"^\$[\d.,]+ whenever less than": "the rules of automatic top-up, as they were set",
}
PRICES = {
    r"[Pp]rice per node-hour": "agreed by the order",
    r"^Per node-hour$": "the same on an invoice",
    r"^Its price$": "of time that was handed back, as it was agreed",
    r"^Free at once$": "that price, less the fee beside it: never charged",
    r"^Up to \$": "what may come back of the fee beside it",
    r"^Use of the day$": "the seconds beside it at the price of the lease",
    r"÷ 3600 =": "the same in the formula of a receipt",
    r"^On demand until the month’s end": "what runs, by the hour beside it, times the time that is left",
}
NO_SUM = re.compile("|".join([*AGREED, *PRICES]))
NO_PART = re.compile("|".join(list(PRICES)[:-1]))


@dataclass(frozen=True)
class World:
    """An owner's browser, and what there is to look at."""

    browser: Client
    invoice: Invoice
    over: Lease
    runs: Lease
    called_off: Lease

    def see(self, address: str) -> Element:
        """The main part of a page."""
        answer = self.browser.get(address)
        assert answer.status_code == 200, address
        return read.main_of(answer.content.decode())

    def address(self, page: str) -> str:
        """Of one of PAGES."""
        ids = {name: getattr(self, name).public_id for name in ("invoice", "over", "runs", "called_off")}
        return PAGES[page].format(**ids)


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The clock of all pages of money stands still, at a full minute: amounts are whole cents."""
    stopped = now().replace(second=0, microsecond=0)
    for module in iter_modules(views.__path__):
        found = import_module(f"billing.views.{module.name}")
        if hasattr(found, "now"):
            monkeypatch.setattr(found, "now", lambda: stopped)
    return stopped


@pytest.fixture
def world(stripe: StripeStandin, offer: Offer, moment: datetime, monkeypatch: pytest.MonkeyPatch) -> World:
    """Top-ups, refund, credit, two invoices with tax, note and transfer; leases of each kind; caps."""
    taxed = statements.MAKE_INVOICES.replace("applying.rate_ppm", "190000")  # as if some law asked for 19 %
    monkeypatch.setattr(statements, "MAKE_INVOICES", taxed)
    acme = funded(0)
    on_account(acme)
    invoice = settled_in_part(acme, owing(acme, offer))
    money_in(stripe, acme, moment)
    owing(acme, offer, month=date(2026, 4, 1), nodes=2)  # another one, of another total
    over = running(acme, offer, now=moment - 3 * HOUR)
    end(lease=over, reason="returned", actor=STAFF, now=moment - 2 * HOUR)
    metering.meter(lease=over, upto=moment, now=moment)
    runs = running(acme, offer, now=moment - 3000 * SECOND, project="vision")
    metering.meter(lease=runs, upto=moment - 600 * SECOND, now=moment)
    reserved, ahead = an_offer(nodes=2), moment.replace(minute=0) + 2 * HOUR
    _, called_off = (booked(acme, reserved, begin=ahead, hours=2, at=moment) for _ in range(2))
    handing_back.hand_back(lease=called_off, actor=STAFF, now=moment)
    for project, dollars in (("", 500), ("vision", 5000)):
        micros = dollars * MICROS
        budgets.create(
            organization=acme, actor=STAFF, created_by=None, project=project, limit_micros=micros, now=moment
        )
    return World(a_browser(acme.members.get()), invoice, over, runs, called_off)


def money_in(stripe: StripeStandin, acme: Organization, moment: datetime) -> None:
    """
    A card pays $10.00, $4.00 of it go back, and $5.00 are a gift. It pays by transfer, on credit; yet it topped up by
    itself, once paid and once under way.
    """
    paid(stripe, acme, 1000)
    refunds.request_refund(organization=acme, actor=STAFF, created_by=None, amount_cents=400, now=moment)
    gift: dict[str, Any] = {"reason": "welcome", "expires_at": None, "actor": STAFF, "key": "welcome"}
    granting.give(organization=acme, amount_micros=5 * MICROS, now=moment, **gift)
    card = saved(stripe, acme)
    switched_on(acme)
    charged(acme, card, by_itself=True, now=moment)
    charge(acme, card, 6000, by_itself=True, now=moment)


def settled_in_part(acme: Organization, invoice: Invoice) -> Invoice:
    """$1.00 of it with its tax is credited, and $1.00 is transferred."""
    line = invoice.lines.get().pk
    credit_notes.credit(invoice=invoice, cents_by_line={line: 100}, reason="slow disk", actor=STAFF, now=DUE)
    receivables.record_transfer(
        organization=acme, reference="B-1", amount_cents=100, received_at=DUE, actor=STAFF, now=DUE
    )
    return invoice


def test_every_amount_leads_to_what_it_is_the_sum_of(world: World) -> None:
    wrong = []
    for page in PAGES:
        address = world.address(page)
        main = world.see(address)
        found = list(read.amounts(main))
        assert found, f"{page}: no amount at all would be no proof"
        wrong += [f"{page}, {one.label}: {why}" for one in found if (why := missing(world, address, main, one))]
    assert wrong == []


def test_of_this_month_are_the_automatic_top_ups_that_are_paid_or_under_way(world: World, moment: datetime) -> None:
    def shown() -> list[int]:
        return [int(one.dollars) for one in read.amounts(world.see(PAGES["automatic top-ups of this month"]))]

    assert shown() == [110, 60, 50]
    Payment.objects.filter(amount_cents=6000).update(state=PaymentState.FAILED)
    assert shown() == [50, 50]
    Payment.objects.filter(automatic=True).update(created_at=moment - 31 * DAY)
    assert shown() == []


def missing(world: World, address: str, main: Element, amount: Amount) -> str:
    """What an amount lacks; nothing if it is a link, stands beside one, or below its parts, and all of that is true."""
    link = amount.inside("a")
    if link is not None:
        return leads_wrong(world, address, main, amount, read.attribute(link, "href"))
    if NO_SUM.search(amount.label) or NO_SUM.search(amount.text):
        return ""
    facts = amount.inside("dl")
    if facts is not None and read.attribute(facts, "id") == "sum":
        return "" if list(sums_of(main)) else "no sum"  # of the list itself: in and out together are what its rows are
    if is_sum_of_facts(amount):
        return below_its_parts(amount)
    row = amount.inside("tr")
    beside = read.links(row) if row is not None else []
    seen = [other.dollars for href in beside for other in read.amounts(shown(world, address, main, href))]
    return "" if amount.dollars in seen else f"${amount.dollars} is no link, and what is beside it does not show it"


def leads_wrong(world: World, address: str, main: Element, amount: Amount, href: str) -> str:
    """What is wrong with where a link leads."""
    target = shown(world, address, main, href)
    sums = list(sums_of(target))
    if any(read.same(amount.dollars, one) for one in sums):
        return ""
    return f"${amount.dollars} leads to {href}, where the sum is {sums}"


def shown(world: World, address: str, main: Element, href: str) -> Element:
    """What a link shows: a page, or the part of one that its fragment names. Papers to file show nothing here."""
    to = urlsplit(urljoin(f"http://testserver{address}", href))
    if to.path.endswith(".pdf"):
        return Element("pdf", [])
    page = main if href.startswith("#") else world.see(f"{to.path}?{to.query}")
    return read.part(page, to.fragment) if to.fragment else page


def sums_of(target: Element) -> Iterator[Decimal]:
    """What a list shows as its sum, checked against its rows; else what a page says of the one thing that it is of."""
    inside = list(read.each(target))
    lists = [one for one in inside if read.has_class(one, "facts--total")]
    of_rows = sum(read.column(target), Decimal())
    for facts in (one for one in inside if read.attribute(one, "id") == "sum"):
        total = read.terms(facts, NO_PART)[-1]
        assert total == of_rows, f"the rows sum to {of_rows}, and {total} is said"
        yield total
        return
    if lists:
        yield from (read.terms(one, NO_PART)[-1] for one in lists)
    elif any(one.name == "table" for one in inside):
        yield of_rows
    yield from (one.dollars for one in read.amounts(target) if one_thing(one))
    if not list(read.amounts(target)):
        yield Decimal()  # a list of nothing


def one_thing(amount: Amount) -> bool:
    """Whether it is what a movement did to the wallet, the sum of a payment, or of the use of a lease."""
    row, strong, facts = amount.inside("tr"), amount.inside("strong"), amount.inside("dl")
    of_wallet = row is not None and read.words(row).startswith("Wallet") and amount.label == "Amount"
    of_payment = strong is not None and read.has_class(strong, "money")
    return of_wallet or of_payment or (facts is not None and amount.label in {"Use up to now", "Charged so far"})


def is_sum_of_facts(amount: Amount) -> bool:
    """Whether it is the last of a list of facts that is a sum."""
    facts = amount.inside("dl")
    if facts is None or not read.has_class(facts, "facts--total"):
        return False
    return read.children(facts)[-1] in amount.within and amount.inside("dd") is not None


def below_its_parts(amount: Amount) -> str:
    """Nothing, if the amounts above it in its list sum to it."""
    facts = amount.inside("dl")
    assert facts is not None
    *parts, total = read.terms(facts, NO_PART)
    return "" if parts and sum(parts) == total else f"the parts {parts} are not {total}"
