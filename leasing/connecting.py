"""
Files with which a lease's machines are used at once: for SSH, Ansible, SkyPilot, dstack and torchrun. One renderer
each, from addresses and public host keys alone: nothing in them is secret, and none is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from leasing.models import Lease, Machine
from leasing.states import IN_HANDS

RENDEZVOUS_PORT = 29500  # torchrun's own choice
NETWORK = "lease0"  # a machine's interface to its siblings; a simulated node has none
SSH_PORT = 22


@dataclass(frozen=True)
class File:
    """A file as it is offered: its name in addresses, where it belongs and what it does, in words, and its text."""

    name: str
    title: str
    purpose: str
    text: str


class NotInHands(Exception):
    """No machine of the lease is in its tenant's hands: there is nothing to connect to."""


Renderer = Callable[[Lease, Sequence[Machine]], str]


def files_of(lease: Lease) -> list[File]:
    """
    Every file of the lease, for the machines that are in its tenant's hands, by their numbers. Needs them prefetched.

    :raises NotInHands: if there is none, or the lease is not active
    """
    ready = sorted((row for row in lease.machines.all() if row.state in IN_HANDS), key=lambda row: row.number)
    if not ready or not lease.in_hands:
        raise NotInHands
    return [File(name, title, purpose.format(lease=lease), make(lease, ready)) for name, title, purpose, make in KINDS]


def known_hosts(lease: Lease, machines: Sequence[Machine]) -> str:
    """The host keys, by the alias that `ssh_config` gives each machine and by its address: sshd(8), SSH_KNOWN_HOSTS."""
    return "".join(f"{_alias(machine)},{_place(machine)} {machine.host_key}\n" for machine in machines)


def ssh_config(lease: Lease, machines: Sequence[Machine]) -> str:
    """An entry for each machine that trusts its own host key and no other: ssh_config(5)."""
    return "\n".join(
        f"Host {_names(machine)}\n"
        f"  HostName {machine.host}\n"
        f"  Port {machine.port}\n"
        f"  User {machine.user}\n"
        f"  HostKeyAlias {_alias(machine)}\n"
        f"  UserKnownHostsFile ~/.ssh/{lease.slug}.known_hosts\n"
        "  StrictHostKeyChecking yes\n"
        for machine in machines
    )


def ansible_inventory(lease: Lease, machines: Sequence[Machine]) -> str:
    """
    A YAML inventory with one group.

    https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html: `ansible_host`, `ansible_port`,
    `ansible_user` and `ansible_ssh_common_args`; a group's name has no hyphens.
    """
    pins = f"-o HostKeyAlias={{{{ host_key_alias }}}} -o UserKnownHostsFile=~/.ssh/{lease.slug}.known_hosts"
    hosts = {
        machine.hostname: {
            "ansible_host": machine.host,
            "ansible_port": machine.port,
            "ansible_user": machine.user,
            "host_key_alias": _alias(machine),
        }
        for machine in machines
    }
    group = {"hosts": hosts, "vars": {"ansible_ssh_common_args": f"{pins} -o StrictHostKeyChecking=yes"}}
    return _yaml({f"lease_{lease.slug}".replace("-", "_"): group})


def skypilot_pool(lease: Lease, machines: Sequence[Machine]) -> str:
    """
    An SSH node pool of names that `ssh` knows from `ssh_config`, since a pool has no place for ports.

    https://docs.skypilot.co/en/latest/reservations/existing-machines.html: `<pool>: hosts: [name in ~/.ssh/config]`.
    """
    return _yaml({lease.slug: {"hosts": [machine.hostname for machine in machines]}})


def dstack_fleet(lease: Lease, machines: Sequence[Machine]) -> str:
    """
    An SSH fleet. dstack runs its own containers, so the image must be able to run Docker.

    https://dstack.ai/docs/reference/dstack.yml/fleet/#ssh_config: `user`, `identity_file`, and `hosts` with `hostname`
    and `port`; `placement: cluster` where the nodes work together.
    """
    hosts = [{"hostname": machine.host, "port": machine.port} for machine in machines]
    login = {"user": machines[0].user, "identity_file": "~/.ssh/id_ed25519", "hosts": hosts}
    together = {"placement": "cluster"} if len(machines) > 1 else {}
    return _yaml({"type": "fleet", "name": lease.slug, **together, "ssh_config": login})


def torchrun(lease: Lease, machines: Sequence[Machine]) -> str:
    """
    What `torchrun` reads from the environment, the same file for every machine, and the command line of each.

    https://docs.pytorch.org/docs/stable/elastic/run.html for the options; torch.distributed.argparse_util reads each
    from PET_<OPTION>. With the static rendezvous ranks follow the machines' numbers. Gloo and NCCL are told which
    interface leads to the siblings, for they tell the siblings its address: their own first guess is another one.
    """
    gpus = lease.offer.pool.node_type.gpu_count or 1
    numbers = range(1, lease.node_count + 1)
    endpoint = f"{lease.slug}-1:{RENDEZVOUS_PORT}"
    ranks = "".join(f"  {lease.slug}-{n}) export PET_NODE_RANK={n - 1} ;;\n" for n in numbers)
    commands = "".join(
        f"# {lease.slug}-{n}: torchrun --nnodes={lease.node_count} --node-rank={n - 1} --nproc-per-node={gpus} "
        f"--rdzv-backend=static --rdzv-endpoint={endpoint} --rdzv-id={lease.public_id} train.py\n"
        for n in numbers
    )
    return (
        f"export PET_NNODES={lease.node_count}\n"
        f"export PET_NPROC_PER_NODE={gpus}\n"
        "export PET_RDZV_BACKEND=static\n"
        f"export PET_RDZV_ENDPOINT={endpoint}\n"
        f"export PET_RDZV_ID={lease.public_id}\n"
        f"[ ! -e /sys/class/net/{NETWORK} ] || export GLOO_SOCKET_IFNAME={NETWORK} NCCL_SOCKET_IFNAME={NETWORK}\n"
        'case "$(hostname)" in\n'
        f"{ranks}"
        '  *) echo "Not a machine of this lease: set PET_NODE_RANK yourself." >&2 ;;\n'
        "esac\n"
        f"\n# Or, without this file, on each machine:\n{commands}"
    )


KINDS: tuple[tuple[str, str, str, Renderer], ...] = (
    (
        "known_hosts",
        "Host keys",
        "Keep it as ~/.ssh/{lease.slug}.known_hosts: the next ones trust these keys and nobody else.",
        known_hosts,
    ),
    (
        "ssh_config",
        "SSH names",
        "Part of ~/.ssh/config. Then “ssh {lease.slug}-1” logs in; scp, rsync and editors know the names too.",
        ssh_config,
    ),
    (
        "inventory.yaml",
        "Ansible inventory",
        "For “ansible-playbook -i inventory.yaml”.",
        ansible_inventory,
    ),
    (
        "ssh_node_pools.yaml",
        "SkyPilot node pool",
        "Part of ~/.sky/ssh_node_pools.yaml, for “sky ssh up”. It uses the SSH names.",
        skypilot_pool,
    ),
    (
        "fleet.dstack.yml",
        "dstack fleet",
        "For “dstack apply -f fleet.dstack.yml”; name your private key in it. The image must run Docker.",
        dstack_fleet,
    ),
    (
        "torchrun.env",
        "torchrun",
        "On each machine: “. ./torchrun.env && torchrun train.py”.",
        torchrun,
    ),
)
NAMES = tuple(name for name, *_ in KINDS)


def _names(machine: Machine) -> str:
    """The first machine is reached by the lease's name alone, too."""
    return f"{machine.hostname} {machine.lease.slug}" if machine.number == 1 else machine.hostname


def _alias(machine: Machine) -> str:
    """Another one for each tenant's host key. SSH compares aliases in lower case."""
    return machine.public_id.lower()


def _place(machine: Machine) -> str:
    return machine.host if machine.port == SSH_PORT else f"[{machine.host}]:{machine.port}"


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=200)
