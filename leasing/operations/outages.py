"""Outages of machines: told, and ended with what ended them. Looks at their health open and close most of them."""

from datetime import datetime

from django.db import transaction

from accounts.operations import record
from leasing.models import Lease, Machine, OnFailure, Outage, OutageCause
from leasing.states import SERVING, MachineState

ACTOR = "system:leasing"


@transaction.atomic
def call(*, outage: Outage, now: datetime) -> None:
    """Tell the customer of an outage that several looks have confirmed, with the choices. Once for each outage."""
    if not Outage.objects.filter(pk=outage.pk, called_at=None).update(called_at=now, recorded_at=now):
        return
    machine = outage.machine
    lease = machine.lease
    swaps = lease.on_failure == OnFailure.SWAP
    choices = (
        "As you chose, it is swapped for an equal node as soon as one is free; what was on it is lost."
        if swaps
        else "You can wait, swap it for an equal node (what is on it is lost), or return the lease."
    )
    record(
        organization=lease.organization,
        kind="lease.degraded",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"name": lease.name, "machine": machine.public_id, "outage": outage.public_id, "cause": outage.cause},
        notice={
            "title": f"{lease.name}: {machine.node.name} is down",
            "text": f"Since {outage.began_at:%Y-%m-%d %H:%M:%S} UTC: {OutageCause(outage.cause).label}. Nothing is "
            f"charged for it from then until it serves you again. {choices}",
            "path": f"/leases/{lease.public_id}/",
        },
    )


@transaction.atomic
def restored(*, outage: Outage, now: datetime) -> None:
    """Tell the customer that a machine of which an outage was told serves again."""
    if outage.called_at is None or outage.ended_at is None:
        return
    lease = outage.machine.lease
    seconds = int((outage.ended_at - outage.began_at).total_seconds())
    record(
        organization=lease.organization,
        kind="lease.restored",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"name": lease.name, "machine": outage.machine.public_id, "outage": outage.public_id, "seconds": seconds},
        notice={
            "title": f"{lease.name} is whole again",
            "text": f"{outage.machine.node.name} or its replacement serves you since "
            f"{outage.ended_at:%Y-%m-%d %H:%M:%S} UTC. The {seconds:,} s of the outage are not charged.",
            "path": f"/leases/{lease.public_id}/",
        },
    )


def begin(*, machine: Machine, cause: str, now: datetime) -> Outage:
    """The machine's open outage; a new one from `now` on where there is none."""
    outage, _ = Outage.objects.get_or_create(
        machine=machine, ended_at=None, defaults={"began_at": now, "cause": cause, "recorded_at": now}
    )
    return outage


@transaction.atomic
def pass_on(*, machine: Machine, reason: str, now: datetime) -> None:
    """A replacement failed to start: the outage of the machine whose place it was to take becomes its own."""
    before = Outage.objects.select_for_update().filter(machine=machine.replaces, ended_at=None).first()
    if before is None:
        return
    Outage.objects.filter(pk=before.pk).update(ended_at=now, recorded_at=now)
    cause, called_at = _going_on(before), before.called_at
    Outage.objects.create(machine=machine, began_at=now, cause=cause, called_at=called_at, recorded_at=now)
    lease = machine.lease
    record(
        organization=lease.organization,
        kind="lease.swap_failed",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"name": lease.name, "machine": machine.public_id, "reason": reason},
        notice={
            "title": f"{lease.name}: the replacement did not start",
            "text": f"{machine.node.name} did not pass its checks. Nothing is charged for it. You can wait, swap "
            "again, or return the lease.",
            "path": f"/leases/{lease.public_id}/",
        },
    )


def end_all(*, lease: Lease, now: datetime) -> None:
    """The lease stops being in its tenant's hands, and its outages with it."""
    Outage.objects.filter(machine__lease=lease, ended_at=None).update(ended_at=now, recorded_at=now)


def begin_again(*, lease: Lease, now: datetime) -> None:
    """The lease runs again after a pause. Machines that nothing has taken the place of are out still, and told anew."""
    gone = lease.machines.exclude(state__in=[*SERVING, MachineState.WITHDRAWN])
    lacking = gone.exclude(number__in=lease.machines.filter(state__in=SERVING).values("number"))
    for machine in {machine.number: machine for machine in lacking.order_by("pk")}.values():  # the last of each number
        before = Outage.objects.filter(machine__in=[machine, machine.replaces or machine]).order_by("began_at").last()
        call(outage=begin(machine=machine, cause=_going_on(before), now=now), now=now)


def _going_on(before: Outage | None) -> str:
    """The cause of an outage behind another. A move that came to nothing is the tenant's no more."""
    return before.cause if before and before.cause != OutageCause.MOVING else OutageCause.SWAPPING


def end_replaced(*, machine: Machine, now: datetime) -> None:
    """A machine is ready: the outages of those whose place it has taken, one after another, are over."""
    replaced = machine.replaces
    while replaced is not None:
        for outage in Outage.objects.select_for_update().filter(machine=replaced, ended_at=None):
            outage.ended_at = outage.recorded_at = max(now, outage.began_at)
            outage.save(update_fields=["ended_at", "recorded_at"])
            restored(outage=outage, now=now)
        replaced = replaced.replaces
