"""Customers and staff want the same node at the same instant. First shown to go wrong without the guard."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Event, Organization
from billing.invariants import broken
from leasing import operations, schedule
from leasing.models import Claim, Lease, Maintenance
from leasing.operations import NodesTaken, calendar, maintaining, rebooking, upkeep
from leasing.operations.maintaining import WindowTaken, finish_maintenance, plan_maintenance
from leasing.operations.upkeep import drain
from marketplace.models import Node, Offer, PlanKind
from marketplace.states import NodeState
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import hold, order
from tests.races.test_calendar import somebody_waits
from tests.together import deadlocks, meeting, overlaps, together
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = "user:us_pat"


@pytest.fixture
def acme() -> Organization:
    organization = factories.an_organization()
    factories.a_key(organization), factories.an_image()
    return organization


@pytest.fixture
def offer() -> Offer:
    return factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))


@pytest.fixture
def no_constraint() -> Iterator[None]:
    """The database without the net below the locks."""
    constraint = next(c for c in Claim._meta.constraints if c.name == "claim_no_overlap")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Claim, constraint)
    yield
    Maintenance.objects.all().delete()
    Claim.objects.all().delete()
    with connection.schema_editor() as editor:
        editor.add_constraint(Claim, constraint)


def plan(node: Node) -> Maintenance:
    return plan_maintenance(
        node=node,
        kind="power",
        reason="The feed is switched.",
        starts_at=NOON + DAY,
        ends_at=NOON + DAY + HOUR,
        actor=STAFF,
        now=NOON,
    )


def orders_and_plans(acme: Organization, offer: Offer, count: int) -> Counter[str]:
    """Half of them order the node's window, half of them plan work in it."""
    node = offer.pool.nodes.get()

    def one(number: int) -> Any:
        return plan(node) if number % 2 else hold(acme, offer, starts_at=NOON + DAY, ends_at=NOON + DAY + HOUR)

    return Counter(type(result).__name__ for result in together(count, one))


def test_without_the_guards_a_window_is_both_booked_and_planned(
    acme: Organization, offer: Offer, no_constraint: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staff looks and finds it free; a customer orders it; staff plans what it saw."""
    node, look, looked = offer.pool.nodes.get(), maintaining._must_be_free, threading.Event()
    both = meeting(lambda act: act())

    def seen(*wanted: Any, **more: Any) -> None:
        look(*wanted, **more)
        looked.set()

    def one(number: int) -> Any:
        if number:
            return plan(node)
        assert looked.wait(timeout=30)
        return both(lambda: hold(acme, offer, starts_at=NOON + DAY, ends_at=NOON + DAY + HOUR))

    monkeypatch.setattr(calendar, "lock_node", lambda node: node)
    monkeypatch.setattr(maintaining, "_must_be_free", lambda *wanted, **more: both(lambda: seen(*wanted, **more)))
    assert [type(result).__name__ for result in together(2, one)] == ["Lease", "Maintenance"]
    assert overlaps() == 1


def test_orders_and_plans_for_one_window_end_in_one_of_them(acme: Organization, offer: Offer) -> None:
    before = deadlocks()
    ended = orders_and_plans(acme, offer, 60)
    assert ended["Lease"] + ended["Maintenance"] == 1
    assert set(ended) <= {"Lease", "Maintenance", NodesTaken.__name__, WindowTaken.__name__}
    assert (Claim.objects.count(), overlaps(), deadlocks() - before) == (1, 0, 0)


def order_behind_a_drain(acme: Organization, offer: Offer) -> Lease | Exception:
    """What an order ends in that waits for the only node while it is being drained."""
    node = offer.pool.nodes.get()
    factories.a_node(offer.pool, state=NodeState.RETIRED)

    def order() -> Lease | Exception:
        try:
            return hold(acme, offer, starts_at=NOON + DAY, ends_at=NOON + DAY + HOUR)
        except NodesTaken as taken:
            return taken
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            drain(node=node, to=NodeState.MAINTENANCE, reason="Old.", actor=STAFF, now=NOON)
            waiting = pool.submit(order)
            until(somebody_waits)
        return waiting.result()


@pytest.fixture
def trusting() -> Iterator[None]:
    """The same functions, believing what was seen before the wait."""
    functions = Path(calendar.__file__).with_name("booking.sql").read_text()
    hasty = functions.replace("IF still = nodes THEN", "IF true THEN")
    assert hasty != functions
    with connection.cursor() as cursor:
        cursor.execute(hasty)
    yield
    with connection.cursor() as cursor:
        cursor.execute(functions)


@pytest.mark.usefixtures("trusting")
def test_without_a_second_look_an_order_gets_the_node_that_was_drained_while_it_waited(
    acme: Organization, offer: Offer
) -> None:
    assert isinstance(order_behind_a_drain(acme, offer), Lease)
    assert offer.pool.nodes.get(state=NodeState.MAINTENANCE).claims.exists()


def test_an_order_does_not_get_the_node_that_was_drained_while_it_waited(acme: Organization, offer: Offer) -> None:
    assert isinstance(order_behind_a_drain(acme, offer), NodesTaken)
    assert not Claim.objects.exists()


def test_a_drain_and_orders_of_the_last_node_at_once_leave_it_booked_or_out_of_stock_never_both(
    acme: Organization, offer: Offer
) -> None:
    node, before = offer.pool.nodes.get(), deadlocks()

    def one(number: int) -> Any:
        if number == 0:
            return drain(node=node, to=NodeState.QUARANTINED, reason="Old.", actor=STAFF, now=NOON)
        return hold(acme, offer, starts_at=NOON + DAY, ends_at=NOON + DAY + HOUR)

    kinds = Counter(type(result).__name__ for result in together(20, one))
    node.refresh_from_db()
    booked = Claim.objects.filter(released_at=None).exists()
    assert kinds["Cleared"] == 1 and kinds["Lease"] == int(booked)
    assert booked == (node.state == NodeState.AVAILABLE)
    assert deadlocks() == before


def extended_while_drained(acme: Organization, offer: Offer, monkeypatch: pytest.MonkeyPatch) -> Lease:
    """A booking that its customer extends behind the back of a drain, which has read it and is about to move it."""
    lease = order(acme, offer, starts_at=NOON + DAY, ends_at=NOON + DAY + HOUR)
    node, move = offer.pool.nodes.get(), rebooking.rebook
    factories.a_node(offer.pool)

    def late(**claim: Any) -> Claim | None:
        operations.extend(lease=lease, ends_at=NOON + DAY + 3 * HOUR, actor="user:us_ana", price="", now=NOON)
        return move(**claim)

    monkeypatch.setattr(upkeep, "rebook", late)
    (moved,) = drain(node=node, to=NodeState.MAINTENANCE, reason="Old.", actor=STAFF, now=NOON).moved
    assert (moved.lease_id, moved.node == node) == (lease.pk, False)
    lease.refresh_from_db()
    return lease


def test_a_booking_that_is_extended_while_it_is_moved_keeps_all_of_its_time(
    acme: Organization, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = extended_while_drained(acme, offer, monkeypatch)
    claim = lease.claims.get(released_at=None)
    assert claim.period.upper >= lease.ends_at == NOON + DAY + 3 * HOUR
    assert not [words for words in broken(now=NOON) if words.startswith("I1")]


def test_without_a_second_look_the_time_that_was_added_is_free_to_be_sold_again(
    acme: Organization, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebooking, "_live", lambda claim: claim)
    lease = extended_while_drained(acme, offer, monkeypatch)
    claim = lease.claims.get(released_at=None)
    (words,) = [words for words in broken(now=NOON) if words.startswith("I1")]
    assert words.startswith("I1d") and f"claim {claim.pk} of lease {lease.public_id}" in words


def test_work_that_is_finished_by_many_at_once_is_finished_once(offer: Offer) -> None:
    node = offer.pool.nodes.get()
    work = plan(node)
    schedule.run_due(now=NOON + DAY)
    done = together(10, lambda _: finish_maintenance(maintenance=work, actor=STAFF, now=NOON + DAY))
    assert Counter(map(str, done)) == {"True": 1, "False": 9}
    assert Event.objects.filter(kind="node.maintenance_done").count() == 1


def test_without_the_lock_work_is_finished_more_than_once_or_in_vain(
    offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = offer.pool.nodes.get()
    work = plan(node)
    schedule.run_due(now=NOON + DAY)
    monkeypatch.setattr(calendar, "lock_node", lambda row: Node.objects.get(pk=row.pk))
    monkeypatch.setattr(maintaining, "_lock", meeting(maintaining._lock))
    done = together(10, lambda _: finish_maintenance(maintenance=work, actor=STAFF, now=NOON + DAY))
    assert done.count(False) <= 8  # two of them saw work that was under way


def test_many_sweeps_at_once_begin_and_remind_once(offer: Offer) -> None:
    plan(offer.pool.nodes.get())
    together(8, lambda _: schedule.maintenance_due(now=NOON + 2 * DAY))
    kinds = Counter(Event.objects.values_list("kind", flat=True))
    assert (kinds["node.maintenance_begun"], kinds["node.maintenance_overdue"]) == (1, 1)
