"""
A site's processes are killed at every registered failpoint, once each, in a whole life of a node. New processes finish
the work, and what must always hold holds.

A failpoint that is registered anywhere is visited without a new test; one that no life passes fails its test. Those of
commands for power have a life of their own, `test_killed_commands`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from accounts import clock, failpoints, seal
from accounts.models import Organization
from billing.invariants import broken
from config.celery import app
from leasing import containing, enrolling, operations, provisioning, watching
from leasing.hosts import host_of
from leasing.models import Claim, Lease, Machine, NodeHealth, WipeRecord
from leasing.operations.asked import Asked
from leasing.operations.enrolment import request
from leasing.power import BMC_PURPOSE
from leasing.provisioners.sandbox.command import command
from leasing.states import LeaseState, MachineState
from marketplace.models import Node, Offer, Provisioner
from marketplace.queries import current_rate
from marketplace.states import NodeState
from tests import factories
from tests.crashes.life import Site, site
from tests.crashes.test_killed_commands import PREFIXES
from tests.redfish import BMC, PASSWORD, USER, running
from tests.sandbox_host import sandbox_host

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
assert containing and enrolling and provisioning and watching  # they register the failpoints
PLACES = sorted(place for place in failpoints.REGISTERED if not place.startswith(PREFIXES))


@pytest.fixture
def host(tmp_path: Path, settings: LazySettings) -> Iterator[dict[str, str]]:
    """A real node host, known to this process and to the site's."""
    app.control.purge()
    with sandbox_host(tmp_path) as env:
        for name in ("OPERATOR_KEY", "SANDBOX_ADDRESS", "SANDBOX_HOST_KEY"):
            setattr(settings, name, env[name])
        yield env


def live(at: Site, acme: Organization, bmc: BMC) -> Lease:
    """A life, whatever is killed meanwhile: enrolled, leased, looked at, serviced, silent when returned, wiped."""
    enrol()
    at.wait(lambda: Node.objects.filter(state=NodeState.AVAILABLE).exists(), "a node in stock")
    lease = order(acme)
    at.wait(lambda: the_machine().state == MachineState.READY, "a ready machine")
    at.wait(lambda: NodeHealth.objects.filter(cause="", good_looks__gte=1).exists(), "a good look")
    operations.service(machine=the_machine(), what="power_cycle", actor="user:us_tests", now=clock.now())
    at.wait(lambda: the_machine().state == MachineState.READY, "the end of the power cycle")
    password = seal.seal(PASSWORD, purpose=BMC_PURPOSE)
    Node.objects.update(bmc_address=bmc.address, bmc_user=USER, bmc_password=password)
    breaks("silence")
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=clock.now())
    Machine.objects.update(deadline=clock.now())
    at.wait(lambda: the_machine().contained_at, "a node without power")
    breaks("mend")
    operations.wipe_again(machine=the_machine(), actor="user:us_tests", now=clock.now())
    at.wait(lambda: Node.objects.get().state == NodeState.AVAILABLE, "the node back in stock")
    assert bmc.said() == ["ForceOff", "On"]
    return lease


def enrol() -> None:
    kind = factories.a_node_type()
    asked = Asked(
        site=factories.a_site(),
        name="macon-h100x8-1",
        provisioner=Provisioner.SANDBOX,
        plan=factories.a_plan(),
        node_type=kind,
        micros_per_node_hour=factories.MICROS_PER_NODE_HOUR,
    )
    request(asked=asked, actor="user:us_staff", now=clock.now())


def order(acme: Organization) -> Lease:
    offer, now = Offer.objects.get(), clock.now()
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
    return Machine.objects.select_related("lease__organization", "lease__offer__plan", "node").get()


def breaks(what: str) -> None:
    """See `standins.nodes.faults`."""
    command(host_of(Node.objects.get()), "break", what=what)


@pytest.mark.parametrize("place", PLACES)
def test_a_site_killed_at_any_failpoint_goes_on_and_nothing_is_doubled_or_lost(
    place: str, host: dict[str, str], tmp_path: Path
) -> None:
    with running(tmp_path / "bmc") as bmc, site(host, place) as at:
        lease = live(at, factories.an_organization(), bmc)
        assert at.died >= 1, f"no life passes {place}"
    assert list(broken(now=clock.now())) == []
    lease.refresh_from_db()
    assert lease.state == LeaseState.ENDED
    assert lease.transitions.filter(new=LeaseState.ACTIVE).count() == 1
    assert WipeRecord.objects.filter(verified=True).count() == 1
    assert not Claim.objects.filter(released_at=None).exists()
    assert list(Path(host["OPERATOR_KEY"]).parent.glob("nodes/tenancies/*")) == []
