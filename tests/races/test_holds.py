"""Customers want to hold or to order the last node at the same instant. First shown to go wrong without the lock."""

from collections import Counter
from datetime import datetime
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Organization
from billing import keeping
from billing.models import Quote
from leasing.models import Lease
from leasing.operations import NodesTaken, calendar
from marketplace.models import NodeCalendar, Offer, Pool
from marketplace.queries import Window, free_nodes, is_held
from tests import factories
from tests.billing.conftest import a_quote, funded, place
from tests.factories import HOUR, NOON
from tests.races.test_calendar import somebody_waits
from tests.together import deadlocks, overlaps, together
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

CUSTOMERS = 12


@pytest.fixture
def customers(db: None) -> list[Organization]:
    customers = [funded(1000, f"Customer {number}") for number in range(CUSTOMERS)]
    for customer in customers:
        factories.a_key(customer)
    factories.an_image()
    return customers


@pytest.fixture
def no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code, looking at the nodes without locking them, until everybody has looked."""
    everybody = Barrier(CUSTOMERS)

    def look_only(*, pool: Pool, nodes: int, window: Window, now: datetime, **_: object) -> list[NodeCalendar]:
        free = free_nodes(window=window, now=now).filter(pool=pool).exclude(is_held(now=now)).order_by("node_id")
        if len(found := list(free[:nodes])) < nodes:
            raise calendar.TooFewNodes
        everybody.wait(timeout=30)
        return found

    monkeypatch.setattr(calendar, "lock_unheld_nodes", look_only)


def an_offer(nodes: int = 1) -> Offer:
    return factories.an_offer(factories.a_pool(nodes=nodes), factories.a_plan(hold_seconds=600))


def hold_all(customers: list[Organization], offer: Offer, nodes: int = 1) -> Counter[str]:
    quotes = [a_quote(customer, offer, nodes=nodes) for customer in customers]
    ended = together(len(quotes), lambda number: keeping.hold_nodes(quote=quotes[number], now=NOON))
    return Counter(type(result).__name__ for result in ended)


def hold_or_order(customers: list[Organization], offer: Offer) -> Counter[str]:
    """Half of them hold the node, half of them order it."""
    quotes = [a_quote(customer, offer) for customer in customers]

    def one(number: int) -> Any:
        quote = quotes[number]
        return place(quote) if number % 2 else keeping.hold_nodes(quote=quote, now=NOON)

    return Counter(type(result).__name__ for result in together(len(quotes), one))


def test_without_the_lock_the_last_node_is_held_for_several_customers(
    customers: list[Organization], no_lock: None
) -> None:
    assert hold_all(customers, an_offer())["Quote"] > 1


def test_the_last_node_is_held_for_one_customer(customers: list[Organization]) -> None:
    before = deadlocks()
    assert hold_all(customers, an_offer()) == {"Quote": 1, "NodesTaken": CUSTOMERS - 1}
    holding = Quote.objects.get(holds_until__isnull=False)
    assert NodeCalendar.objects.get().held_for == holding.public_id
    assert deadlocks() == before


def test_several_nodes_are_held_all_or_none_and_never_deadlock(customers: list[Organization]) -> None:
    before = deadlocks()
    ended = hold_all(customers, an_offer(nodes=7), nodes=3)
    assert 1 <= ended["Quote"] <= 2
    assert ended["Quote"] + ended["NodesTaken"] == CUSTOMERS
    assert NodeCalendar.objects.exclude(held_for="").count() == 3 * ended["Quote"]
    assert deadlocks() == before


def test_without_the_lock_a_node_is_held_for_one_and_leased_to_another(
    customers: list[Organization], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One looks and finds it free; the other orders it; the first holds what it saw."""
    looked, ordered = Event(), Event()

    def look_and_wait(*, pool: Pool, window: Window, now: datetime, **_: object) -> list[NodeCalendar]:
        found = list(free_nodes(window=window, now=now).filter(pool=pool))
        looked.set()
        assert ordered.wait(timeout=30)
        return found

    monkeypatch.setattr(calendar, "lock_unheld_nodes", look_and_wait)
    offer = an_offer()
    held, taken = (a_quote(customer, offer) for customer in customers[:2])

    def one(number: int) -> Any:
        if number == 0:
            return keeping.hold_nodes(quote=held, now=NOON)
        assert looked.wait(timeout=30)
        try:
            return place(taken)
        finally:
            ordered.set()

    assert [type(result).__name__ for result in together(2, one)] == ["Quote", "Lease"]


def test_nodes_that_somebody_is_busy_with_are_waited_for_also_by_who_holds_others(
    customers: list[Organization],
) -> None:
    offer, later = an_offer(nodes=2), NOON + HOUR
    keeping.hold_nodes(quote=a_quote(customers[0], offer), now=NOON)
    wish = a_quote(customers[0], offer, nodes=2, now=NOON)
    busy, found = NodeCalendar.objects.get(held_for=""), list[Any]()

    def hold() -> None:
        found.extend(together(1, lambda _: keeping.hold_nodes(quote=wish, now=NOON)))

    with transaction.atomic():
        calendar.lock([busy.pk])
        other = Thread(target=hold)
        other.start()
        until(somebody_waits)
    other.join()
    assert NodeCalendar.objects.filter(held_for=wish.public_id, held_until__lt=later).count() == 2, found


def an_offer_elsewhere(number: int) -> Offer:
    pool = factories.a_pool(site=factories.a_site(f"site-{number}"))
    return factories.an_offer(pool, factories.a_plan(hold_seconds=600) if not number else factories.a_plan())


def test_the_last_node_is_either_held_or_leased(customers: list[Organization]) -> None:
    before = deadlocks()
    for number in range(5):
        ended = hold_or_order(customers, an_offer_elsewhere(number))
        assert ended["Lease"] + ended["Quote"] == 1
        assert set(ended) <= {"Lease", "Quote", NodesTaken.__name__}
    assert (overlaps(), deadlocks() - before) == (0, 0)


def test_a_hold_that_lapses_while_it_is_ordered_ends_in_one_lease(customers: list[Organization]) -> None:
    quote = keeping.hold_nodes(quote=a_quote(customers[0], an_offer()), now=NOON)
    assert quote.holds_until
    end, late = quote.holds_until, quote.holds_until + HOUR / 3600
    others = [a_quote(customer, quote.offer, now=end) for customer in customers[1:]]

    def one(number: int) -> Lease:
        return place(others[number - 1], now=late) if number else place(quote, now=end - HOUR / 3600)

    before = deadlocks()
    ended = Counter(type(result).__name__ for result in together(CUSTOMERS, one))
    assert ended == {"Lease": 1, "NodesTaken": CUSTOMERS - 1}
    assert (overlaps(), deadlocks() - before) == (0, 0)


def test_one_customer_who_holds_many_times_at_once_holds_one_lot(customers: list[Organization]) -> None:
    ended = hold_all([customers[0]] * 8, an_offer(nodes=4), nodes=2)
    assert ended["Quote"] >= 1 and set(ended) <= {"Quote", NodesTaken.__name__}
    holding = Quote.objects.get(holds_until__isnull=False)
    assert set(NodeCalendar.objects.exclude(held_for="").values_list("held_for", flat=True)) == {holding.public_id}
