"""Real threads and committed data: money is promised once, and metered once."""

from datetime import timedelta

import pytest
from django.db import connection

from accounts.models import Organization
from billing import budgets, checkout, metering, operations, queries
from billing.budgets import BudgetExceeded
from billing.checkout import InsufficientFunds
from billing.limits import NodeLimitReached
from billing.models import LedgerAccount, Meter, Posting, Quote, Usage
from billing.quotes import QuoteUsed
from leasing.models import Lease
from leasing.operations import end
from tests import factories
from tests.billing.conftest import (
    HOUR,
    NOON,
    a_quote,
    assert_books_balance,
    balance,
    funded,
    give,
    money,
    place,
    running,
)
from tests.together import deadlocks, meeting, together

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS = 50


def quotes_with_credit_for_one() -> list[Quote]:
    organization = funded(3.6)
    offer = factories.an_offer(factories.a_pool(nodes=ORDERS))
    factories.a_key(organization), factories.an_image()
    return [a_quote(organization, offer) for _ in range(ORDERS)]


def test_fifty_orders_with_credit_for_one_make_one_lease() -> None:
    before = deadlocks()
    quotes = quotes_with_credit_for_one()
    results = together(ORDERS, lambda number: place(quotes[number]))
    assert sum(isinstance(result, Lease) for result in results) == 1
    assert sum(isinstance(result, InsufficientFunds) for result in results) == ORDERS - 1
    assert money(quotes[0].organization).available_micros == 0
    assert deadlocks() == before


def test_without_the_lock_on_the_wallet_the_same_orders_overspend(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the race is real, and it is the lock that wins it."""
    quotes = quotes_with_credit_for_one()
    monkeypatch.setattr(operations, "lock_wallet", _look_without_locking)
    monkeypatch.setattr(checkout, "wallet", meeting(queries.wallet))
    results = together(ORDERS, lambda number: place(quotes[number]))
    assert sum(isinstance(result, Lease) for result in results) > 1
    assert money(quotes[0].organization).available_micros < 0


def _look_without_locking(*, organization: Organization) -> LedgerAccount:
    return LedgerAccount.objects.get(organization=organization, kind="wallet")


def test_one_quote_ordered_twenty_times_at_once_makes_one_lease() -> None:
    organization = funded(1000)
    quote = a_quote(organization, factories.an_offer(factories.a_pool(nodes=20)))
    factories.a_key(organization), factories.an_image()
    results = together(20, lambda _: place(quote))
    assert sum(isinstance(result, Lease) for result in results) == 1
    assert sum(isinstance(result, QuoteUsed) for result in results) == 19


def test_metering_from_many_workers_at_once_charges_once() -> None:
    organization = funded(1000)
    lease = running(organization, factories.an_offer())
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + timedelta(minutes=150))
    upto = NOON + 3 * HOUR
    results = together(12, lambda _: metering.meter(lease=lease, upto=upto, now=upto))
    assert sorted(results)[-1] == sum(results) == 9_000_000  # type: ignore[type-var, arg-type]
    assert Usage.objects.count() == Posting.objects.filter(lease=lease).count() == 3
    assert Meter.objects.get().charged_micros == 9_000_000
    assert balance(organization) == 991_000_000
    assert_books_balance()


def test_orders_metering_and_credit_at_once_neither_deadlock_nor_lose_a_cent() -> None:
    before = deadlocks()
    organization = funded(1000)
    offer = factories.an_offer(factories.a_pool(nodes=12))
    leases = [running(organization, offer) for _ in range(4)]
    quotes = [a_quote(organization, offer) for _ in range(8)]

    def act(number: int) -> object:
        if number < 8:
            return place(quotes[number])
        if number < 20:
            return metering.meter(lease=leases[number % 4], upto=NOON + HOUR, now=NOON + HOUR)
        give(organization, 1)
        return None

    failures = [result for result in together(24, act) if isinstance(result, Exception)]
    assert failures == []
    assert balance(organization) == (1000 + 4) * 1_000_000 - 4 * 3_600_000
    assert deadlocks() == before
    assert_books_balance()


def test_the_first_posting_of_an_organization_from_many_threads_makes_one_wallet() -> None:
    organization = factories.an_organization()
    together(10, lambda _: give(organization, 1))
    assert balance(organization) == 10_000_000
    assert LedgerAccount.objects.filter(organization=organization).count() == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(amount_micros) FROM billing_entry")
        assert cursor.fetchone() == (0,)
    assert operations.lock_wallet(organization=organization).balance_micros == 10_000_000


def quotes_with_a_budget_for_one() -> list[Quote]:
    organization = funded(1000)
    offer = factories.an_offer(factories.a_pool(nodes=20))
    budgets.create(organization=organization, actor="", created_by=None, project="", limit_micros=5_000_000, now=NOON)
    factories.a_key(organization), factories.an_image()
    return [a_quote(organization, offer) for _ in range(20)]


def test_twenty_orders_with_a_budget_for_one_make_one_lease() -> None:
    quotes = quotes_with_a_budget_for_one()
    results = together(20, lambda number: place(quotes[number]))
    assert sum(isinstance(result, Lease) for result in results) == 1
    assert sum(isinstance(result, BudgetExceeded) for result in results) == 19


def test_without_the_lock_on_the_wallet_the_same_orders_pass_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: two orders that fit one by one do not fit together."""
    quotes = quotes_with_a_budget_for_one()
    monkeypatch.setattr(operations, "lock_wallet", _look_without_locking)
    monkeypatch.setattr(budgets, "check", meeting(budgets.check))
    results = together(20, lambda number: place(quotes[number]))
    assert sum(isinstance(result, Lease) for result in results) > 1


def test_twenty_orders_where_two_nodes_are_allowed_make_two_leases() -> None:
    organization = funded(1000)
    offer = factories.an_offer(factories.a_pool(nodes=20), factories.a_plan(nodes_at_once_new=2))
    factories.a_key(organization), factories.an_image()
    quotes = [a_quote(organization, offer) for _ in range(20)]
    results = together(20, lambda number: place(quotes[number]))
    assert sum(isinstance(result, Lease) for result in results) == 2
    assert sum(isinstance(result, NodeLimitReached) for result in results) == 18
