"""Giving nodes back. Always accepted; the meter stops with the request, not with the wipe."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import Stale, Statement, as_json
from accounts.operations import record, unwritten
from accounts.prepared import ask
from leasing.models import Claim, Lease, Machine
from leasing.models.work import FENCED
from leasing.operations import calendar, outages
from leasing.operations.interrupting import lease_over
from leasing.queries import OF_LEASE
from leasing.states import LEASE_OVER, MACHINE_AT_REST, SERVING, LeaseState, MachineState
from marketplace.states import NodeState

WORDS = {
    "returned": "It was given back.",
    "period_over": "Its period is over.",
    "guarantee_over": "Its guaranteed time is over and the nodes are booked by somebody else.",
    "maintenance": "Its guaranteed time is over and maintenance of a node is planned.",
    "not_renewed": "Its guaranteed time is over: we could not renew it in time, and nobody else has booked the nodes.",
    "no_firm_power": "Its guaranteed time is over and its site has not enough firm power for more.",
    "node_failed": "Its node did not come back after the pause.",
    "out_of_funds": "Too little money was left; the data was kept for the promised time and is now being wiped.",
    "budget_reached": "Its budget was not raised; the data was kept for the promised time and is now being wiped.",
    "power": "It could not be resumed within a day after its interruption was to be over.",
}


@transaction.atomic
def end(*, lease: Lease, reason: str, actor: str, now: datetime) -> Lease:
    """
    End a lease, whatever its state. Before its start it is cancelled; after that its machines are wiped.

    Ending one that has ended changes nothing. Returns the lease as it is now.
    """
    node_ids = calendar.lock_nodes_of(lease)
    lease = lock_lease(lease)
    end_locked(lease=lease, node_ids=node_ids, reason=reason, actor=actor, now=now)
    return lease


def lock_lease(lease: Lease) -> Lease:
    """The lease, locked behind its nodes, as it is then, with its terms and its organization."""
    found = LOCKED.first(lease=lease.pk)
    if found is None:
        raise Lease.DoesNotExist
    return found


def end_locked(*, lease: Lease, node_ids: list[int], reason: str, actor: str, now: datetime) -> None:
    """As `end`, of a lease that is locked behind its nodes."""
    if lease.state in LEASE_OVER or lease.state == LeaseState.RECLAIMING:
        return
    if lease.state in {LeaseState.HELD, LeaseState.SCHEDULED}:
        _cancel(lease, node_ids=node_ids, reason=reason, actor=actor, now=now)
    else:
        _reclaim(lease, reason=reason, actor=actor, now=now)


LOCKED = Statement(
    lambda: Lease.objects.select_for_update(of=("self",)).select_related("terms", "organization").filter(pk=OF_LEASE)
)
CANCEL = "SELECT leasing_cancel(%s, %s, %s, %s::bigint[], %s, %s, %s, %s)"  # in booking.sql, beside this file


def _cancel(lease: Lease, *, node_ids: list[int], reason: str, actor: str, now: datetime) -> None:
    told = unwritten(
        organization=lease.organization,
        kind="lease.cancelled",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "reason": reason},
    )
    given = [lease.pk, lease.state, lease.version, node_ids, as_json([told]), reason, actor, now]
    if ask(CANCEL, given) != [(True,)]:
        raise Stale(lease)
    lease.state, lease.version, lease.state_since = LeaseState.CANCELLED, lease.version + 1, now
    lease.reason, lease.deadline, lease.environment = reason, None, ""


def _reclaim(lease: Lease, *, reason: str, actor: str, now: datetime) -> None:
    deadline, meter = now + timedelta(seconds=lease.terms.cleaning_seconds), _meter_words(lease, now)
    lease.move_to(LeaseState.RECLAIMING, at=_access_ended_at(lease, now), reason=reason, actor=actor, deadline=deadline)
    outages.end_all(lease=lease, now=now)
    lease_over(lease=lease, actor=actor, now=now)
    let_go_of_machines(lease=lease, reason=reason, actor=actor, now=now)
    record(
        organization=lease.organization,
        kind="lease.reclaiming",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "reason": reason},
        notice={
            "title": f"{lease.name} has ended",
            "text": f"{WORDS.get(reason, 'It was ended.')} {meter} The nodes are being wiped now.",
            "path": f"/leases/{lease.public_id}/",
        },
    )
    settle_end(lease=lease, now=now)


def _meter_words(lease: Lease, now: datetime) -> str:
    """When the meter of a lease that ends now stopped: with a pause, or at its last moment, which was found late."""
    if lease.state == LeaseState.PROVISIONING:
        return "The meter had not started."
    stopped_at = lease.state_since if lease.state == LeaseState.PAUSED else _access_ended_at(lease, now)
    return f"The meter stopped at {stopped_at:%Y-%m-%d %H:%M:%S} UTC."


def _access_ended_at(lease: Lease, now: datetime) -> datetime:
    """Hosts end access at the last moment that they were told, also where our sweep comes late: no use is behind it."""
    return max(lease.state_since, min(now, lease.last_moment)) if lease.state == LeaseState.ACTIVE else now


def let_go_of_machines(*, lease: Lease, reason: str, actor: str, now: datetime) -> None:
    """Let go of every machine that serves the lease. The calendars must be locked."""
    for machine in lease.machines.filter(state__in=SERVING).select_related("node").order_by("node_id"):
        let_go_of(machine=machine, lease=lease, reason=reason, actor=actor, now=now)


def let_go_of(*, machine: Machine, lease: Lease, reason: str, actor: str, now: datetime) -> None:
    """
    Withdraw a machine on whose node nothing was done yet, and free the node; hand any other to the workers to be wiped.

    The calendars must be locked.

    :raises Stale: if the machine was moved meanwhile
    """
    if machine.state == MachineState.PENDING:
        machine.move_to(MachineState.WITHDRAWN, at=now, reason=reason, actor=actor)
        calendar.release(lease=lease, node_ids=[machine.node_id], now=now)
    else:
        _to_wiping(machine=machine, lease=lease, reason=reason, now=now)


def _to_wiping(*, machine: Machine, lease: Lease, reason: str, now: datetime) -> None:
    """Hand a touched machine to the workers to be wiped; its claim shrinks to the cleaning time."""
    deadline = now + timedelta(seconds=lease.terms.cleaning_seconds)
    machine.move_to(
        MachineState.WIPING,
        at=now,
        reason=reason,
        deadline=deadline,
        step="removing access",
        next_attempt_at=now,
        attempts=0,
        **FENCED,
    )
    machine.node.move_to(NodeState.WIPING, at=now, reason=machine.public_id, deadline=deadline)
    claims = Claim.objects.filter(lease=lease, node_id=machine.node_id, released_at=None)
    calendar.set_end(claims=claims, ends_at=deadline)


@transaction.atomic
def settle_end(*, lease: Lease, now: datetime) -> None:
    """Call a reclaiming lease ended once all its machines are at rest or its deadline has passed."""
    lease.refresh_from_db()
    if lease.state != LeaseState.RECLAIMING:
        return
    late = lease.deadline is not None and lease.deadline <= now
    if late or not lease.machines.exclude(state__in=MACHINE_AT_REST).exists():
        lease.move_to(LeaseState.ENDED, at=now, reason=lease.reason, environment="")  # its secrets are forgotten
        record(
            organization=lease.organization,
            kind="lease.ended",
            subject=lease.public_id,
            actor="system:leasing",
            at=now,
            data={"name": lease.name, "reason": lease.reason, "wiped": not late},
        )
