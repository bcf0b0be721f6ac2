"""A funded organization, an offer, and leases that were really ordered; the test is the site's worker."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Organization, User
from billing import checkout, invoicing, operations, payments
from billing.models import AccountKind, Entry, Invoice, LedgerAccount, MeterPrice, Posting, Quote
from billing.payments.base import Gateway
from billing.queries import Wallet, wallet
from leasing.models import Lease
from leasing.operations import Setup
from leasing.provisioners import provisioner_for
from leasing.provisioners.fake import Fake, World
from marketplace.models import Offer, PlanKind
from marketplace.money import MICROS
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.monthly import MARCH, at
from tests.factories import HOUR, NOON
from tests.leasing.conftest import work_all
from tests.stripe_standin import KEY, SECRET, StripeStandin
from tests.stripe_standin import running as standin

SECOND = timedelta(seconds=1)
READ_SECONDS = 1.0  # that an impatient gateway waits
BRIEF_READ, BRIEF = 0.3, 0.9
_serial = count(1)


@pytest.fixture(autouse=True)
def world() -> Iterator[World]:
    """The fake nodes, clean before and after."""
    fake = provisioner_for("fake")
    assert isinstance(fake, Fake)
    fake.world.reset()
    yield fake.world
    fake.world.reset()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeStandin]:
    """The Stripe stand-in as a real process."""
    with standin(tmp_path_factory.mktemp("stripe")) as started:
        yield started


@pytest.fixture
def stripe(process: StripeStandin, settings: Settings) -> Iterator[StripeStandin]:
    """The stand-in, which sends nothing unless the test wants it to."""
    settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_API_BASE = KEY, SECRET, process.url
    process.webhook(None)
    yield process
    process.heal()


@pytest.fixture
def time(stripe: StripeStandin) -> Iterator[StripeStandin]:
    """The stand-in, which lives by the test's time: from noon of the second of March on."""
    with at(stripe, MARCH):
        yield stripe


@pytest.fixture
def acme(db: None) -> Organization:
    """A customer with $100.00 of credit."""
    return funded(100)


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    """Calls of earlier tests count for nobody."""
    cache.clear()


@pytest.fixture
def ada(acme: Organization) -> User:
    """Owns Acme."""
    owner = acme.members.first()
    assert owner
    return owner


@pytest.fixture
def api(acme: Organization, ada: User) -> APIClient:
    """Ada's script."""
    return a_client(a_token(acme, ada))


@pytest.fixture
def browser(ada: User) -> Client:
    """Ada in her browser."""
    return a_browser(ada)


@pytest.fixture
def offer(db: None) -> Offer:
    """On-demand nodes at $3.60 per node-hour: one thousand micro-dollars a second."""
    return factories.an_offer(factories.a_pool(nodes=3))


@pytest.fixture
def reserved(db: None) -> Offer:
    """The same nodes by the hour, ahead."""
    return factories.an_offer(factories.a_pool(nodes=3), factories.a_plan(PlanKind.RESERVED))


@pytest.fixture
def single(db: None) -> Offer:
    """One node, by the hour."""
    return factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(PlanKind.RESERVED))


def funded(dollars: float, name: str = "Acme Robotics") -> Organization:
    organization = factories.an_organization(name)
    if dollars:
        give(organization, dollars)
    return organization


def give(organization: Organization, dollars: float, now: datetime = NOON) -> None:
    amount = round(dollars * MICROS)
    operations.grant(organization=organization, amount_micros=amount, key=f"t{next(_serial)}", memo="gift", now=now)


def a_quote(organization: Organization, offer: Offer, *, now: datetime = NOON, nodes: int = 1, **window: Any) -> Quote:
    times = {"starts_at": None, "ends_at": None, **window}
    return checkout.quote(organization=organization, offer=offer, nodes=nodes, now=now, **times)


def place(quote: Quote, *, now: datetime = NOON, name: str = "training", project: str = "") -> Lease:
    setup = Setup(name, [factories.a_key(quote.organization)], factories.an_image(), project=project)
    with transaction.atomic():
        return checkout.place(
            organization=quote.organization,
            actor="user:us_tests",
            created_by=None,
            quote=quote.public_id,
            setup=setup,
            now=now,
        )


def running(
    organization: Organization, offer: Offer, *, now: datetime = NOON, nodes: int = 1, project: str = ""
) -> Lease:
    """An on-demand lease, ordered and in the customer's hands at `now`."""
    lease = place(a_quote(organization, offer, now=now, nodes=nodes), now=now, project=project)
    work_all(offer, now=now)
    lease.refresh_from_db()
    return lease


def agree(lease: Lease, micros_per_node_hour: int, *, from_at: datetime, now: datetime = NOON) -> None:
    """Another price from a moment on, as an extension agrees it."""
    MeterPrice.objects.create(
        meter=lease.meter, from_at=from_at, micros_per_node_hour=micros_per_node_hour, agreed_at=now
    )


def invoiced(organization: Organization, *, month: date = date(2026, 3, 1), now: datetime) -> Invoice | None:
    """The invoice of a month, closed at `now` if it can be."""
    invoicing.close(period=month, organizations=[organization.pk], now=now)
    return Invoice.objects.filter(organization=organization, period_start=month).first()


def money(organization: Organization, now: datetime = NOON) -> Wallet:
    return wallet(organization=organization, now=now)


def balance(organization: Organization, kind: AccountKind = AccountKind.WALLET) -> int:
    account = LedgerAccount.objects.filter(organization=organization, kind=kind).first()
    return account.balance_micros if account else 0


def assert_books_balance() -> None:
    """What must hold after everything: postings sum to zero, accounts equal their entries, usage equals revenue."""
    for posting in Posting.objects.prefetch_related("entries"):
        assert sum(entry.amount_micros for entry in posting.entries.all()) == 0, posting
    for account in LedgerAccount.objects.all():
        entries = list(Entry.objects.filter(account=account).order_by("id"))
        assert account.balance_micros == sum(entry.amount_micros for entry in entries), account
        assert not entries or entries[-1].balance_micros == account.balance_micros


__all__ = ["HOUR", "NOON", "SECOND"]


@pytest.fixture
def impatient(stripe: StripeStandin, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A gateway that waits for an answer for a moment only."""
    monkeypatch.setattr("billing.payments.stripe._READ_SECONDS", READ_SECONDS)
    monkeypatch.setattr("billing.payments.stripe._RETRIES", 0)
    settings.STRIPE_API_KEY = "sk_test_impatient"
    payments._gateway.cache_clear()
    yield payments.gateway()
    payments._gateway.cache_clear()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch, impatient: Gateway) -> Gateway:
    """One whose workers wait for long, and who waits at a page for a moment only."""
    for name, seconds in {
        "_READ": 20.0,
        "_BRIEF_CONNECT": BRIEF_READ,
        "_BRIEF_READ": BRIEF_READ,
        "BRIEF": BRIEF,
    }.items():
        monkeypatch.setattr(f"billing.payments.stripe.{name}_SECONDS", seconds)
    payments._gateway.cache_clear()
    return payments.gateway()
