"""A node fails under its tenant: another of its pool takes its place, once the tenant or the lease's policy says so."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import IllegalMove
from accounts.operations import record
from leasing.models import Lease, Machine, Outage, OutageCause
from leasing.operations import calendar, outages
from leasing.operations.ending import let_go_of
from leasing.operations.starting import deploy, lock_spare, put_in_place
from leasing.states import SERVING, MachineState
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
    if failed.state in SERVING:
        let_go_of(machine=failed, lease=lease, reason="swapped", actor=actor, now=now)
    calendar.claim(lease=lease, node_ids=[spare.pk], period=period)
    made = put_in_place(lease=lease, node=spare, of=failed, replaces=failed, actor=actor, now=now)
    deploy(machine=made, deadline=now + timedelta(seconds=terms.start_deadline_seconds), now=now)
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
