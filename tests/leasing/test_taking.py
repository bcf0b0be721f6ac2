"""A worker that sleeps between taking a row and reading it finds that another one has taken it meanwhile."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from accounts.models import Organization
from leasing import enrolling, operations, provisioning, schedule, switching, working
from leasing.models import Lease
from leasing.models.work import Worked
from leasing.operations.standing_by import stand_by
from leasing.provisioners.base import StaleEpoch
from leasing.provisioners.fake import World
from leasing.states import MachineState
from marketplace.models import Site
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, order, work_all
from tests.leasing.enrolled import ask

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=2)  # the sleeper has not renewed for longer than a minute
Taker = Callable[..., Worked | None]


def asleep(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """The next worker that takes a row sleeps as soon as it has it, until `meanwhile` is done by others."""
    take = working.take

    def slow(*args: object, **kwargs: object) -> object:
        row = take(*args, **kwargs)  # type: ignore[arg-type]
        monkeypatch.setattr(working, "take", take)
        meanwhile()
        return row

    monkeypatch.setattr(working, "take", slow)


def a_machine(acme: Organization, now: datetime) -> Taker:
    order(acme, factories.an_offer())
    return provisioning.take


def an_enrolment(acme: Organization, now: datetime) -> Taker:
    ask(now)
    return enrolling.take


def a_node_to_switch_off(acme: Organization, now: datetime) -> Taker:
    pool = factories.a_pool(nodes=0)
    node = factories.a_node(pool, bmc_address="10.4.0.99")
    stand_by(node=node, begins_at=now, ends_at=now + 6 * HOUR, requested_by="system:tests", now=now)
    schedule.standby_due(now=now)
    return switching.take


@pytest.mark.parametrize("a_row", [a_machine, an_enrolment, a_node_to_switch_off])
def test_what_another_worker_took_meanwhile_is_not_the_sleepers(
    a_row: Callable[[Organization, datetime], Taker],
    acme: Organization,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take = a_row(acme, NOON)
    site, others = Site.objects.get(), []
    asleep(monkeypatch, lambda: others.append(take(site=site, now=LATER)))
    assert take(site=site, now=NOON) is None
    assert others != [None]


def is_returned(lease: Lease) -> None:
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=LATER)


def is_paused(lease: Lease) -> None:
    operations.pause(lease=lease, reason="out_of_funds", until=LATER + HOUR, actor="system:billing", now=LATER)


@pytest.mark.parametrize("access_ends", [is_returned, is_paused])
def test_access_ends_at_once_although_a_worker_is_in_the_middle_of_a_long_service(
    access_ends: Callable[[Lease], None], acme: Organization, world: World
) -> None:
    lease = active(acme, factories.an_offer())
    site, machine = lease.offer.pool.site, lease.machines.get()
    operations.service(machine=machine, what="rebuild", actor="user:us_tests", now=NOON)
    busy = provisioning.take(site=site, now=NOON)
    assert busy is not None
    access_ends(lease)
    working.renew(busy)
    other = provisioning.take(site=site, now=LATER)
    assert other is not None
    provisioning.apply(machine=other, outcome=provisioning.act(other, now=LATER), now=LATER)
    with pytest.raises(StaleEpoch):
        provisioning.act(busy, now=LATER)
    assert not provisioning.apply(machine=busy, outcome=None, now=LATER)
    assert lease.machines.get().state in {MachineState.WIPED, MachineState.PAUSED}


def test_a_wiped_machine_does_not_stand_up_again_on_its_host(
    acme: Organization, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = factories.an_offer()
    lease = order(acme, offer)

    def another_worker() -> None:
        work_all(offer, now=LATER)
        operations.end(lease=lease, reason="returned", actor="user:us_tests", now=LATER)
        work_all(offer, now=LATER)

    asleep(monkeypatch, another_worker)
    work_all(offer, now=NOON)
    assert lease.machines.get().state == MachineState.WIPED
    assert world.machines == {}
