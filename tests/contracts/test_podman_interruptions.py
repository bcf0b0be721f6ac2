"""A surplus lease on a real host: announced inside the container, paused for power, and resumed as it was."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from accounts import clock
from leasing import operations
from leasing.models import InterruptionCause, Lease, Machine
from leasing.provisioners.base import Endpoint
from leasing.states import InterruptionState, LeaseState, MachineState
from marketplace.models import Image, NodeType, Offer, PlanKind, Provisioner
from standins.nodes.podman_host import FACTS, podman_host, why_not
from tests import factories
from tests.factories import HOUR
from tests.hosts import Key, PodmanBench, make_key
from tests.leasing.conftest import active
from tests.leasing.interrupted import NOTICE, STAFF, TERMS, pass_to

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]


@pytest.fixture
def podman(tmp_path: Path, settings: LazySettings) -> Iterator[PodmanBench]:
    if reason := why_not():
        pytest.skip(reason)
    operator = make_key(tmp_path, "operator")
    settings.OPERATOR_KEY = operator.path
    with podman_host(identity=Path(operator.path), facts={**FACTS, "gpu_count": 0}) as built:
        yield PodmanBench(tmp_path, built)


def an_offer(podman: PodmanBench) -> Offer:
    """The host as a node in stock, on sale as surplus."""
    built, small = podman.built, {"gpu_count": 0, "vcpus": 2, "memory_gb": 1, "nvme_gb": 1}
    kind = NodeType.objects.create(slug="pair", name="CPU only", cpu="any", network_gbps=1, power_w=100, **small)
    pool = factories.a_pool(nodes=0, provisioner=Provisioner.PODMAN, node_type=kind)
    factories.a_node(pool, address=built.address, port=built.port, host_key=built.host_key)
    image = factories.an_image()
    Image.objects.filter(pk=image.pk).update(reference=built.image, digest=built.image_digest)
    return factories.an_offer(pool, factories.a_plan(PlanKind.SURPLUS, **TERMS))


def endpoint(machine: Machine) -> Endpoint:
    machine.refresh_from_db()
    return Endpoint(host=machine.host, port=machine.port or 22, user=machine.user, host_key=machine.host_key)


def test_a_surplus_lease_is_paused_after_its_notice_and_comes_back_with_data_address_and_keys(
    podman: PodmanBench, ana: Key
) -> None:
    acme, now = factories.an_organization(), clock.now()
    key = factories.a_key(acme)
    key.public_key = " ".join(ana.line.split()[:2])
    key.save()
    lease: Lease = active(acme, an_offer(podman), now=now, starts_at=now)
    machine = Machine.objects.get()
    assert (lease.state, machine.state) == (LeaseState.ACTIVE, MachineState.READY), machine.detail
    before = endpoint(machine)
    podman.write(before, ana, "notes", "kept")
    podman.write(before, ana, "/scratch/model", "weights")

    row = operations.schedule_interruption(
        lease=lease,
        begins_at=now + NOTICE,
        ends_at=now + NOTICE + HOUR,
        cause=InterruptionCause.SHORT,
        requested_by=STAFF,
        now=now,
    )
    pass_to(lease, now)
    assert json.loads(podman.told(before, ana))["interruption"] == row.public_id
    pass_to(lease, now + NOTICE - timedelta(seconds=1))
    assert podman.admits(before, ana)

    pass_to(lease, now + NOTICE)
    row.refresh_from_db()
    assert (lease.state, row.state) == (LeaseState.PAUSED, InterruptionState.PAUSED)
    assert not podman.admits(before, ana)

    operations.power_back(interruption=row, actor=STAFF, now=now + NOTICE + HOUR / 2)
    pass_to(lease, now + NOTICE + HOUR / 2)
    row.refresh_from_db()
    assert (lease.state, row.state) == (LeaseState.ACTIVE, InterruptionState.RESUMED)
    assert endpoint(machine) == before
    assert podman.read(before, ana, "notes") == "kept"
    assert podman.read(before, ana, "/scratch/model") == "weights"
    assert podman.told(before, ana) == ""

    operations.end(lease=lease, reason="returned", actor=STAFF, now=now + 2 * HOUR)
    pass_to(lease, now + 2 * HOUR)
    assert Machine.objects.get().state == MachineState.WIPED
