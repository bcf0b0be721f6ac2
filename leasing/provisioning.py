"""What a site's worker does on the machines of leases: prepare, service, pause, resume, wipe. See `working` for how."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import clock, failpoints
from leasing import operations, powering, working
from leasing.models import Lease, Machine
from leasing.operations import calendar
from leasing.provisioners import provisioner_for
from leasing.provisioners.base import Endpoint, Health, Host, ProvisionerError, Tenancy, WipeProof
from leasing.states import MACHINE_FAILED_TWIN, MachineState
from marketplace.models import Site

log = logging.getLogger(__name__)

failpoints.register("machine.taken", "machine.acted", "machine.applied")
START_ATTEMPTS = 5  # then the start has failed on this node, without waiting for the deadline


class NotReady(ProvisionerError):
    """The machine stands but its health check found something wrong."""


@dataclass(frozen=True)
class Wiped:
    """A finished wipe, in the database's time."""

    proof: WipeProof
    started_at: datetime


Outcome = Endpoint | Wiped | None


def due(*, now: datetime) -> Q:
    """The machines that somebody may take now."""
    return working.free(now=now) & Q(state__in=sorted(MACHINE_FAILED_TWIN))


def take(*, site: Site, now: datetime) -> Machine | None:
    """The longest waiting machine at the site, for this worker alone."""
    machine = working.take(Machine.objects.filter(due(now=now), node__pool__site=site), now=now)
    if machine is None:
        return None
    return _whole(Machine.objects.filter(pk=machine.pk)).get()


def _whole(machines: QuerySet[Machine]) -> QuerySet[Machine]:
    """With all that acting on them needs."""
    return machines.select_related("node__pool__node_type__gpu_model", "lease__image", "lease__offer__plan")


def work(*, site: Site) -> bool:
    """Take one machine, act, apply. False when nothing was due."""
    machine = take(site=site, now=clock.now())
    if machine is None:
        return False
    failpoints.reached("machine.taken")
    try:
        with working.renewed(machine):
            outcome = act(machine)
        failpoints.reached("machine.acted")
    except ProvisionerError as error:
        log.warning("%s %s on %s: %s", machine, machine.state, machine.node, error)
        applied = apply_error(machine=machine, error=error, now=clock.now())
    else:
        applied = apply(machine=machine, outcome=outcome, now=clock.now())
    failpoints.reached("machine.applied")
    if not applied:
        log.warning("%s was taken over by another worker; its result is dropped", machine)
    return True


def act(machine: Machine) -> Outcome:
    """
    Do on the host what the machine's state asks for. Safe to repeat; no transaction is open.

    :raises ProvisionerError: with one sentence for staff
    """
    provisioner = provisioner_for(machine.node.pool.provisioner)
    host, tenancy = host_of(machine), tenancy_of(machine)
    if machine.state == MachineState.WIPING:
        return _wipe(machine, host)
    if machine.state == MachineState.PAUSING:
        provisioner.pause(host, tenancy)
        return None
    working.note(machine, "starting your machine")
    resuming = machine.state == MachineState.RESUMING
    endpoint = provisioner.resume(host, tenancy) if resuming else provisioner.prepare(host, tenancy)
    working.note(machine, "checking its health")
    _must_be_healthy(provisioner.check(host, tenancy))
    working.note(machine, "proving your SSH path")
    provisioner.reach(endpoint)
    return endpoint


def _must_be_healthy(health: Health) -> None:
    wrong = [f"{check.name}: {check.detail}" for check in health.checks if not check.passed]
    if wrong or not health.passed:
        raise NotReady("Health check failed. " + "; ".join(wrong or ["nothing was checked"]))


def _wipe(machine: Machine, host: Host) -> Wiped:
    provisioner = provisioner_for(machine.node.pool.provisioner)
    powering.switch_on_again(machine)
    provisioner.revoke(host, machine.public_id, machine.work_epoch)
    started_at = clock.now()
    Machine.objects.filter(pk=machine.pk, work_epoch=machine.work_epoch, access_ended_at=None).update(
        access_ended_at=started_at
    )
    working.note(machine, "wiping and verifying")
    return Wiped(provisioner.wipe(host, machine.public_id, machine.work_epoch), started_at)


@transaction.atomic
def apply(*, machine: Machine, outcome: Outcome, now: datetime) -> bool:
    """Write a result down. False, and nothing is written, if another worker has taken the machine or it has moved."""
    mine = _lock_mine(machine)
    if mine is None:
        return False
    if isinstance(outcome, Wiped):
        operations.record_wipe(
            machine=mine,
            method=outcome.proof.method,
            checks=[{"name": c.name, "passed": c.passed, "detail": c.detail} for c in outcome.proof.checks],
            verified=outcome.proof.verified,
            started_at=outcome.started_at,
            completed_at=now,
        )
    elif outcome is None:
        operations.paused(machine=mine, reason=mine.reason, now=now)
    else:
        operations.machine_ready(
            machine=mine, host=outcome.host, port=outcome.port, user=outcome.user, host_key=outcome.host_key, now=now
        )
    working.let_go(mine)
    return True


@transaction.atomic
def apply_error(*, machine: Machine, error: ProvisionerError, now: datetime) -> bool:
    """Try again a little later, or give up where trying again cannot help."""
    mine = _lock_mine(machine)
    if mine is None:
        return False
    attempts = working.again_later(mine, error=error, now=now)
    if error.permanent or (mine.state == MachineState.PREPARING and attempts >= START_ATTEMPTS):
        give_up(machine=mine, reason="host_failed", now=now)
    working.let_go(mine)
    return True


def give_up(*, machine: Machine, reason: str, now: datetime) -> None:
    """Move a machine to the failed twin of its state."""
    if machine.state in {MachineState.PREPARING, MachineState.PENDING}:
        operations.fail_start(machine=machine, reason=reason, now=now)
    elif machine.state == MachineState.WIPING:
        operations.wipe_failed(machine=machine, reason=reason, detail=machine.detail, now=now)
    else:
        operations.paused(machine=machine, reason=reason, now=now)


def _lock_mine(machine: Machine) -> Machine | None:
    """The machine, locked, if this worker still holds it in the state it was taken in."""
    return lock(machine, work_epoch=machine.work_epoch, state=machine.state)


def lock(machine: Machine, **as_read: object) -> Machine | None:
    """The machine's row, locked in the house's order and read anew; None if it is no longer `as_read`."""
    calendar.lock_nodes_of(machine.lease)
    Lease.objects.select_for_update(of=("self",)).get(pk=machine.lease_id)
    rows = Machine.objects.select_for_update(of=("self",)).select_related(
        "node", "lease__offer__plan", "lease__organization"
    )
    return rows.filter(pk=machine.pk, **as_read).first()


def host_of(machine: Machine) -> Host:
    """Where the machine's host is reached, and what its node type promises."""
    node, kind = machine.node, machine.node.pool.node_type
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


def tenancy_of(machine: Machine) -> Tenancy:
    """What the tenant is to find on the host."""
    lease = machine.lease
    return Tenancy(
        machine_id=machine.public_id,
        epoch=machine.work_epoch,
        ssh_keys=tuple(lease.keys.order_by("pk").values_list("public_key", flat=True)),
        image=lease.image.reference,
        image_digest=lease.image.digest,
        startup_script=lease.startup_script,
        label=lease.public_id,
    )
