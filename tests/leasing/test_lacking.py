"""A lease whose replacement did not start is paused and goes on: what it lacks is not charged, and may be swapped."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Event, Organization
from leasing import operations, provisioning
from leasing.models import Lease, Machine, OnFailure, Outage, OutageCause
from leasing.provisioners.fake import World
from leasing.states import SERVING, LeaseState, MachineState
from tests.factories import DAY, HOUR
from tests.leasing.conftest import work_all
from tests.leasing.test_swapping import DOWN, down

pytestmark = pytest.mark.django_db
LATER = DOWN + HOUR


def fails_to_start(lease: Lease, world: World) -> None:
    """The replacement, on all of its attempts."""
    world.fail("prepare", times=provisioning.START_ATTEMPTS)
    for minute in range(provisioning.START_ATTEMPTS):
        work_all(lease.offer, now=DOWN + timedelta(minutes=minute))


def pause(lease: Lease, now: datetime) -> None:
    lease.refresh_from_db()
    operations.pause(lease=lease, reason="out_of_funds", until=now + DAY, actor="system:billing", now=now)


def a_lacking_lease(acme: Organization, world: World, *, nodes: int, paused: str) -> Lease:
    """Paused before or after its replacement failed; and filled again."""
    failed = down(acme, nodes=nodes, free=2)
    lease = failed.lease
    operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    if paused == "before":
        pause(lease, DOWN)
    fails_to_start(lease, world)
    if paused == "after":
        pause(lease, LATER)
        work_all(lease.offer, now=LATER)
    for _ in range(2):
        operations.resume(lease=lease, actor="system:billing", now=LATER)
        work_all(lease.offer, now=LATER)
    lease.refresh_from_db()
    return lease


@pytest.mark.parametrize("paused", ["before", "after"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_it_goes_on_and_what_it_lacks_is_an_outage(acme: Organization, world: World, nodes: int, paused: str) -> None:
    lease = a_lacking_lease(acme, world, nodes=nodes, paused=paused)
    assert lease.state == LeaseState.ACTIVE
    assert lease.machines.filter(state__in=SERVING).count() == nodes - 1
    (outage,) = Outage.objects.filter(ended_at=None).order_by("pk")
    lacking = Machine.objects.order_by("pk").last()
    assert (outage.machine, outage.began_at, outage.called_at) == (lacking, LATER, LATER)
    assert outage.cause in {OutageCause.UNREACHABLE, OutageCause.SWAPPING}
    told = Event.objects.get(kind="lease.degraded", at=LATER).notice
    assert told and "Nothing is charged for it" in told["text"]


def test_it_may_be_swapped_then(acme: Organization, world: World) -> None:
    lease = a_lacking_lease(acme, world, nodes=1, paused="before")
    Lease.objects.update(on_failure=OnFailure.ASK)
    outage = Outage.objects.get(ended_at=None)
    made = operations.swap(machine=outage.machine, actor="user:us_ana", now=LATER + HOUR)
    work_all(lease.offer, now=LATER + HOUR)
    made.refresh_from_db()
    outage.refresh_from_db()
    assert (made.state, outage.ended_at) == (MachineState.READY, LATER + HOUR)
