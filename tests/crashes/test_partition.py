"""
A site in a network of its own, with lines to the database and the broker alone, is cut off over the end of a lease:
access ends there on time, nothing is booked or billed twice meanwhile, and all comes to rest once it is back.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db.models import F

from accounts import clock
from accounts.models import Organization
from billing import metering
from billing.invariants import broken
from billing.models import Meter, Usage
from config.celery import app
from leasing import operations
from leasing.models import Lease, Machine, NodeHealth, Outage, WipeRecord
from leasing.provisioners.base import Endpoint
from leasing.states import LeaseState, MachineState
from marketplace.models import Image, Node, NodeType, Offer, Provisioner
from marketplace.money import price
from marketplace.queries import current_rate
from marketplace.states import NodeState
from standins.nodes.podman_host import FACTS, PodmanHost, podman_host, why_not
from tests import factories
from tests.crashes.life import Site, site
from tests.crashes.lines import lines
from tests.factories import HOUR
from tests.hosts import Key, PodmanBench, make_key
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
LEFT = timedelta(seconds=20)  # of the lease when the site is cut off


@pytest.fixture
def host(tmp_path: Path, settings: LazySettings) -> Iterator[PodmanHost]:
    if reason := why_not():
        pytest.skip(reason)
    app.control.purge()
    operator = make_key(tmp_path, "operator")
    settings.OPERATOR_KEY = operator.path
    with podman_host(identity=Path(operator.path), facts={**FACTS, "gpu_count": 0}) as built:
        yield built


@pytest.fixture
def ana(tmp_path: Path) -> Key:
    return make_key(tmp_path, "ana")


def an_offer(host: PodmanHost) -> Offer:
    """The host as a node in stock, and on sale."""
    kind = NodeType.objects.create(
        slug="pair",
        name="CPU only",
        gpu_count=0,
        cpu="any",
        vcpus=2,
        memory_gb=1,
        nvme_gb=1,
        network_gbps=1,
        power_w=100,
    )
    pool = factories.a_pool(nodes=0, provisioner=Provisioner.PODMAN, node_type=kind)
    factories.a_node(pool, address=host.address, port=host.port, host_key=host.host_key)
    return factories.an_offer(pool)


def order(acme: Organization, offer: Offer, host: PodmanHost, ana: Key) -> Lease:
    now, key = clock.now(), factories.a_key(acme)
    key.public_key = " ".join(ana.line.split()[:2])
    key.save()
    known = {
        "name": "Tenant",
        "reference": host.image,
        "digest": host.image_digest,
        "size_mb": 20,
        "contents": "A shell.",
    }
    image, _ = Image.objects.get_or_create(slug="tenant", defaults=known)
    rate = current_rate(offer=offer, at=now)
    lease = operations.hold(
        organization=acme, actor="user:us_tests", created_by=None, offer=offer, rate=rate, nodes=1,
        starts_at=now, ends_at=now + HOUR, setup=operations.Setup("training", [key], image), now=now,
    )  # fmt: skip
    micros = rate.micros_per_node_hour
    Meter.objects.create(lease=lease, micros_per_node_hour=micros, nodes=1, hold_micros=micros)
    operations.confirm(lease=lease, actor="user:us_tests", now=now)
    return lease


def the_machine() -> Machine:
    return Machine.objects.select_related("lease").get()


def the_lease() -> Lease:
    return Lease.objects.select_related("organization").get()


def shorten(at: Site) -> None:
    """The lease shall end soon, and its host has heard so."""
    Lease.objects.update(ends_at=clock.now() + LEFT, setup_version=F("setup_version") + 1)
    at.wait(lambda: the_machine().setup_applied == the_lease().setup_version, "the new end on the host")
    at.wait(lambda: the_machine().state == MachineState.READY, "a ready machine")


def test_a_site_that_is_cut_off_over_the_end_of_a_lease(host: PodmanHost, ana: Key, tmp_path: Path) -> None:
    offer = an_offer(host)
    inside = ["nsenter", f"--net=/run/netns/{host.name}"]
    customer = PodmanBench(tmp_path, host)
    with lines(host.gateway) as env, site(env | {"OPERATOR_KEY": host.identity}, inside=inside) as at:
        lease = order(factories.an_organization(), offer, host, ana)
        at.wait(lambda: the_lease().state == LeaseState.ACTIVE, "an active lease")
        machine = the_machine()
        endpoint = Endpoint(host=machine.host, port=machine.port or 0, user=machine.user, host_key=machine.host_key)
        assert customer.admits(endpoint, ana)
        at.wait(lambda: NodeHealth.objects.filter(cause="", good_looks__gte=1).exists(), "a good look")
        shorten(at)

        host.cut_off()
        assert customer.admits(endpoint, ana, inside=inside)
        at.wait(lambda: the_lease().state == LeaseState.RECLAIMING, "the end of the lease")
        until(
            lambda: not customer.admits(endpoint, ana, inside=inside), seconds=10, what="the end of access at the site"
        )
        assert the_machine().access_ended_at is None  # nobody could tell the host
        with pytest.raises(operations.NodesTaken):
            order(factories.an_organization("Somebody Else"), offer, host, ana)
        charged = charge(lease)
        assert charge(lease) == charged

        host.join_again()
        at.wait(lambda: Node.objects.get().state == NodeState.AVAILABLE, "the node back in stock")
        at.wait(lambda: the_lease().state == LeaseState.ENDED, "the lease at rest")
    assert charge(lease) == charged
    assert WipeRecord.objects.filter(verified=True).count() == 1
    assert not Outage.objects.exists()  # a site that is cut off serves its tenants
    assert list(broken(now=clock.now())) == []


def charge(lease: Lease) -> int:
    """What the lease has been charged, after another turn of the meter: its active seconds, once."""
    now = clock.now()
    metering.meter(lease=the_lease(), upto=now, now=now)
    spells = {row.new: row.at for row in lease.transitions.all()}
    ended = min(spells[LeaseState.RECLAIMING], the_lease().ends_at or now)
    seconds = int((ended - spells[LeaseState.ACTIVE]).total_seconds())
    charged = sum(Usage.objects.values_list("micros", flat=True))
    assert charged == price(micros_per_node_hour=factories.MICROS_PER_NODE_HOUR, seconds=seconds)
    return charged
