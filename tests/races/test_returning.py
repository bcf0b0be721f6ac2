"""Returning is always accepted, whatever else happens to the lease at the same instant."""

from datetime import timedelta

import pytest

from accounts.models import Organization
from leasing import operations, schedule
from leasing.models import Claim, Lease, Machine
from leasing.provisioners.fake import World
from leasing.states import LEASE_OVER, MachineState
from marketplace.models import Node
from marketplace.states import NodeState
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active, order, work_all
from tests.together import deadlocks, together

pytestmark = pytest.mark.django_db(transaction=True)

LEASES = 8


@pytest.fixture
def acme() -> Organization:
    return factories.an_organization()


def returned(lease: Lease) -> None:
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)


def test_returning_while_machines_are_resumed(acme: Organization, world: World) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=LEASES))
    leases = [active(acme, offer) for _ in range(LEASES)]
    for lease in leases:
        operations.pause(lease=lease, reason="out_of_funds", until=NOON + DAY, actor="system:billing", now=NOON)
    work_all(offer, now=NOON)
    before = deadlocks()

    def act(number: int) -> None:
        lease = Lease.objects.get(pk=leases[number // 2].pk)
        if number % 2:
            returned(lease)
        else:
            operations.resume(lease=lease, actor="system:billing", now=NOON + HOUR)

    assert together(2 * LEASES, act) == [None] * 2 * LEASES
    work_all(offer, now=NOON + HOUR)
    all_is_over(before)


def test_returning_while_the_sweep_hands_machines_to_the_workers(acme: Organization, world: World) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=LEASES))
    leases = [order(acme, offer) for _ in range(LEASES)]
    Machine.objects.update(state=MachineState.PENDING, touched_at=None)  # as if their nodes came free only now
    Node.objects.update(state=NodeState.AVAILABLE)
    before = deadlocks()

    def act(number: int) -> None:
        if number % 2:
            returned(Lease.objects.get(pk=leases[number // 2].pk))
        else:
            schedule.deploy_pending(now=NOON + timedelta(seconds=1))

    assert together(2 * LEASES, act) == [None] * 2 * LEASES
    work_all(offer, now=NOON + HOUR)
    all_is_over(before)


def all_is_over(deadlocks_before: int) -> None:
    assert not Lease.objects.exclude(state__in=LEASE_OVER).exists()
    assert not Claim.objects.filter(released_at=None).exists()
    assert set(Node.objects.values_list("state", flat=True)) == {NodeState.AVAILABLE}
    assert deadlocks() == deadlocks_before
