"""Staff's commands: a host into stock and on sale, and out again."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.clock import now
from accounts.models import Event, Organization
from leasing.provisioners.fake import World
from marketplace.models import Image, Node, NodeCalendar, NodeType, Offer, Rate
from marketplace.queries import current_rate
from marketplace.states import NodeState
from tests import factories
from tests.factories import PUBLIC_KEY
from tests.leasing import stages
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    factories.a_site("macon")
    factories.a_plan()


def enrol(**changed: Any) -> dict[str, Any]:
    wanted = {
        "name": "macon-cpu-9001",
        "site": "macon",
        "node-type": "cpu-host",
        "cpu-only": True,
        "provisioner": "podman",
        "address": "10.4.0.17",
        "host-key": f"{PUBLIC_KEY} root@host",
        "micros-per-node-hour": "90000",
        **changed,
    }
    options = [f"--{name}" if value is True else f"--{name}={value}" for name, value in wanted.items() if value]
    out = StringIO()
    call_command("enrol_node", *options, stdout=out)
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def test_an_enrolled_host_is_in_stock_and_on_sale() -> None:
    told = enrol()
    node = Node.objects.get(public_id=told["node"])
    offer = Offer.objects.get(public_id=told["offer"])
    assert (node.state, node.address, node.port, node.user) == (NodeState.AVAILABLE, "10.4.0.17", 22, "root")
    assert node.host_key == PUBLIC_KEY
    assert (offer.pool, offer.listed, node.pool.provisioner, node.pool.node_type.gpu_count) == (
        node.pool,
        True,
        "podman",
        0,
    )
    assert current_rate(offer=offer, at=now()).micros_per_node_hour == 90_000
    assert NodeCalendar.objects.filter(node=node).exists()
    assert Event.objects.get(kind="node.enrolled").subject == told["node"]


def test_enrolling_again_changes_nothing() -> None:
    assert enrol() == enrol()
    assert (Node.objects.count(), Rate.objects.count(), Event.objects.filter(kind="node.enrolled").count()) == (1, 1, 1)


def test_a_new_price_is_added_and_the_old_one_stays() -> None:
    enrol()
    enrol(**{"micros-per-node-hour": "120000"})
    assert sorted(Rate.objects.values_list("micros_per_node_hour", flat=True)) == [90_000, 120_000]


def test_an_available_node_can_be_reached_elsewhere_from_now_on() -> None:
    enrol()
    enrol(address="10.4.0.99", port="2222")
    assert Node.objects.values_list("address", "port").get() == ("10.4.0.99", 2222)


def test_a_node_type_with_gpus_is_made_of_the_given_figures() -> None:
    factories.a_node_type()  # brings the GPU model
    enrol(**{"node-type": "h100-sxm-x2", "cpu-only": None, "gpu-model": "h100-sxm", "gpus": "2", "vcpus": "64"})
    made = NodeType.objects.get(slug="h100-sxm-x2")
    assert (made.name, made.gpu_count, made.vcpus, made.gpu_memory_gb) == ("2 × H100 SXM", 2, 64, 160)


def test_an_image_that_the_host_brings_along_can_be_ordered_by_its_name() -> None:
    assert enrol(**{"image-slug": "tenant", "image-reference": "localhost/tenant:latest"})["image"] == "tenant"
    assert Image.objects.get(slug="tenant").reference == "localhost/tenant:latest"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"site": "atlantis"}, "--site: there is no 'atlantis'. There are: macon"),
        ({"cpu-only": None}, "say --gpu-model SLUG or --cpu-only"),
        ({"host-key": "ssh-ed25519 nonsense"}, "not an OpenSSH public key"),
        ({"port": "0"}, "1 to 65535"),
        ({"micros-per-node-hour": "2.49"}, "whole micro-dollars"),
        ({"micros-per-node-hour": None}, "say --micros-per-node-hour"),
        ({"image-slug": "tenant"}, "both --image-slug and --image-reference"),
    ],
)
def test_a_wrong_option_is_named_with_the_way_out(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words.replace("(", r"\(")):
        enrol(**changed)
    assert not Node.objects.exists()


def test_a_retired_node_is_off_sale_and_its_name_is_free_again() -> None:
    first = enrol()
    call_command("retire_node", "--name=macon-cpu-9001", stdout=StringIO())
    gone = Node.objects.get(public_id=first["node"])
    assert (gone.state, Offer.objects.get().listed) == (NodeState.RETIRED, False)
    second = enrol()
    assert second["node"] != first["node"]
    assert (second["offer"], Offer.objects.get().listed) == (first["offer"], True)


def test_a_node_that_somebody_uses_is_not_retired(acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    node = lease.machines.get().node
    with pytest.raises(CommandError, match="End its lease first"):
        call_command("retire_node", f"--name={node.name}")
    stages.give_back(lease, now())
    work_all(lease.offer, now=now())
    call_command("retire_node", f"--name={node.name}", stdout=StringIO())


def test_a_node_that_is_booked_ahead_is_not_retired(acme: Organization) -> None:
    node = stages.scheduled(acme, now()).machines.first()
    assert node is not None
    with pytest.raises(CommandError, match="booked"):
        call_command("retire_node", f"--name={node.node.name}")


def test_a_node_in_use_cannot_be_reached_elsewhere(acme: Organization, world: World) -> None:
    node = stages.active(acme, now()).machines.get().node
    with pytest.raises(CommandError, match="once it is available"):
        enrol(name=node.name, provisioner="fake", address="10.9.9.9", **{"node-type": "h100x8", "cpu-only": None})
