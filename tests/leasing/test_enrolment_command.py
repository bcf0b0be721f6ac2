"""Staff's commands: hosts into stock, one or many, and out again."""

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.clock import now
from accounts.models import Organization
from leasing.models import Enrolment
from leasing.provisioners.base import CredentialsRefused
from leasing.provisioners.fake import World
from marketplace.models import Image, Node, NodeType, Offer
from marketplace.states import NodeState
from tests import factories
from tests.leasing import stages
from tests.leasing.conftest import enrol_all, work_all
from tests.leasing.scripted import Scripted, a_whole

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    factories.a_site("macon")
    factories.a_plan()
    factories.a_node_type()


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the command waits, the sites' workers work."""
    monkeypatch.setattr("leasing.management.commands.enrol.time.sleep", lambda _: enrol_all(now=now()))


def enrol(**changed: Any) -> tuple[list[dict[str, Any]], str]:
    wanted = {
        "name": "macon-h100x8-9001",
        "site": "macon",
        "node-type": "h100x8",
        "address": "10.4.0.17",
        "dollars": "19.20",
        **changed,
    }
    options = [f"--{name}" if value is True else f"--{name}={value}" for name, value in wanted.items() if value]
    out, said = StringIO(), StringIO()
    call_command("enrol", *options, stdout=out, stderr=said)
    return json.loads(out.getvalue()), said.getvalue()


def test_each_step_is_said_as_it_comes_and_the_end_is_json(inspector: Scripted) -> None:
    (told,), said = enrol()
    assert said.splitlines() == [
        "macon-h100x8-9001: reaching, waiting for the site's worker",
        "macon-h100x8-9001: passed",
    ]
    node, offer = Node.objects.get(), Offer.objects.get()
    assert (told["state"], told["node"], told["offer"]) == ("passed", node.public_id, offer.public_id)
    assert (node.state, node.pool.provisioner) == (NodeState.AVAILABLE, "podman")


def test_without_waiting_it_only_asks(inspector: Scripted) -> None:
    (told,), said = enrol(**{"no-wait": True})
    assert (told["state"], told["node"], said) == ("reaching", None, "")


def test_a_host_that_fails_ends_the_command_with_its_sentence(inspector: Scripted) -> None:
    inspector.fail("adopt", CredentialsRefused("10.4.0.17 refuses the operator's key"))
    with pytest.raises(CommandError, match=r"macon-h100x8-9001 is failed\. 10.4.0.17 refuses the operator's key"):
        enrol()
    assert not Node.objects.exists()


def test_the_password_is_read_from_the_input_and_a_key_from_a_file(
    inspector: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("first login\nmore\n"))
    enrol(**{"password-stdin": True})
    assert inspector.heard[0][1][3].password == "first login"
    missing = tmp_path / "id_ed25519"
    with pytest.raises(CommandError, match=r"--key-file: .* cannot be read"):
        enrol(name="second", address="10.4.0.18", **{"key-file": missing})
    missing.write_text("not a key")
    with pytest.raises(CommandError, match="--private-key: This is not a private key"):
        enrol(name="second", address="10.4.0.18", **{"key-file": missing})


def test_many_hosts_come_from_a_file_or_none(inspector: Scripted, tmp_path: Path) -> None:
    file = tmp_path / "hosts.csv"
    file.write_text("site,name,address,node_type,dollars\nmacon,a,10.4.0.17,h100x8,19\nmacon,a,10.4.0.18,h100x8,19\n")
    with pytest.raises(CommandError, match=r"nothing was taken.\nline 3, name: a is being enrolled already"):
        call_command("enrol", f"--csv={file}")
    assert not Enrolment.objects.exists()
    file.write_text(file.read_text().replace("macon,a,10.4.0.18", "macon,b,10.4.0.18"))
    out = StringIO()
    call_command("enrol", f"--csv={file}", stdout=out, stderr=StringIO())
    assert [row["state"] for row in json.loads(out.getvalue())] == ["passed", "passed"]


def test_a_small_type_without_gpus_and_an_image_come_along_with_a_host(inspector: Scripted) -> None:
    figures = {"vcpus": 2, "memory-gb": 1, "nvme-gb": 1, "network-gbps": 1, "power-w": 100}
    small = NodeType(gpu_count=0, vcpus=2, memory_gb=1, nvme_gb=1, network_gbps=1)
    inspector.inventory = a_whole(small)
    image = {"image-slug": "trial", "image-reference": "localhost/tenant:latest", "image-digest": "sha256:1"}
    enrol(**{"node-type": "trial-cpu", **figures, **image})
    made = NodeType.objects.get(slug="trial-cpu")
    assert (made.gpu_model, made.vcpus, Node.objects.get().pool.node_type) == (None, 2, made)
    assert Image.objects.get(slug="trial").reference == "localhost/tenant:latest"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"site": "atlantis"}, "--site: There is no “atlantis”. There are: macon"),
        ({"address": "10.4.0.17:22"}, "--address: Use an IP address"),
        ({"port": "0"}, "--port: Ensure this value is greater than or equal to 1"),
        ({"dollars": None}, "--dollars: There is no price yet"),
        ({"node-type": "h999"}, "--node-type: There is no “h999”. There are: h100x8"),
        ({"image-slug": "trial"}, "both --image-slug and --image-reference"),
        ({"node-type": "new", "vcpus": 2}, "A new node type also needs --memory-gb"),
    ],
)
def test_a_wrong_option_is_named_with_the_way_out(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        enrol(**changed)
    assert not Enrolment.objects.exists()


def test_a_retired_node_is_off_sale_and_its_name_is_free_again(inspector: Scripted) -> None:
    (first,), _ = enrol()
    call_command("retire_node", "--name=macon-h100x8-9001", stdout=StringIO())
    gone = Node.objects.get(public_id=first["node"])
    assert (gone.state, Offer.objects.get().listed) == (NodeState.RETIRED, False)
    (second,), _ = enrol()
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
