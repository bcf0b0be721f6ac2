"""A lease ends while a look at its node is being written: no outage is opened behind its end."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from leasing import health, operations
from leasing.models import Lease, Machine, Outage
from leasing.provisioners.fake import World
from leasing.states import LeaseState
from tests import factories
from tests.factories import NOON
from tests.leasing.conftest import active
from tests.leasing.test_health import TURN, gone, look, write
from tests.races.test_calendar import somebody_waits
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
NOW = NOON + 2 * TURN


@pytest.fixture
def machine(world: World) -> Machine:
    found = active(factories.an_organization(), factories.an_offer()).machines.get()
    write([look(found, NOON + TURN)])
    return found


def is_returned(lease: Lease) -> None:
    operations.end(lease=lease, reason="returned", actor="user:us_ana", now=NOW)


def is_paused(lease: Lease) -> None:
    operations.pause(lease=lease, reason="out_of_funds", until=NOW + 4 * TURN, actor="system:billing", now=NOW)


Ending = Callable[[Lease], None]


def bad_look_while(machine: Machine, ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between what the look reads and what it writes, somebody else sets out to end the lease; both come to an end."""
    begun, others = health._begun, list[Future[None]]()

    def elsewhere() -> None:
        try:
            ending(Lease.objects.select_related("organization").get(pk=machine.lease_id))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:

        def slowly(*seen: Any) -> Outage:
            others.append(pool.submit(elsewhere))
            until(lambda: others[0].done() or somebody_waits(), what="an end that is over, or waits")
            return begun(*seen)

        monkeypatch.setattr(health, "_begun", slowly)
        write([gone(machine, NOW)])
        others[0].result()
    assert Lease.objects.get().state != LeaseState.ACTIVE


@pytest.mark.parametrize("ending", [is_returned, is_paused])
def test_no_outage_is_opened_behind_the_end(machine: Machine, ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    bad_look_while(machine, ending, monkeypatch)
    assert Outage.objects.count() == 1 and not Outage.objects.filter(ended_at=None).exists()


def test_without_the_lock_it_stays_open_for_good(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlocked(leases: QuerySet[Lease]) -> list[int]:
        return list(leases.filter(state=LeaseState.ACTIVE).values_list("pk", flat=True))

    monkeypatch.setattr(health, "_locked", unlocked)
    bad_look_while(machine, is_returned, monkeypatch)
    assert Outage.objects.filter(ended_at=None).count() == 1


def test_a_look_does_not_wait_for_who_has_the_lease(machine: Machine) -> None:
    def looks() -> None:
        try:
            write([gone(machine, NOW)])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            is_returned(machine.lease)
            pool.submit(looks).result(timeout=30)
    assert not Outage.objects.exists()
