"""
A site's processes are killed at every registered failpoint, once each, in a whole life of a node: lease, looks,
break-fix, changed keys, return, wipe; or in that of one which is lost at its return. New processes finish the work, and
what must always hold holds.

A failpoint that is registered anywhere is visited without a new test; one that no life passes fails its test.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db.models import F

from accounts import clock, failpoints, seal
from accounts.models import Organization
from billing.invariants import broken
from config.celery import app
from leasing import containing, operations, provisioning, watching
from leasing.hosts import host_of
from leasing.models import Claim, Lease, Machine, NodeHealth, WipeRecord
from leasing.power import BMC_PURPOSE
from leasing.provisioners.sandbox.command import command
from leasing.states import LeaseState, MachineState
from marketplace.models import Node, Provisioner
from marketplace.queries import current_rate
from marketplace.states import NodeState
from tests import factories
from tests.crashes.life import Site, site
from tests.redfish import BMC, PASSWORD, USER, running
from tests.sandbox_host import sandbox_host

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
assert containing
assert provisioning
assert watching


@pytest.fixture
def host(tmp_path: Path, settings: LazySettings) -> Iterator[dict[str, str]]:
    """A real node host, known to this process and to the site's."""
    app.control.purge()
    with sandbox_host(tmp_path) as env:
        for name in ("OPERATOR_KEY", "SANDBOX_ADDRESS", "SANDBOX_HOST_KEY"):
            setattr(settings, name, env[name])
        yield env


def order(acme: Organization) -> Lease:
    offer, now = factories.an_offer(factories.a_pool(provisioner=Provisioner.SANDBOX)), clock.now()
    lease = operations.hold(
        organization=acme,
        actor="user:us_tests",
        created_by=None,
        offer=offer,
        rate=current_rate(offer=offer, at=now),
        nodes=1,
        starts_at=now,
        ends_at=None,
        setup=operations.Setup("training", [factories.a_key(acme)], factories.an_image(), "echo run >> runs\n"),
        now=now,
    )
    operations.confirm(lease=lease, actor="user:us_tests", now=now)
    return lease


def the_machine() -> Machine:
    return Machine.objects.select_related("lease__organization").get()


def live(at: Site, lease: Lease) -> None:
    """From the order to the node's return to stock, whatever is killed meanwhile."""
    at.wait(lambda: the_machine().state == MachineState.READY, "a ready machine")
    at.wait(lambda: NodeHealth.objects.filter(cause="", good_looks__gte=1).exists(), "a good look")
    operations.service(machine=the_machine(), what="power_cycle", actor="user:us_tests", now=clock.now())
    at.wait(lambda: the_machine().state == MachineState.READY, "the end of the power cycle")
    Lease.objects.update(setup_version=F("setup_version") + 1)
    at.wait(lambda: the_machine().setup_applied == Lease.objects.get().setup_version, "the new setup on the host")
    at.wait(lambda: the_machine().state == MachineState.READY, "a ready machine again")
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=clock.now())
    at.wait(lambda: Node.objects.get().state == NodeState.AVAILABLE, "the node back in stock")


def be_lost(at: Site, lease: Lease, bmc: BMC) -> None:
    """From the order to a host that is silent when its lease ends, loses its power, and is wiped in the end."""
    at.wait(lambda: the_machine().state == MachineState.READY, "a ready machine")
    password = seal.seal(PASSWORD, purpose=BMC_PURPOSE)
    Node.objects.update(bmc_address=bmc.address, bmc_user=USER, bmc_password=password)
    command(host_of(the_machine().node), "break", what="silence")
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=clock.now())
    Machine.objects.update(deadline=clock.now())
    at.wait(lambda: the_machine().contained_at, "a node without power")
    command(host_of(the_machine().node), "break", what="mend")
    operations.wipe_again(machine=the_machine(), actor="user:us_staff", now=clock.now())
    at.wait(lambda: Node.objects.get().state == NodeState.AVAILABLE, "the node back in stock")
    assert bmc.said() == ["ForceOff", "On"]


@pytest.mark.parametrize("place", sorted(failpoints.REGISTERED))
def test_a_site_killed_at_any_failpoint_goes_on_and_nothing_is_doubled_or_lost(
    place: str, host: dict[str, str], tmp_path: Path
) -> None:
    lease = order(factories.an_organization())
    with site(host, place) as at:
        if place.startswith("containment."):
            with running(tmp_path / "bmc") as bmc:
                be_lost(at, lease, bmc)
        else:
            live(at, lease)
        assert at.died >= 1, f"no life passes {place}"
    assert list(broken(now=clock.now())) == []
    lease.refresh_from_db()
    assert lease.state == LeaseState.ENDED
    assert lease.transitions.filter(new=LeaseState.ACTIVE).count() == 1
    assert WipeRecord.objects.filter(verified=True).count() == 1
    assert not Claim.objects.filter(released_at=None).exists()
    assert list(Path(host["OPERATOR_KEY"]).parent.glob("nodes/tenancies/*")) == []
