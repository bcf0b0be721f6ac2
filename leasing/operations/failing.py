"""Another node of the pool takes the place of one that fails under its tenant, or that somebody has booked next."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import IllegalMove
from accounts.operations import record
from leasing.models import Lease, Machine, Outage, OutageCause
from leasing.operations import calendar, outages
from leasing.operations.ending import let_go_of
from leasing.operations.renewing import renew
from leasing.operations.starting import deploy, lock_spare, put_in_place
from leasing.queries.guarantee import horizon
from leasing.queries.machines import first_behind
from leasing.states import SERVING, MachineState
from marketplace.models import Node
from marketplace.queries import Window


class NoEqualNode(Exception):
    """No equal node of the pool is free for the rest of the lease. The lease goes on, and nothing is charged for it."""


def replaceable(machine: Machine) -> bool:
    """Whether the machine is down, and nothing has taken its place yet."""
    down = Outage.objects.filter(machine=machine, ended_at=None).exists()
    return down and not Machine.objects.filter(replaces=machine).exists()


@transaction.atomic
def swap(*, machine: Machine, actor: str, now: datetime) -> Machine:
    """
    Take an equal free node of the pool in the place of a machine that is down. What is on the machine is wiped.

    The outage lasts until the new one is ready: nothing is charged for the node before that. Returns the new machine.

    :raises NoEqualNode: if none is free for the rest of the lease
    :raises IllegalMove: if the machine is not down, has been replaced already, or its lease is not active
    :raises Stale: if it was moved meanwhile
    """
    terms = machine.lease.terms
    calendar.lock_nodes_of(machine.lease)
    machine.lease.refresh_from_db(fields=["starts_at", "ends_at", "guaranteed_until"])  # it may have been extended
    period = Window(now, machine.lease.last_moment + timedelta(seconds=terms.cleaning_seconds))
    spare = lock_spare(machine.lease, period=period, now=now)
    lease = (
        Lease.objects.select_for_update(of=("self",))
        .select_related("organization", "offer", "terms")
        .get(pk=machine.lease_id)
    )
    failed = Machine.objects.select_related("node").get(pk=machine.pk)
    if not lease.in_hands or not replaceable(failed):
        raise IllegalMove(failed, MachineState.WIPING)
    if spare is None:
        raise NoEqualNode(f"No other {lease.offer.pool} is free until {lease.last_moment:%Y-%m-%d %H:%M} UTC.")
    outages.begin(machine=failed, cause=OutageCause.SWAPPING, now=now)
    made = _replace(failed, lease=lease, spare=spare, period=period, reason="swapped", actor=actor, now=now)
    data = {"name": lease.name, "machine": made.public_id, "instead_of": failed.public_id, "node": spare.name}
    record(
        organization=lease.organization,
        kind="lease.swapped",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data=data,
        notice={
            "title": f"{lease.name}: {failed.node.name} is being replaced",
            "text": f"An equal node, {spare.name}, is being made ready in its place, with your keys, image and startup "
            "script. What was on the failed one is wiped. Nothing is charged for it until it is ready.",
            "path": f"/leases/{lease.public_id}/",
        },
    )
    return made


@transaction.atomic
def move_machine(*, machine: Machine, actor: str, now: datetime) -> Machine:
    """
    Take an equal node that is free for as long as the terms guarantee in the place of one that is booked behind an
    open-ended lease. What is on the old one is wiped; nothing is charged for the node until the new one is ready.

    :raises NoEqualNode: if none is free for so long
    :raises IllegalMove: if the machine is not ready, or nothing behind it ends the lease's guarantee
    :raises Stale: if it was moved meanwhile
    """
    calendar.lock_nodes_of(machine.lease)
    period = horizon(machine.lease, now)
    spare = lock_spare(machine.lease, period=period, now=now)
    rows = Lease.objects.select_for_update(of=("self",)).select_related("organization", "offer__pool", "terms")
    lease = rows.get(pk=machine.lease_id)
    left = Machine.objects.select_related("node").get(pk=machine.pk)
    ends = lease.guarantee_notice_at is not None and bool(first_behind(left))
    if not lease.in_hands or left.state != MachineState.READY or not ends:
        raise IllegalMove(left, MachineState.WIPING)
    if spare is None:
        raise NoEqualNode(f"No other {lease.offer.pool} is free until {period.ends_at:%Y-%m-%d %H:%M} UTC.")
    outages.begin(machine=left, cause=OutageCause.MOVING, now=now)
    made = _replace(left, lease=lease, spare=spare, period=period, reason="moved", actor=actor, now=now)
    record(
        organization=lease.organization,
        kind="lease.machine_moved",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "machine": made.public_id, "instead_of": left.public_id, "node": spare.name},
    )
    renew(lease=lease, now=now)
    return made


def _replace(
    old: Machine, *, lease: Lease, spare: Node, period: Window, reason: str, actor: str, now: datetime
) -> Machine:
    """The spare, whose calendar is locked, in the place of the old machine, which is out: free until it is ready."""
    if old.state in SERVING:
        let_go_of(machine=old, lease=lease, reason=reason, actor=actor, now=now)
    calendar.claim(lease=lease, node_ids=[spare.pk], period=period)
    made = put_in_place(lease=lease, node=spare, of=old, replaces=old, actor=actor, now=now)
    deploy(machine=made, deadline=now + timedelta(seconds=lease.terms.start_deadline_seconds), now=now)
    return made
