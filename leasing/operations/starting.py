"""From an agreement to machines in the customer's hands, or to a failed start that costs nothing."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts.operations import record
from leasing.models import Lease, Machine
from leasing.operations import calendar, outages
from leasing.operations.activating import activate_ready
from leasing.operations.ending import let_go_of, let_go_of_machines
from leasing.operations.pausing import pause_again
from leasing.operations.servicing import serviced
from leasing.queries.machines import fabric_group_of
from leasing.states import LeaseState, MachineState
from marketplace.models import Node
from marketplace.queries import Window
from marketplace.states import NodeState

ACTOR = "system:leasing"
REPLACEMENTS = 1  # a failed machine is replaced once in a lease's start; then the start has failed


@transaction.atomic
def start(*, lease: Lease, now: datetime) -> None:
    """
    Begin to make the lease's machines ready.

    :raises Stale: if somebody else moved the lease meanwhile
    """
    deadline = now + timedelta(seconds=lease.terms.start_deadline_seconds)
    lease.move_to(LeaseState.PROVISIONING, at=now, deadline=deadline)
    for machine in lease.machines.filter(state=MachineState.PENDING).select_related("node").order_by("node_id"):
        _hand_over(machine, deadline, now)


@transaction.atomic
def deploy(*, machine: Machine, deadline: datetime | None, now: datetime) -> bool:
    """Hand a pending machine to the workers if its node is available; False if the node is not (yet)."""
    Lease.objects.select_for_update(of=("self",)).get(pk=machine.lease_id)  # else it could end between two of our reads
    return _hand_over(Machine.objects.select_related("node").get(pk=machine.pk), deadline, now)


def _hand_over(machine: Machine, deadline: datetime | None, now: datetime) -> bool:
    """As `deploy`, of a machine that was read with its node while its lease was locked."""
    if (machine.state, machine.node.state) != (MachineState.PENDING, NodeState.AVAILABLE):
        return False
    machine.move_to(
        MachineState.PREPARING,
        at=now,
        deadline=deadline,
        next_attempt_at=now,
        touched_at=now,
        step="waiting for the site's worker",
    )
    machine.node.move_to(NodeState.DEPLOYING, at=now, reason=machine.public_id)
    return True


@transaction.atomic
def machine_ready(*, machine: Machine, host: str, port: int, user: str, host_key: str, now: datetime) -> None:
    """
    A machine passed its health check and answered on the customer's own SSH path. The last one makes the lease active,
    if there is power for it; in an active lease, one that took the place of another ends that one's outage. Where the
    lease was paused while it was made ready, it is paused too.

    :raises Stale: if the machine was moved meanwhile
    """
    lease = Lease.objects.select_for_update().get(pk=machine.lease_id)
    first = machine.state == MachineState.PREPARING
    serviced(machine=machine, now=now)
    machine.move_to(
        MachineState.READY,
        at=now,
        step="",
        detail="",
        next_attempt_at=None,
        host=host,
        port=port,
        user=user,
        host_key=host_key,
        service="",
        setup_applied=machine.setup_taken,
    )
    if first:
        machine.node.move_to(NodeState.LEASED, at=now, reason=machine.public_id)
    if lease.in_hands:
        outages.end_replaced(machine=machine, now=now)
    elif first and lease.state == LeaseState.PAUSED:
        pause_again(machine=machine, now=now)
    else:
        activate_ready(lease=lease, now=now)


@transaction.atomic
def fail_start(*, machine: Machine, reason: str, now: datetime) -> None:
    """
    A machine could not be made ready in time: take an equal node in its place, once; then the lease has failed.

    :raises Stale: if the machine was moved meanwhile
    """
    calendar.lock_nodes_of(machine.lease)
    machine.lease.refresh_from_db(fields=["starts_at", "ends_at", "guaranteed_until"])  # it may have been extended
    period = Window(now, machine.lease.last_moment + timedelta(seconds=machine.lease.terms.cleaning_seconds))
    may = machine.lease.replacements < REPLACEMENTS
    spare = lock_spare(machine.lease, period=period, now=now) if may else None
    lease = Lease.objects.select_for_update().get(pk=machine.lease_id)
    let_go_of(machine=machine, lease=lease, reason=reason, actor=ACTOR, now=now)
    if lease.in_hands:
        outages.pass_on(machine=machine, reason=reason, now=now)
    if lease.state != LeaseState.PROVISIONING:
        return
    if spare is not None and lease.replacements < REPLACEMENTS:
        _replace(lease, node=spare, period=period, failed=machine, now=now)
    else:
        _fail(lease, reason=reason, now=now)


def lock_spare(lease: Lease, *, period: Window, now: datetime) -> Node | None:
    """
    An equal free node of the lease's pool with its calendar locked, of its fabric group if it was ordered so; or None.
    It never waits for one.
    """
    with suppress(calendar.TooFewNodes):
        (found,) = calendar.lock_idle_nodes(
            pool=lease.offer.pool, nodes=1, window=period, now=now, fabric_group=fabric_group_of(lease)
        )
        return Node.objects.get(pk=found)
    return None


def put_in_place(
    *, lease: Lease, node: Node, of: Machine, actor: str, now: datetime, replaces: Machine | None = None
) -> Machine:
    """
    A machine on the node, with the number of the one `of` that serves no more; `replaces` says in whose hands that was.

    The hosts of its siblings learn its address by the lease's version.
    """
    machine = Machine.objects.create(
        lease=lease, node=node, number=of.number, replaces=replaces, state=MachineState.PENDING, state_since=now
    )
    machine.begin(at=now, actor=actor)
    if lease.node_count > 1:
        Lease.objects.filter(pk=lease.pk).update(setup_version=F("setup_version") + 1)
    return machine


def _replace(lease: Lease, *, node: Node, period: Window, failed: Machine, now: datetime) -> None:
    deadline = now + timedelta(seconds=lease.terms.start_deadline_seconds)
    calendar.claim(lease=lease, node_ids=[node.pk], period=period)
    Lease.objects.filter(pk=lease.pk).update(replacements=lease.replacements + 1, deadline=deadline)
    machine = put_in_place(lease=lease, node=node, of=failed, actor=ACTOR, now=now)
    lease.machines.filter(state=MachineState.PREPARING).update(deadline=deadline)
    deploy(machine=machine, deadline=deadline, now=now)
    record(
        organization=lease.organization,
        kind="lease.replaced",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"machine": machine.public_id, "instead_of": failed.public_id, "reason": failed.reason},
    )


def _fail(lease: Lease, *, reason: str, now: datetime) -> None:
    lease.move_to(LeaseState.FAILED, at=now, reason=reason, environment="")
    let_go_of_machines(lease=lease, reason=reason, actor=ACTOR, now=now)
    record(
        organization=lease.organization,
        kind="lease.failed",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"name": lease.name, "reason": reason},
        notice={
            "title": f"{lease.name} could not be started",
            "text": "No machine passed its checks in time, on two tries. You were charged $0.00 and your money is free "
            "again.",
            "path": f"/leases/{lease.public_id}/",
        },
    )
