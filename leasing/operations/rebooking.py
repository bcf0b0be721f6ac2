"""Moving a booking that has not begun to an equal node."""

from datetime import datetime

from django.db import transaction

from accounts.operations import record
from leasing.models import Claim, Lease
from leasing.operations import calendar
from leasing.operations.starting import deploy, lock_spare, put_in_place
from leasing.states import LeaseState, MachineState
from marketplace.queries import Window

ACTOR = "system:leasing"  # which member of staff it was is in the node's own event
NOT_BEGUN = frozenset({LeaseState.HELD, LeaseState.SCHEDULED, LeaseState.PROVISIONING})


@transaction.atomic
def rebook(*, claim: Claim, now: datetime) -> Claim | None:
    """
    Give the claim's lease an equal node of the pool for the same period. None, and nothing changes, if none is free for
    all of it, or if the lease is on the node already or over.

    The customer gets an event and no e-mail: nothing was done on the node yet, so that there was no address to rely on.
    """
    if claim.lease is None:
        return None
    calendar.lock_nodes_of(claim.lease)
    old = _live(claim)
    if old is None:
        return None
    period = Window(max(old.period.lower, now), old.period.upper)
    spare = lock_spare(claim.lease, period=period, now=now)
    lease = Lease.objects.select_for_update(of=("self",)).select_related("organization").get(pk=claim.lease.pk)
    if spare is None or not _waits(old, lease):
        return None
    calendar.release_claim(old, now=now)
    (new,) = calendar.claim(lease=lease, node_ids=[spare.pk], period=period)
    _replace_machine(lease, old=old, new=new, now=now)
    record(
        organization=lease.organization,
        kind="lease.rebooked",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"name": lease.name, "instead_of": old.node.name, "node": spare.name},
    )
    return new


def _live(claim: Claim) -> Claim | None:
    """The claim as it is now that its node is locked: it may have been extended or shortened; None once it is gone."""
    return Claim.objects.select_related("node").filter(pk=claim.pk, released_at=None).first()


def _waits(claim: Claim, lease: Lease) -> bool:
    """Whether nothing was done for the lease on the node yet."""
    begun = lease.machines.filter(node=claim.node).exclude(state__in=[MachineState.PENDING, MachineState.WITHDRAWN])
    return lease.state in NOT_BEGUN and not begun.exists()


def _replace_machine(lease: Lease, *, old: Claim, new: Claim, now: datetime) -> None:
    """The machine that waits for the old node is withdrawn; one that waits for the new node takes its place."""
    waiting = lease.machines.filter(node=old.node, state=MachineState.PENDING).first()
    if waiting is None:  # a hold has no machines yet
        return
    waiting.move_to(MachineState.WITHDRAWN, at=now, reason="rebooked", actor=ACTOR)
    machine = put_in_place(lease=lease, node=new.node, of=waiting, actor=ACTOR, now=now)
    if lease.state == LeaseState.PROVISIONING:
        deploy(machine=machine, deadline=lease.deadline, now=now)
