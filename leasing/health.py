"""
What looks at nodes mean: who is well, which machine does not serve its tenant, and since when.

A site's worker looks at each of its nodes every 15 s, on two paths: the operator's (the host answers, and says what it
runs) and the tenant's (its SSH answers). All looks of one turn are written at once, however many nodes there are.

An outage of a machine needs evidence from the operator's side: the tenant owns what runs inside, so a tenant who ends
the own SSH server is not in an outage. Every bad look is free for the tenant; the third bad one of the last five
*calls* the outage: the tenant is told and may choose.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery

from leasing.hosts import host_of
from leasing.models import Inspection, Lease, Machine, Outage, OutageCause
from leasing.operations import outages
from leasing.provisioners.base import Host, Reading
from leasing.queries.fleet import UNSEEN
from leasing.states import IN_HANDS, LeaseState, MachineState
from leasing.telemetry.looks import upsert_health
from marketplace.models import Node, Provisioner

log = logging.getLogger(__name__)

CALLED_AT = 3  # bad looks of the last five
CALLED = [history for history in range(32) if history.bit_count() >= CALLED_AT]


@dataclass(frozen=True)
class Watched:
    """A node that is looked at, and the machine on it while it is in a tenant's hands."""

    node: int
    machine: str = ""
    boot_id: str = ""


@dataclass(frozen=True)
class Eyed:
    """A node that is looked at: how its host is reached, what is on it, and where its tenant logs in."""

    host: Host
    watched: Watched
    endpoint: tuple[str, int] | None


@dataclass(frozen=True)
class Look:
    """One node at one moment on both paths; `path` is None where there was no tenant's SSH to try."""

    watched: Watched
    reading: Reading
    path: bool | None


def nodes_of(slugs: Sequence[str]) -> dict[str, Eyed]:
    """The nodes at these sites (at all, without any) by public id; simulated ones only while somebody is on them."""
    newest = Inspection.objects.filter(node=OuterRef("pk"), passed=True).order_by("-at")
    nodes = (
        Node.objects.exclude(state__in=UNSEEN)
        .select_related("pool__node_type__gpu_model")
        .annotate(parts=Subquery(newest.values("inventory")[:1]))
        .prefetch_related(Prefetch("machines", Machine.objects.filter(state__in=IN_HANDS), to_attr="in_hands"))
    )
    at = nodes.filter(pool__site__slug__in=slugs) if slugs else nodes
    idle = Q(pool__provisioner=Provisioner.SANDBOX) & ~Exists(
        Machine.objects.filter(node=OuterRef("pk"), state__in=IN_HANDS)
    )
    found = {}
    for node in at.exclude(idle):
        try:
            found[node.public_id] = _eyed(node)
        except Exception:  # one row that cannot be read hides no other node
            log.exception("nobody can look at %s", node)
    return found


def _eyed(node: Any) -> Eyed:
    machine: Machine | None = next(iter(node.in_hands), None)
    uuids = ",".join(gpu["uuid"] for gpu in (node.parts or {}).get("gpus", ()))
    host = host_of(node)
    host = replace(host, facts={**host.facts, "gpu_uuids": uuids})
    if machine is None:
        return Eyed(host, Watched(node.pk), None)
    return Eyed(host, Watched(node.pk, machine.public_id, machine.boot_id), (machine.host, machine.port or 22))


def judge(look: Look) -> tuple[str, str]:
    """(an OutageCause or "", what was seen): what one look says of a node, whoever is on it."""
    reading = look.reading
    if not reading.reached:
        if look.path:
            return "", "the tenant's SSH answers, the operator's path does not"
        return OutageCause.UNREACHABLE, reading.detail or "the host does not answer"
    lost = [gpu for gpu in reading.gpus if gpu.lost]
    if lost:
        return OutageCause.GPU_LOST, ", ".join(f"GPU {gpu.index} ({gpu.uuid})" for gpu in lost)[:200]
    rebooted = look.watched.boot_id not in {"", reading.boot_id}
    if look.watched.machine and reading.tenancy != "running" and rebooted:
        return OutageCause.REBOOTED, f"boot {reading.boot_id}: the machine is {reading.tenancy}"
    return "", "" if look.path is not False else "the machine runs, its own SSH does not answer"


@transaction.atomic
def write(looks: Sequence[Look], *, now: datetime) -> None:
    """
    Write one turn's looks down: the newest word about each node, and outages begun and ended by them. Looks that come
    late or twice change nothing that newer ones have said.
    """
    judged = [(look, *judge(look)) for look in looks]
    upsert_health(
        (look.watched.node, look.reading.at, cause, detail, look.reading.boot_id) for look, cause, detail in judged
    )
    _remember_boots(look for look, cause, _ in judged if not cause)
    for outage in _close([look.watched.node for look in looks], now=now):
        outages.restored(outage=outage, now=now)
    _open({look.watched.node: _evidence(look, detail) for look, cause, detail in judged if cause}, now=now)


def _evidence(look: Look, saw: str) -> dict[str, Any]:
    return {"at": look.reading.at.isoformat(), "host": look.reading.reached, "tenant_ssh": look.path, "saw": saw}


def _remember_boots(looks: Iterable[Look]) -> None:
    """The boot in which each machine was last seen running: another one later means that the host restarted."""
    for look in looks:
        boot_id, watched = look.reading.boot_id, look.watched
        if watched.machine and look.reading.tenancy == "running" and boot_id != watched.boot_id:
            Machine.objects.filter(public_id=watched.machine, state__in=IN_HANDS).update(boot_id=boot_id)


def _open(bad: Mapping[int, dict[str, Any]], *, now: datetime) -> None:
    """
    An outage, from the last good look on, for each ready machine whose node is not well; more evidence for those that
    have one and are not called yet.

    Their leases are locked: who pauses or ends one ends its outages, and none may be opened behind that. One that
    somebody has locked is not waited for; the next look is soon, and an outage begins with the last good one.
    """
    ready = Machine.objects.filter(node__in=bad, state=MachineState.READY)
    machines = ready.filter(lease__in=_locked(Lease.objects.filter(pk__in=ready.values("lease"))))
    known = {row.machine_id: row for row in Outage.objects.filter(machine__in=machines, ended_at=None)}
    fresh = []
    for machine in machines.select_related("node__health"):
        health, outage = machine.node.health, known.get(machine.pk)
        if outage is None and health.cause:
            began_at = max(health.last_good_at or machine.state_since, machine.state_since)
            fresh.append(_begun(machine, health.cause, began_at, bad[machine.node_id], now))
        elif outage is not None and outage.called_at is None and len(outage.evidence) < CALLED_AT:
            outage.evidence.append(bad[machine.node_id])
            Outage.objects.filter(pk=outage.pk).update(evidence=outage.evidence, recorded_at=now)
    Outage.objects.bulk_create(fresh, ignore_conflicts=True)  # another worker's look may have opened it


def _locked(leases: QuerySet[Lease]) -> list[int]:
    """The ids of those that run and that nobody else has locked."""
    running = leases.filter(state=LeaseState.ACTIVE).order_by("pk")
    return list(running.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))


def _begun(machine: Machine, cause: str, began_at: datetime, evidence: dict[str, Any], now: datetime) -> Outage:
    return Outage(machine=machine, cause=cause, began_at=began_at, evidence=[evidence], recorded_at=now)


def _close(nodes: Sequence[int], *, now: datetime) -> list[Outage]:
    """End the outages of machines in their tenants' hands whose nodes are well again."""
    well = Outage.objects.filter(
        ended_at=None,
        machine__node__in=nodes,
        machine__state__in=IN_HANDS,
        machine__node__health__cause="",
        machine__node__health__last_good_at__gte=F("began_at"),
    )
    over = list(
        well.select_for_update(of=("self",)).select_related("machine__node__health", "machine__lease__organization")
    )
    for outage in over:
        outage.ended_at, outage.recorded_at = outage.machine.node.health.last_good_at, now
    Outage.objects.bulk_update(over, ["ended_at", "recorded_at"])
    return over
