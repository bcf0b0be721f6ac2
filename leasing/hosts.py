"""Rows in the words of provisioners: where a machine's host is, what its tenant is to find there, what it has."""

import json
from datetime import datetime

from django.conf import settings

from accounts.seal import Unsealable, unseal
from leasing.inspection.inventory import Inventory
from leasing.inspection.matching import differences_between, gpu_differences
from leasing.models import ENVIRONMENT_PURPOSE, Inspection, Lease, Machine
from leasing.provisioners.base import Check, Host, HostUnfit, Peer, Tenancy
from leasing.queries.interruptions import for_host
from leasing.states import SERVING
from marketplace.measures import counted
from marketplace.models import Node


def fence_of(machine: Machine) -> int:
    """By this number the host tells a command from an older one: the generation of this database, then the epoch."""
    return settings.GENERATION * 2**32 + machine.work_epoch


def host_of(node: Node) -> Host:
    """Where a node's host is reached, and what its node type promises."""
    kind = node.pool.node_type
    address, port, host_key = node.address, node.port, node.host_key
    if node.pool.simulated:  # every sandbox node lives on the one built-in host
        address, _, text = settings.SANDBOX_ADDRESS.rpartition(":")
        port, host_key = int(text), settings.SANDBOX_HOST_KEY
    gpu = kind.gpu_model
    facts = {
        "gpu_model": gpu.name if gpu else None,
        "gpu_count": kind.gpu_count,
        "gpu_memory_gb": gpu.memory_gb if gpu else 0,
        "vcpus": kind.vcpus,
        "memory_gb": kind.memory_gb,
        "nvme_gb": kind.nvme_gb,
    }
    return Host(
        node_id=node.public_id,
        provisioner=node.pool.provisioner,
        address=address,
        port=port,
        user=node.user,
        host_key=host_key,
        identity=str(settings.OPERATOR_KEY),
        facts=facts,
    )


def tenancy_of(machine: Machine, *, now: datetime) -> Tenancy:
    """
    What the tenant is to find on the host, and how long the host may keep it without hearing from us again.

    :raises HostUnfit: if the lease's variables cannot be read any more
    """
    lease = machine.lease
    return Tenancy(
        machine_id=machine.public_id,
        epoch=fence_of(machine),
        ssh_keys=tuple(lease.keys.order_by("pk").values_list("public_key", flat=True)),
        image=lease.image.reference,
        image_digest=lease.image.digest,
        startup_script=lease.startup_script,
        label=machine.hostname,
        number=machine.number,
        peers=_peers(machine),
        environment=_environment(lease),
        seconds_left=max(0, int((lease.last_moment - now).total_seconds())),
        interruption=for_host(lease),
    )


def _peers(machine: Machine) -> dict[str, Peer]:
    """The other machines of the lease by name, whether they are ready or not."""
    others = machine.lease.machines.filter(state__in=SERVING).exclude(pk=machine.pk).order_by("number")
    rows = others.select_related("lease", "node__pool__node_type__gpu_model")
    return {row.hostname: Peer(row.number, host_of(row.node).address) for row in rows}


def _environment(lease: Lease) -> dict[str, str]:
    try:
        return dict(json.loads(unseal(lease.environment, purpose=ENVIRONMENT_PURPOSE))) if lease.environment else {}
    except Unsealable as error:
        raise HostUnfit(str(error)) from error


def same_parts(machine: Machine, found: Inventory) -> list[Check]:
    """Whether the node is still made of what it was verified with; one never inspected, of what its type promises."""
    known = Inspection.objects.filter(node=machine.node, passed=True).order_by("-at").first()
    kind = machine.node.pool.node_type
    before = Inventory.of(known.inventory) if known else found
    wrong = [*differences_between(before, found), *([] if known else gpu_differences(found.gpus, kind))]
    seen = " and ".join(counted(len(parts), what) for parts, what in ((found.disks, "disk"), (found.gpus, "GPU")))
    same = "none missing, none new, none read-only" if known else "as many GPUs as its type has, no disk read-only"
    changes = "; ".join(f"{row['part']}: {row['found']} instead of {row['promised']}" for row in wrong)
    return [Check("inventory", not wrong, changes or f"{seen}: {same}")]


def devices_of(found: Inventory) -> list[dict[str, str]]:
    """The parts that hold data, with their serials, for the certificate."""
    disks = [
        {
            "kind": "disk",
            "name": f"{disk.name} {disk.model}".strip(),
            "serial": disk.serial,
            "size": f"{disk.size_gb} GB",
        }
        for disk in found.disks
    ]
    gpus = [
        {"kind": "gpu", "name": gpu.name, "serial": gpu.serial or gpu.uuid, "size": f"{gpu.memory_mib} MiB"}
        for gpu in found.gpus
    ]
    return [*disks, *gpus]
