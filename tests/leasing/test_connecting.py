"""Files with which a lease's machines are used, each read by its tool, or by what that tool reads it with."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from accounts.models import Organization
from leasing import operations, schedule
from leasing.connecting import NAMES, NotInHands, files_of
from leasing.hosts import tenancy_of
from leasing.models import Lease, Machine
from leasing.operations.setup import sealed
from leasing.provisioners.base import Peer
from leasing.provisioners.fake import World
from leasing.queries import leases_of
from leasing.states import MachineState
from marketplace.models import Node
from tests import factories
from tests.factories import NOON
from tests.leasing import stages
from tests.leasing.conftest import work_all
from tests.leasing.test_swapping import DOWN, down

pytestmark = pytest.mark.django_db
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


@pytest.fixture
def lease(acme: Organization, world: World) -> Lease:
    """Two nodes with eight GPUs each."""
    pool = factories.a_pool(nodes=0)
    for address in ADDRESSES[:2]:
        factories.a_node(pool, address=address)
    offer = stages.an_offer(NOON, nodes=0)
    made = stages.ordered(acme, offer, NOON, nodes=2, name="Fine-tune, run 4!")
    work_all(offer, now=NOON)
    return leases_of(acme).get(pk=made.pk)


def text_of(lease: Lease, name: str) -> str:
    return next(file.text for file in files_of(lease) if file.name == name)


def test_ssh_reads_the_entries_and_pins_the_host_keys(lease: Lease, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(text_of(lease, "ssh_config"))
    for machine in lease.machines.all():
        said = subprocess.run(
            ["ssh", "-G", "-F", str(config), machine.hostname], capture_output=True, text=True, check=True
        ).stdout
        read = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
        assert (read["hostname"], read["port"], read["user"]) == (machine.host, str(machine.port), machine.user)
        assert (read["hostkeyalias"], read["stricthostkeychecking"]) == (machine.public_id.lower(), "true")
        assert read["userknownhostsfile"].endswith(".ssh/fine-tune-run-4.known_hosts")


def test_ssh_keygen_finds_each_key_in_the_known_hosts_by_alias_and_by_address(lease: Lease, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(text_of(lease, "known_hosts"))
    for machine in lease.machines.all():
        for name in (machine.public_id.lower(), f"[{machine.host}]:{machine.port}"):
            argv = ["ssh-keygen", "-F", name, "-f", str(known)]
            found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
            assert machine.host_key in found


def test_the_ansible_inventory_names_hosts_ports_and_pins(lease: Lease, tmp_path: Path) -> None:
    text = text_of(lease, "inventory.yaml")
    group = yaml.safe_load(text)["lease_fine_tune_run_4"]
    assert {
        name: (of["ansible_host"], of["ansible_port"], of["host_key_alias"]) for name, of in group["hosts"].items()
    } == {row.hostname: (row.host, row.port, row.public_id.lower()) for row in lease.machines.all()}
    assert "-o HostKeyAlias={{ host_key_alias }}" in group["vars"]["ansible_ssh_common_args"]
    if shutil.which("ansible-inventory"):
        (tmp_path / "inventory.yaml").write_text(text)
        argv = ["ansible-inventory", "-i", str(tmp_path / "inventory.yaml"), "--list"]
        listed = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
        assert set(listed["_meta"]["hostvars"]) == {"fine-tune-run-4-1", "fine-tune-run-4-2"}


def test_the_skypilot_pool_holds_the_names_that_ssh_knows(lease: Lease) -> None:
    assert yaml.safe_load(text_of(lease, "ssh_node_pools.yaml")) == {
        "fine-tune-run-4": {"hosts": ["fine-tune-run-4-1", "fine-tune-run-4-2"]}
    }


def test_the_dstack_fleet_holds_addresses_and_ports(lease: Lease) -> None:
    first, second = lease.machines.all()
    assert yaml.safe_load(text_of(lease, "fleet.dstack.yml")) == {
        "type": "fleet",
        "name": "fine-tune-run-4",
        "placement": "cluster",
        "ssh_config": {
            "user": first.user,
            "identity_file": "~/.ssh/id_ed25519",
            "hosts": [{"hostname": m.host, "port": m.port} for m in (first, second)],
        },
    }


@pytest.mark.parametrize(("hostname", "rank"), [("fine-tune-run-4-1", "0"), ("fine-tune-run-4-2", "1"), ("else", "")])
def test_a_shell_reads_what_torchrun_needs_on_each_machine(
    lease: Lease, tmp_path: Path, hostname: str, rank: str
) -> None:
    (tmp_path / "torchrun.env").write_text(text_of(lease, "torchrun.env"))
    script = f"hostname() {{ echo {hostname}; }}; . ./torchrun.env; env | grep ^PET_ | sort"
    done = subprocess.run(["sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    read = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert read.pop("PET_NODE_RANK", "") == rank
    assert ("Not a machine of this lease" in done.stderr) == (rank == "")
    assert read == {
        "PET_NNODES": "2",
        "PET_NPROC_PER_NODE": "8",
        "PET_RDZV_BACKEND": "static",
        "PET_RDZV_ENDPOINT": "fine-tune-run-4-1:29500",
        "PET_RDZV_ID": lease.public_id,
    }


def test_nothing_secret_is_in_any_file(acme: Organization, world: World) -> None:
    offer = stages.an_offer(NOON)
    made = stages.ordered(acme, offer, NOON, startup_script="echo hush-hush")
    Lease.objects.update(environment=sealed({"TOKEN": "hush-hush"}), environment_names=["TOKEN"])
    work_all(offer, now=NOON)
    texts = [file.text for file in files_of(leases_of(acme).get(pk=made.pk))]
    assert len(texts) == len(NAMES)
    assert not any("hush-hush" in text or "PRIVATE" in text or "TOKEN" in text for text in texts)


def test_there_are_no_files_of_a_lease_that_nobody_is_on(acme: Organization, world: World) -> None:
    made = stages.ordered(acme, stages.an_offer(NOON), NOON)
    with pytest.raises(NotInHands):
        files_of(leases_of(acme).get(pk=made.pk))


def test_a_lease_that_is_renamed_keeps_the_names_of_its_machines(lease: Lease, acme: Organization) -> None:
    operations.rename(lease=lease, name="another", actor="user:us_1", now=NOON)
    assert [row.hostname for row in leases_of(acme).get().machines.all()] == ["fine-tune-run-4-1", "fine-tune-run-4-2"]


def test_a_machine_that_takes_the_place_of_another_keeps_its_name_and_its_siblings_hear_of_it(
    acme: Organization, world: World
) -> None:
    failed = down(acme, nodes=2)
    sibling = failed.lease.machines.exclude(pk=failed.pk).get()
    made = operations.swap(machine=failed, actor="user:us_ana", now=DOWN)
    Node.objects.filter(pk=made.node_id).update(address="10.0.0.9")
    assert made.hostname == failed.hostname
    schedule.refresh_machines(now=DOWN)
    sibling.refresh_from_db()
    assert (sibling.state, sibling.service) == (MachineState.SERVICING, "refresh")
    work_all(failed.lease.offer, now=DOWN)
    assert world.machines[sibling.public_id].peers == {made.hostname: Peer(made.number, "10.0.0.9")}
    assert world.machines[made.public_id].peers == {sibling.hostname: Peer(sibling.number, "10.0.0.1")}


def test_the_machines_of_a_lease_are_told_each_others_addresses(lease: Lease, world: World) -> None:
    first, second = lease.machines.all()
    assert world.machines[first.public_id].peers == {second.hostname: Peer(2, "10.0.0.2")}
    assert world.machines[second.public_id].peers == {first.hostname: Peer(1, "10.0.0.1")}
    assert tenancy_of(Machine.objects.get(pk=first.pk), now=NOON).label == "fine-tune-run-4-1"
