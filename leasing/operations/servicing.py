"""What is done to a machine while its tenant keeps it: keys and deadline brought up to date, and break-fix."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import IllegalMove
from accounts.operations import record
from leasing.models import Lease, Machine
from leasing.states import MachineState

REFRESH = "refresh"  # keys and deadline as the lease says now
STEPS = {
    REFRESH: "bringing keys and deadline up to date",
    "power_cycle": "stopping it hard and starting it again",
    "gpu_reset": "resetting its GPUs",
    "rebuild": "making its system anew, /scratch kept",
    "rebuild_all": "making its system and /scratch anew",
}
LIMIT = timedelta(minutes=10)  # for a worker to do it


@transaction.atomic
def service(*, machine: Machine, what: str, actor: str, now: datetime) -> None:
    """
    Hand a ready machine to the site's worker for `what`: one of `STEPS`. The lease goes on, and so does its meter.

    :raises KeyError: for another word
    :raises IllegalMove: if the machine is not ready, or its lease is not active
    :raises Stale: if somebody else moved it meanwhile
    """
    lease = Lease.objects.select_for_update(of=("self",)).select_related("organization").get(pk=machine.lease_id)
    if machine.state != MachineState.READY or not lease.in_hands:
        raise IllegalMove(machine, MachineState.SERVICING)
    machine.move_to(
        MachineState.SERVICING,
        at=now,
        actor=actor,
        reason=what,
        service=what,
        deadline=now + LIMIT,
        next_attempt_at=now,
        attempts=0,
        detail="",
        step=STEPS[what],
    )
    if what != REFRESH:
        _tell(machine, lease, kind="lease.service_began", actor=actor, now=now)


@transaction.atomic
def service_failed(*, machine: Machine, reason: str, now: datetime) -> None:
    """
    It could not be done: the machine is as it was, or as the looks at its health say, and who asked for it is told.

    :raises Stale: if the machine was moved meanwhile
    """
    what = machine.service
    machine.move_to(MachineState.READY, at=now, reason=reason, service="", step="", next_attempt_at=None)
    if what != REFRESH:
        _tell(machine, machine.lease, kind="lease.service_failed", actor="system:leasing", now=now, what=what)


def serviced(*, machine: Machine, now: datetime) -> None:
    """Note in the log that break-fix on a machine was done."""
    if machine.service not in {"", REFRESH}:
        _tell(machine, machine.lease, kind="lease.service_done", actor="system:leasing", now=now)


def _tell(machine: Machine, lease: Lease, *, kind: str, actor: str, now: datetime, what: str = "") -> None:
    what = what or machine.service
    data = {"name": lease.name, "machine": machine.public_id, "service": what, "detail": machine.detail}
    record(organization=lease.organization, kind=kind, subject=lease.public_id, actor=actor, at=now, data=data)
