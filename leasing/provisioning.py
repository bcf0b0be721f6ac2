"""What a site's worker does on the machines of leases: prepare, service, pause, resume, wipe. See `working` for how."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import clock, failpoints
from leasing import operations, powering, working
from leasing.hosts import devices_of, fence_of, host_of, same_parts, tenancy_of
from leasing.inspection.inventory import Inventory
from leasing.models import Lease, Machine
from leasing.operations import calendar
from leasing.operations.servicing import REFRESH
from leasing.provisioners import inspector_for, provisioner_for
from leasing.provisioners.base import Endpoint, Health, Host, ProvisionerError, Service, WipeProof
from leasing.states import MACHINE_FAILED_TWIN, MachineState
from marketplace.models import Site

log = logging.getLogger(__name__)

failpoints.register("machine.taken", "machine.revoked", "machine.wiped", "machine.acted", "machine.applied")
START_ATTEMPTS = 5  # then the start has failed on this node, without waiting for the deadline
MOST_ATTEMPTS: dict[str, int] = {MachineState.PREPARING: START_ATTEMPTS, MachineState.SERVICING: 3}


class NotReady(ProvisionerError):
    """The machine stands but its health check found something wrong."""


@dataclass(frozen=True)
class Wiped:
    """A finished wipe, in the database's time."""

    proof: WipeProof
    started_at: datetime
    inventory: Inventory


Outcome = Endpoint | Wiped | None


def due(*, now: datetime) -> Q:
    """The machines that somebody may take now."""
    return working.free(now=now) & Q(state__in=sorted(MACHINE_FAILED_TWIN))


def take(*, site: Site, now: datetime) -> Machine | None:
    """The longest waiting machine at the site, for this worker alone. None too where another has taken it since."""
    machine = working.take(Machine.objects.filter(due(now=now), node__pool__site=site), now=now)
    if machine is None:
        return None
    # Keys and deadline are read after this; should they change meanwhile, the version tells and the host hears again.
    working.mine(machine).update(setup_taken=machine.lease.setup_version)
    return _whole(working.mine(machine)).filter(state__in=sorted(MACHINE_FAILED_TWIN)).first()


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
            outcome = act(machine, now=clock.now())
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


def act(machine: Machine, *, now: datetime) -> Outcome:
    """
    Do on the host what the machine's state asks for. Safe to repeat; no transaction is open.

    :raises ProvisionerError: with one sentence for staff
    """
    provisioner = provisioner_for(machine.node.pool.provisioner)
    host = host_of(machine.node)
    if machine.state == MachineState.WIPING:
        return _wipe(machine, host)
    tenancy = tenancy_of(machine, now=now)
    if machine.state == MachineState.PAUSING:
        powering.switch_on_again(machine, host)
        provisioner.pause(host, tenancy)
        return None
    if machine.state == MachineState.RESUMING:
        powering.switch_on_again(machine, host)
        endpoint = provisioner.resume(host, tenancy)
    elif machine.service == "power_cycle" and machine.node.bmc_address:
        powering.restart_host(machine, host, machine.deadline or now)
        endpoint = provisioner.prepare(host, tenancy)
    elif machine.state == MachineState.SERVICING and machine.service != REFRESH:
        endpoint = provisioner.service(host, tenancy, cast(Service, machine.service))
    else:
        working.note(machine, machine.step if machine.service else "starting your machine")
        endpoint = provisioner.prepare(host, tenancy)
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
    powering.switch_on_again(machine, host)
    provisioner.revoke(host, machine.public_id, fence_of(machine))
    failpoints.reached("machine.revoked")
    started_at = clock.now()
    working.mine(machine).filter(access_ended_at=None).update(access_ended_at=started_at)
    working.note(machine, "wiping and verifying")
    proof = provisioner.wipe(host, machine.public_id, fence_of(machine))
    failpoints.reached("machine.wiped")
    return Wiped(proof, started_at, inspector_for(machine.node.pool.provisioner).inspect(host))


@transaction.atomic
def apply(*, machine: Machine, outcome: Outcome, now: datetime) -> bool:
    """Write a result down. False, and nothing is written, if another worker has taken the machine or it has moved."""
    mine = _lock_mine(machine)
    if mine is None:
        return False
    if isinstance(outcome, Wiped):
        checks = [*outcome.proof.checks, *same_parts(mine, outcome.inventory)]
        operations.record_wipe(
            machine=mine,
            method=outcome.proof.method,
            checks=[{"name": c.name, "passed": c.passed, "detail": c.detail} for c in checks],
            devices=devices_of(outcome.inventory),
            verified=outcome.proof.verified and all(c.passed for c in checks),
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
    if error.permanent or attempts >= MOST_ATTEMPTS.get(mine.state, attempts + 1):
        give_up(machine=mine, reason="host_failed", now=now)
    working.let_go(mine)
    return True


def give_up(*, machine: Machine, reason: str, now: datetime) -> None:
    """Move a machine to the failed twin of its state."""
    if machine.state in {MachineState.PREPARING, MachineState.PENDING}:
        operations.fail_start(machine=machine, reason=reason, now=now)
    elif machine.state == MachineState.SERVICING:
        operations.service_failed(machine=machine, reason=reason, now=now)
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
