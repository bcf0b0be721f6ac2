"""The end of a machine: its wipe on record, its node back in stock or out of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import IllegalMove
from accounts.operations import record
from leasing.models import Lease, Machine, WipeRecord
from leasing.operations import calendar
from leasing.operations.ending import settle_end
from leasing.operations.upkeep import settle_drain
from leasing.states import MachineState
from marketplace.states import NodeState


@transaction.atomic
def record_wipe(
    *,
    machine: Machine,
    method: str,
    checks: Sequence[dict[str, str | bool]],
    devices: Sequence[dict[str, str]] = (),
    verified: bool,
    started_at: datetime,
    completed_at: datetime,
) -> WipeRecord:
    """
    Write the wipe down. A verified one returns the node to stock; any other takes it out until it is wiped again.

    :raises Stale: if the machine was moved meanwhile
    """
    node_ids = calendar.lock_nodes_of(machine.lease)
    lease = Lease.objects.select_for_update(of=("self",)).get(pk=machine.lease_id)
    wiped = WipeRecord.objects.create(
        machine=machine,
        node=machine.node,
        started_at=started_at,
        completed_at=completed_at,
        method=method[:300],
        checks=list(checks),
        devices=list(devices),
        verified=verified,
    )
    if not verified:
        failed = "; ".join(f"{check['name']}: {check['detail']}" for check in checks if not check["passed"])
        wipe_failed(machine=machine, reason="wipe_not_proven", detail=failed, now=completed_at)
        return wiped
    machine.move_to(
        MachineState.WIPED, at=completed_at, reason=machine.reason, step="", detail="", next_attempt_at=None
    )
    machine.node.move_to(NodeState.AVAILABLE, at=completed_at, reason=wiped.public_id)
    if machine.node_id in node_ids:
        calendar.release(lease=lease, node_ids=[machine.node_id], now=completed_at)
        settle_drain(node=machine.node, now=completed_at)
    settle_end(lease=lease, now=completed_at)
    return wiped


@transaction.atomic
def wipe_failed(*, machine: Machine, reason: str, detail: str, now: datetime) -> None:
    """
    The wipe could not be done or not be proven: the node leaves the stock and staff is told.

    :raises Stale: if the machine was moved meanwhile
    """
    machine.move_to(
        MachineState.WIPE_FAILED,
        at=now,
        reason=reason,
        detail=detail[:300],
        step="",
        next_attempt_at=None if machine.access_ended_at else now,  # a tenant who may still get in is to be contained
    )
    machine.node.move_to(NodeState.WIPE_FAILED, at=now, reason=machine.public_id)
    record(
        organization=None,
        kind="node.wipe_failed",
        subject=machine.node.public_id,
        actor="system:leasing",
        at=now,
        data={"machine": machine.public_id, "reason": reason, "detail": detail[:300]},
    )
    settle_end(lease=machine.lease, now=now)


@transaction.atomic
def wipe_again(*, machine: Machine, actor: str, now: datetime) -> None:
    """
    Staff's way out of a failed wipe: try once more.

    :raises IllegalMove: if the machine's last wipe did not fail
    """
    if machine.state != MachineState.WIPE_FAILED:  # the table also leads here from machines that a tenant is on
        raise IllegalMove(machine, MachineState.WIPING)
    deadline = now + timedelta(seconds=machine.lease.terms.cleaning_seconds)
    machine.move_to(
        MachineState.WIPING,
        at=now,
        actor=actor,
        deadline=deadline,
        next_attempt_at=now,
        attempts=0,
        step="wiping again",
    )
    machine.node.move_to(NodeState.WIPING, at=now, actor=actor, reason=machine.public_id, deadline=deadline)
    record(
        organization=None,
        kind="node.wipe_again",
        subject=machine.node.public_id,
        actor=actor,
        at=now,
        data={"machine": machine.public_id},
    )
