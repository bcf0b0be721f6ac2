"""A real worker is stopped in the middle of its work, as when a machine sleeps, and wakes when it is done."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from accounts import clock
from accounts.models import Organization
from billing.invariants import broken
from config.celery import app
from leasing import operations, provisioning
from leasing.models import Lease, Machine, WipeRecord
from leasing.provisioners.base import StaleEpoch
from leasing.provisioners.fake import World
from leasing.states import LeaseState, MachineState
from marketplace.models import Node, Provisioner, Site
from marketplace.queries import current_rate
from marketplace.states import NodeState
from tests import factories
from tests.crashes.life import Site as Processes
from tests.crashes.life import site
from tests.factories import NOON
from tests.leasing.conftest import order as an_order
from tests.sandbox_host import sandbox_host
from tests.waiting import until


@pytest.fixture
def host(tmp_path: Path, settings: LazySettings) -> Iterator[dict[str, str]]:
    app.control.purge()
    with sandbox_host(tmp_path) as env:
        for name in ("OPERATOR_KEY", "SANDBOX_ADDRESS", "SANDBOX_HOST_KEY"):
            setattr(settings, name, env[name])
        yield env


def order(acme: Organization) -> Lease:
    offer, now = factories.an_offer(factories.a_pool(provisioner=Provisioner.SANDBOX)), clock.now()
    lease = operations.hold(
        organization=acme, actor="user:us_tests", created_by=None, offer=offer,
        rate=current_rate(offer=offer, at=now), nodes=1, starts_at=now, ends_at=None,
        setup=operations.Setup("training", [factories.a_key(acme)], factories.an_image()), now=now,
    )  # fmt: skip
    operations.confirm(lease=lease, actor="user:us_tests", now=now)
    return lease


def stop_in_the_middle(at: Processes) -> Machine:
    """The worker holds the machine, and sleeps."""
    at.wait(lambda: Machine.objects.exclude(work_until=None).exists(), "a machine that the worker holds")
    at.processes["worker"].send_signal(signal.SIGSTOP)
    held = Machine.objects.get()
    assert held.state in {MachineState.PREPARING, MachineState.WIPING}, "it was quicker than we: nothing is shown"
    return held


def another_worker() -> None:
    """The sleeper's time as the holder is over; somebody else does the work."""
    past = clock.now() - timedelta(seconds=1)
    Machine.objects.filter(work_until__isnull=False).update(work_until=past, next_attempt_at=past)
    while provisioning.work(site=Site.objects.get(slug="macon")):
        pass


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_slept_while_it_started_a_machine_changes_nothing_when_it_wakes(host: dict[str, str]) -> None:
    with site(host) as at:
        lease = order(factories.an_organization())
        held = stop_in_the_middle(at)
        another_worker()
        before = Machine.objects.get()
        assert (before.state, before.work_epoch) == (MachineState.READY, held.work_epoch + 1)
        operations.end(lease=lease, reason="returned", actor="user:us_tests", now=clock.now())
        another_worker()
        at.processes["worker"].send_signal(signal.SIGCONT)
        follow = order_again()
        at.wait(lambda: Lease.objects.get(pk=follow.pk).state == LeaseState.ACTIVE, "work that the woken worker did")
    lease.refresh_from_db()
    assert lease.state == LeaseState.ENDED
    assert WipeRecord.objects.filter(machine=held, verified=True).count() == 1
    tenancies = Path(host["OPERATOR_KEY"]).parent.glob("nodes/tenancies/*")
    assert [path.name for path in tenancies] == [follow.machines.get().public_id]
    assert list(broken(now=clock.now())) == []


def order_again() -> Lease:
    """The node is back in stock, and the next tenant takes it."""
    until(lambda: Node.objects.get().state == NodeState.AVAILABLE, what="the node back in stock")
    return order(Organization.objects.get())


@pytest.mark.django_db
def test_hosts_obey_the_newest_database_and_no_older_one_whatever_its_epochs(
    world: World, acme: Organization, settings: LazySettings
) -> None:
    an_order(acme, factories.an_offer())
    machine = provisioning.take(site=Site.objects.get(slug="macon"), now=NOON)
    assert machine is not None
    settings.GENERATION = 2  # the database was restored: its epochs begin again where they were
    provisioning.act(machine, now=NOON)
    settings.GENERATION = 1  # a worker of the lost one is still alive, with an epoch that the new one has not reached
    machine.work_epoch += 1000
    with pytest.raises(StaleEpoch):
        provisioning.act(machine, now=NOON)
