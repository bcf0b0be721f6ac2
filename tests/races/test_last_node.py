"""Many customers want the same nodes at the same instant. First shown to go wrong without the guard."""

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from django.db import connection, transaction

from accounts.models import Organization
from billing.invariants import broken
from leasing import operations
from leasing.models import Claim, Lease
from leasing.operations import NodesTaken, calendar
from marketplace.models import NodeCalendar, Offer
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import hold
from tests.together import deadlocks, overlaps, together
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = 200
GATE = 4711  # an advisory lock


@pytest.fixture
def acme() -> Organization:
    return factories.an_organization()


@pytest.fixture
def no_guard() -> Iterator[None]:
    """
    The same functions without their two guards: no row lock, no exclusion constraint. Who has looked goes on when the
    gate is open.
    """
    functions = Path(calendar.__file__).with_name("booking.sql").read_text()
    unlocked = re.sub("FOR NO KEY UPDATE OF calendar( SKIP LOCKED)?", "", functions)
    assert unlocked != functions
    looked = "                IF still = nodes THEN"
    assert looked in unlocked
    unlocked = unlocked.replace(looked, f"                PERFORM pg_advisory_xact_lock_shared({GATE});\n{looked}")
    with connection.cursor() as cursor:
        cursor.execute(unlocked)
    constraint = next(c for c in Claim._meta.constraints if c.name == "claim_no_overlap")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Claim, constraint)
    yield
    with connection.cursor() as cursor:
        cursor.execute(functions)
    Claim.objects.all().delete()
    with connection.schema_editor() as editor:
        editor.add_constraint(Claim, constraint)


@contextmanager
def gate() -> Iterator[None]:
    """Keeps those who have looked until it is two of them: the worst moment, every time."""
    shut = Event()

    def keep() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [GATE])
            shut.set()
            until(two_wait)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        keeping = pool.submit(keep)
        assert shut.wait(timeout=30)
        yield
        keeping.result()


def two_wait() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", [GATE]
        )
        (waiting,) = cursor.fetchone()
    return bool(waiting >= 2)


def order_all(acme: Organization, offer: Offer, count: int, nodes: int = 1) -> Counter[str]:
    factories.a_key(acme), factories.an_image()
    results = together(count, lambda _: hold(acme, offer, nodes=nodes, ends_at=NOON + HOUR))
    return Counter(type(result).__name__ for result in results)


def test_without_the_guard_the_last_node_is_sold_many_times(acme: Organization, no_guard: None) -> None:
    with gate():
        ended = order_all(acme, factories.an_offer(), 30)
    assert ended["Lease"] > 1
    assert overlaps() > 0


def test_two_hundred_orders_of_the_last_node_end_in_one_lease(acme: Organization) -> None:
    offer = factories.an_offer()
    before = deadlocks()
    assert order_all(acme, offer, ORDERS) == {"Lease": 1, "NodesTaken": ORDERS - 1}
    assert (overlaps(), deadlocks() - before) == (0, 0)


def test_two_hundred_orders_of_fifty_nodes_end_in_fifty_leases(acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=50))
    before = deadlocks()
    assert order_all(acme, offer, ORDERS) == {"Lease": 50, "NodesTaken": ORDERS - 50}
    assert (overlaps(), deadlocks() - before) == (0, 0)
    assert list(broken(now=NOON)) == []  # each calendar says what its node's claims say


def test_orders_of_several_nodes_get_all_or_none_and_never_deadlock(acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=10))
    before = deadlocks()
    ended = order_all(acme, offer, 40, nodes=3)
    assert ended == {"Lease": 3, "NodesTaken": 37}
    assert Claim.objects.filter(released_at=None).count() == 9
    assert (overlaps(), deadlocks() - before) == (0, 0)


def test_ordering_returning_and_expiring_at_once_leaves_calendar_and_claims_the_same(acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=4))
    factories.a_key(acme), factories.an_image()
    before = deadlocks()

    def order_then_let_go(number: int) -> None:
        try:
            lease = hold(acme, offer, nodes=1 + number % 3, ends_at=NOON + HOUR)
        except NodesTaken:
            return
        if number % 2:
            operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON)
        else:
            operations.expire(lease=lease, now=NOON + HOUR)

    failures = [result for result in together(40, order_then_let_go) if result is not None]
    assert failures == []
    assert not Lease.objects.filter(claims__released_at=None).exists()
    assert all(list(row.busy) == [] for row in NodeCalendar.objects.all())
    assert (overlaps(), deadlocks() - before) == (0, 0)


def test_orders_of_one_fabric_group_at_once_never_share_or_split_a_group(acme: Organization) -> None:
    pool = factories.a_pool(nodes=0)
    for number in range(12):
        factories.a_node(pool, fabric_group=f"island-{number % 3}")
    offer = factories.an_offer(pool)
    factories.a_key(acme), factories.an_image()
    before = deadlocks()
    results = together(40, lambda _: hold(acme, offer, nodes=2, ends_at=NOON + HOUR, same_fabric=True))
    assert Counter(type(result).__name__ for result in results) == {"Lease": 6, "NodesTaken": 34}
    for lease in Lease.objects.all():
        assert lease.claims.values("node__fabric_group").distinct().count() == 1
    assert (overlaps(), deadlocks() - before) == (0, 0)
