"""A real Celery worker is killed at each named place; another one finishes the work, and nothing is doubled or lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from accounts import clock
from accounts.models import Organization
from config.celery import app
from leasing import operations, provisioning
from leasing.models import Claim, Lease, Machine, WipeRecord
from leasing.states import LeaseState
from leasing.tasks import work_site
from marketplace.models import Node, Provisioner, Site
from marketplace.queries import current_rate
from marketplace.states import NodeState
from tests import factories
from tests.sandbox_host import sandbox_host

pytestmark = pytest.mark.django_db(transaction=True)

PLACES = ["machine.taken", "machine.acted", "machine.applied"]


@pytest.fixture
def host(tmp_path: Path, settings: LazySettings) -> Iterator[dict[str, str]]:
    """A real node host, known to this process and to the workers that it starts."""
    with sandbox_host(tmp_path) as env:
        for name in ("OPERATOR_KEY", "SANDBOX_ADDRESS", "SANDBOX_HOST_KEY"):
            setattr(settings, name, env[name])
        yield env


def kill_a_worker_at(place: str, host: dict[str, str]) -> None:
    """A Celery worker takes the waiting machine and dies at `place`; then its time as the holder runs out."""
    database = os.environ["DATABASE_URL"].replace("/postgres?", f"/{connection.settings_dict['NAME']}?")
    argv = [sys.executable, "-m", "celery", "--app", "config.celery", "--quiet", "worker", "--pool", "solo"]
    argv += ["--queues", "site.macon", "--without-gossip", "--without-mingle", "--loglevel", "error"]
    work_site.apply_async(kwargs={"site": "macon"}, queue="site.macon")
    process = subprocess.Popen(argv, env=host | {"DATABASE_URL": database, "FAILPOINTS": place})
    try:
        assert process.wait(timeout=60) == -signal.SIGKILL
    finally:
        process.kill()
    app.control.purge()  # the message is lost with its worker: the rows alone must be enough
    Machine.objects.filter(work_until__isnull=False).update(work_until=clock.now() - timedelta(seconds=1))


def work_all() -> None:
    """Another worker comes by."""
    while provisioning.work(site=Site.objects.get(slug="macon")):
        pass


def order(acme: Organization) -> Lease:
    pool = factories.a_pool(provisioner=Provisioner.SANDBOX)
    offer, now = factories.an_offer(pool), clock.now()
    lease = operations.hold(
        organization=acme,
        actor="user:us_tests",
        created_by=None,
        offer=offer,
        rate=current_rate(offer=offer, at=now),
        nodes=1,
        starts_at=now,
        ends_at=None,
        setup=operations.Setup("training", [factories.a_key(acme)], factories.an_image()),
        now=now,
    )
    operations.confirm(lease=lease, actor="user:us_tests", now=now)
    return lease


def state_of(lease: Lease) -> str:
    return Lease.objects.values_list("state", flat=True).get(pk=lease.pk)


def tenancies(host: dict[str, str]) -> list[str]:
    """What is on the node host now."""
    return [path.name for path in Path(host["OPERATOR_KEY"]).parent.glob("nodes/tenancies/*")]


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_killed_while_starting_a_machine_leaves_one_running(place: str, host: dict[str, str]) -> None:
    lease = order(factories.an_organization())
    kill_a_worker_at(place, host)
    work_all()
    assert state_of(lease) == LeaseState.ACTIVE
    assert lease.transitions.filter(new=LeaseState.ACTIVE).count() == 1
    assert tenancies(host) == [Machine.objects.get().public_id]
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=clock.now())
    work_all()
    nothing_is_left(lease, host)


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_killed_while_wiping_leaves_one_proof_and_a_clean_node(place: str, host: dict[str, str]) -> None:
    lease = order(factories.an_organization())
    work_all()
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=clock.now())
    kill_a_worker_at(place, host)
    work_all()
    nothing_is_left(lease, host)


def nothing_is_left(lease: Lease, host: dict[str, str]) -> None:
    assert state_of(lease) == LeaseState.ENDED
    assert WipeRecord.objects.filter(verified=True).count() == 1
    assert Node.objects.get().state == NodeState.AVAILABLE
    assert not Claim.objects.filter(released_at=None).exists()
    assert tenancies(host) == []
