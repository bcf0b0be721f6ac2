"""Dispatchers who interrupt one lease at the same instant: one of them does, and the budget is kept."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from accounts.models import IllegalMove
from leasing import operations, schedule
from leasing.models import Interruption, Lease
from leasing.operations import CannotInterrupt, interrupting
from leasing.provisioners.fake import World
from leasing.states import InterruptionState, LeaseState
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active
from tests.leasing.interrupted import NOTICE, STAFF, announced, surplus
from tests.together import deadlocks, together

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 6


@pytest.fixture
def lease(world: World) -> Lease:
    return active(factories.an_organization(), surplus(interruptions_per_30_days=1))


def announce(lease: Lease) -> list[object]:
    def one(_: int) -> object:
        return announced(Lease.objects.get(pk=lease.pk))

    return list(together(AT_ONCE, one))


def test_one_dispatcher_of_many_interrupts_it(lease: Lease) -> None:
    before = deadlocks()
    results = announce(lease)
    assert sum(isinstance(result, Interruption) for result in results) == 1, results
    assert sum(isinstance(result, CannotInterrupt) for result in results) == AT_ONCE - 1, results
    assert deadlocks() == before


def test_the_database_keeps_the_budget_of_whoever_does_not_ask(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupting, "why_not", lambda *_, **__: "")
    monkeypatch.setattr(interrupting, "_lock_lease", lambda row: Lease.objects.select_related("terms").get(pk=row.pk))
    results = announce(lease)
    assert sum(isinstance(result, Interruption) for result in results) == 1, results
    assert sum(isinstance(result, IntegrityError) for result in results) == AT_ONCE - 1, results


def test_without_its_guards_a_lease_is_interrupted_beyond_its_budget(
    lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupting, "why_not", lambda *_, **__: "")
    monkeypatch.setattr(interrupting, "_lock_lease", lambda row: Lease.objects.select_related("terms").get(pk=row.pk))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leasing_interruption DISABLE TRIGGER USER")
        cursor.execute("DROP INDEX interruption_one_open")
    try:
        assert sum(isinstance(result, Interruption) for result in announce(lease)) > 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE leasing_interruptiontransition, leasing_interruption")
            cursor.execute("ALTER TABLE leasing_interruption ENABLE TRIGGER USER")
            cursor.execute(
                "CREATE UNIQUE INDEX interruption_one_open ON leasing_interruption (lease_id)"
                " WHERE state IN ('paused', 'pausing', 'resuming', 'scheduled')"
            )


def test_the_sweep_the_tenant_and_the_dispatcher_at_its_beginning(lease: Lease) -> None:
    row = announced(lease)
    before, now = deadlocks(), NOON + NOTICE
    acts: list[Callable[[], object]] = [
        lambda: interrupting.begin_due(interruption=row, now=now),
        lambda: operations.call_off(interruption=row, actor=STAFF, now=now),
        lambda: operations.ready(interruption=row, actor=STAFF, now=now),
        lambda: operations.power_back(interruption=row, actor=STAFF, now=now),
        lambda: operations.end(lease=lease, reason="returned", actor=STAFF, now=now),
        lambda: schedule.interrupt_due(now=now),
    ]
    results = together(len(acts), lambda number: acts[number]())
    refused = [result for result in results if isinstance(result, Exception)]
    assert all(isinstance(result, CannotInterrupt | IllegalMove) for result in refused), refused
    assert deadlocks() == before
    lease.refresh_from_db()
    row.refresh_from_db()
    assert lease.state == LeaseState.RECLAIMING
    assert row.state == InterruptionState.CALLED_OFF
    assert row.over_at == NOON + NOTICE
    assert timedelta() < row.ends_at - row.begins_at == 2 * HOUR
