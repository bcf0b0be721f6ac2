"""Agreed time that a customer gives back: all that is left of it, or its last part. It returns to stock at once."""

from copy import copy
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts.models import Statement, insert
from accounts.operations import record
from leasing.models import ChangeKind, Claim, Lease, LeaseChange, Machine
from leasing.operations import calendar
from leasing.operations.ending import end_locked, lock_lease
from leasing.operations.extending import WindowRefused
from leasing.queries import OF_LEASE
from leasing.queries.extension import ENDS_AT, LEASE
from leasing.states import SERVING, LeaseState
from marketplace.queries import Refusal, first_end, occupied

SHORTENED_IN = frozenset({LeaseState.SCHEDULED, LeaseState.ACTIVE})
# Out of these something that was agreed is handed back; a hold is no agreement yet.
AGREED = frozenset({LeaseState.SCHEDULED, LeaseState.PROVISIONING, LeaseState.ACTIVE, LeaseState.PAUSED})


@transaction.atomic
def give_back(*, lease: Lease, actor: str, now: datetime) -> LeaseChange | None:
    """
    End a lease because its customer wants it: always accepted, as `end` is.

    Returns what that frees of an agreed window, with its lease as it was before; None where there is nothing, also when
    it was given back before.
    """
    node_ids = calendar.lock_nodes_of(lease)
    before = lock_lease(lease)
    nodes = _nodes(before)
    end_locked(lease=copy(before), node_ids=node_ids, reason="returned", actor=actor, now=now)
    if before.state not in AGREED or before.ends_at is None or before.ends_at <= now:
        return None
    kind = ChangeKind.CANCELLED if before.state == LeaseState.SCHEDULED else ChangeKind.RETURNED
    left = before.starts_at if kind == ChangeKind.CANCELLED else max(before.starts_at, now)
    return _write(before, kind=kind, old=before.ends_at, new=left, nodes=nodes, actor=actor, now=now)


@transaction.atomic
def shorten(*, lease: Lease, ends_at: datetime, actor: str, now: datetime) -> LeaseChange | None:
    """
    Let a lease end earlier; what lies behind the new end is free for others at once, cleaning time excepted. One that
    extended itself does so no more: it would take that time back.

    Returns what that frees, with its lease as it was before; None if it ends then already.

    :raises WindowRefused: if its state or its terms do not allow it
    """
    calendar.lock_nodes_of(lease)
    before = lock_lease(lease)
    if before.ends_at == ends_at:
        return None
    old = check_shorter(before, ends_at=ends_at, now=now)
    nodes = _nodes(before)
    claims = Claim.objects.filter(lease=before, released_at=None, node__in=nodes)
    calendar.set_end(claims=claims, ends_at=occupied(before.terms, before.starts_at, ends_at).ends_at)
    Lease.objects.filter(pk=before.pk).update(
        ends_at=ends_at,
        guaranteed_until=ends_at,
        auto_extend_seconds=None,
        auto_extend_max_micros=None,
        end_notice_at=None,
        setup_version=F("setup_version") + 1,  # hosts learn of the new deadline by the version
    )
    record(
        organization=before.organization,
        kind="lease.shortened",
        subject=before.public_id,
        actor=actor,
        at=now,
        data={
            "name": before.name,
            "ends_at": ends_at.isoformat(),
            "ended_at_before": old.isoformat(),
            "auto_extend_off": before.auto_extend_seconds is not None,
        },
    )
    return _write(before, kind=ChangeKind.SHORTENED, old=old, new=ends_at, nodes=nodes, actor=actor, now=now)


def check_shorter(lease: Lease, *, ends_at: datetime, now: datetime) -> datetime:
    """
    Whether the lease may end then. Returns its end as it is now.

    :raises WindowRefused: if it may not
    """
    old = lease.ends_at
    if old is None:
        raise _refused(LEASE, "This lease has no agreed end: return it whenever you like, at no cost.")
    if lease.over or lease.state == LeaseState.RECLAIMING:
        raise _refused(LEASE, "The lease is over: order a new one instead.")
    if lease.state not in SHORTENED_IN:
        raise _refused(LEASE, "Only a lease that is scheduled or active can be shortened: return it, or ask again.")
    if ends_at <= now:
        raise _refused(ENDS_AT, f"Choose an end after now ({now:%Y-%m-%d %H:%M} UTC), or return the lease.")
    if ends_at >= old:
        raise _refused(ENDS_AT, f"Choose an end before the present one, {old:%Y-%m-%d %H:%M} UTC.")
    if (first := next_end(lease, ends_at)) != ends_at:
        raise _refused(ENDS_AT, f"On its terms the next end from then on is {first:%Y-%m-%d %H:%M} UTC.")
    return old


def _refused(field: str, message: str) -> WindowRefused:
    return WindowRefused(Refusal(field, message))


def next_end(lease: Lease, wanted: datetime) -> datetime:
    """The first end from `wanted` on that the lease's terms allow; its present one if there is none before."""
    terms = lease.terms
    shortest = lease.starts_at + timedelta(seconds=terms.min_seconds)
    return min(first_end(terms, lease.starts_at, max(wanted, shortest)), lease.last_moment)


def _nodes(lease: Lease) -> list[int]:
    """The nodes that serve the lease, or will; not those that were replaced and are being wiped."""
    return [machine.node_id for machine in SERVING_IT.rows(lease=lease.pk)]


SERVING_IT = Statement(
    lambda: Machine.objects.filter(lease=OF_LEASE, state__in=sorted(SERVING)).only("node_id").order_by("node_id")
)


def _write(
    lease: Lease, *, kind: ChangeKind, old: datetime, new: datetime, nodes: list[int], actor: str, now: datetime
) -> LeaseChange:
    change = LeaseChange(
        lease=lease,
        kind=kind,
        at=now,
        actor=actor,
        old_starts_at=lease.starts_at,
        old_ends_at=old,
        new_starts_at=lease.starts_at,
        new_ends_at=new,
        nodes=nodes,
    )
    insert(change)
    return change
