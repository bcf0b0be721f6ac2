"""
Interrupting a surplus lease for want of power: announced, answered by the tenant, begun, and over.

The lease is locked before its interruption. Miners buy the time of the notice, so no lease is paused before it: the
database refuses that, and more than the terms allow in 30 days.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts.models import IllegalMove
from leasing.models import Interruption, InterruptionCause, Lease, Machine
from leasing.operations import interruption_notices as notices
from leasing.operations.pausing import UNDONE, WORK_LIMIT, pause, pause_again, resume
from leasing.queries.interruptions import more_left, why_not
from leasing.states import INTERRUPTION_OPEN, POWER, SERVING, InterruptionState, LeaseState, MachineState

ACTOR = "system:leasing"
RESUME_LIMIT = timedelta(hours=1)  # for all machines to answer again; then staff is told, and they go on being told to
KEPT = timedelta(days=1)  # behind the planned end: a lease that cannot be resumed by then ends
SECOND = timedelta(seconds=1)
# What draws power although its lease is paused: it is being resumed, or waits for others that are.
ON_ITS_WAY = frozenset({MachineState.RESUMING, MachineState.READY})
S = InterruptionState


class CannotInterrupt(Exception):
    """
    The lease cannot be interrupted so, or its interruption not be answered so. The message says the way out, and
    `field` which moment is at fault: "" for neither.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def schedule_interruption(
    *,
    lease: Lease,
    begins_at: datetime,
    ends_at: datetime,
    cause: InterruptionCause,
    requested_by: str,
    now: datetime,
) -> Interruption:
    """
    Announce that a surplus lease will be paused: by event, by mail, and by a file on its hosts.

    `now` is the database's clock, and the notice is counted from it.

    :raises CannotInterrupt: for another kind of lease, one that does not run or has an interruption, less than its
        notice, or more than its budget
    """
    fresh = _lock_lease(lease)
    if refusal := why_not(fresh, begins_at=begins_at, ends_at=ends_at, now=now):
        field, message = refusal
        raise CannotInterrupt(message, field=field)
    made = Interruption.objects.create(
        lease=fresh,
        cause=cause,
        requested_by=requested_by,
        noticed_at=now,
        notice_seconds=fresh.terms.notice_seconds,
        begins_at=begins_at,
        ends_at=ends_at,
        state=S.SCHEDULED,
        state_since=now,
        deadline=begins_at,
    )
    made.begin(at=now, actor=requested_by)
    _hosts_hear(fresh)
    notices.tell_scheduled(made, actor=requested_by, now=now)
    return made


@transaction.atomic
def call_off(*, interruption: Interruption, actor: str, now: datetime) -> Interruption:
    """
    Let an announced interruption not take place.

    :raises IllegalMove: if it has begun, or is over
    """
    row = _lock(interruption)
    if row.state != S.SCHEDULED:
        raise IllegalMove(row, S.CALLED_OFF)
    _call_off(row, reason="called_off", actor=actor, now=now, mail=True)
    return row


@transaction.atomic
def ready(*, interruption: Interruption, actor: str, now: datetime) -> Interruption:
    """
    The tenant is done before the notice is over: the lease is paused at once, and what is left of the promised notice
    is written down in `short_seconds`, to be credited. Asked again it changes nothing.

    :raises CannotInterrupt: if it is not waited for any more, or the lease does not run
    """
    row = _lock(interruption)
    if row.ready_at is not None:
        return row
    if row.state != S.SCHEDULED or row.lease.state != LeaseState.ACTIVE:
        raise CannotInterrupt("Nobody waits for the lease to be ready: its interruption has begun, or is called off.")
    row.ready_at = now
    row.save(update_fields=["ready_at"])
    _begin(row, actor=actor, now=now)
    return row


@transaction.atomic
def ask_for_more(*, interruption: Interruption, seconds: int, actor: str, now: datetime) -> Interruption:
    """
    Let it begin `seconds` later, once; it ends when it was to end. The same asked again changes nothing.

    :raises CannotInterrupt: if it has begun, was moved before, or the terms do not allow so much
    """
    row = _lock(interruption)
    if seconds and row.more_seconds == seconds and row.state == S.SCHEDULED:
        return row
    most = more_left(row) if row.begins_at > now else 0
    if not 1 <= seconds <= most:
        raise CannotInterrupt(_why_no_more(row, most, now))
    begins_at = row.begins_at + timedelta(seconds=seconds)
    row.more_seconds, row.begins_at, row.deadline = seconds, begins_at, begins_at
    row.save(update_fields=["more_seconds", "begins_at", "deadline"])
    _hosts_hear(row.lease)
    notices.tell_moved(row, actor=actor, now=now)
    return row


@transaction.atomic
def power_back(*, interruption: Interruption, actor: str, now: datetime) -> Interruption:
    """
    There is power for the lease again, before the planned end: it is resumed, or not paused at all. Told again, or too
    late, it changes nothing.
    """
    row = _lock(interruption)
    if row.state == S.SCHEDULED:
        _call_off(row, reason="power_back", actor=actor, now=now, mail=True)
    elif row.state in {S.PAUSING, S.PAUSED} and row.power_back_at is None:
        row.power_back_at = now
        row.save(update_fields=["power_back_at"])
        if row.state == S.PAUSED:
            _resume(row, actor=actor, now=now)
    return row


@transaction.atomic
def begin_due(*, interruption: Interruption, now: datetime) -> None:
    """Pause the lease whose notice is over; one of which nobody thought in all its time is called off."""
    row = _lock(interruption)
    if row.state != S.SCHEDULED or row.begins_at > now:
        return
    if row.ends_at <= now:
        _call_off(row, reason="too_late", actor=ACTOR, now=now, mail=True)
    else:
        _begin(row, actor=ACTOR, now=now)


@transaction.atomic
def settle(*, interruption: Interruption, now: datetime) -> None:
    """See how far the hosts of one that is under way have come, and what its deadline brings."""
    row = _lock(interruption)
    if row.state == S.PAUSING:
        _settle_pausing(row, now)
    elif row.state == S.PAUSED and (row.power_back_at or row.ends_at <= now):
        _resume(row, actor=ACTOR, now=now)
    elif row.state == S.RESUMING:
        _settle_resuming(row, now)


def lease_over(*, lease: Lease, actor: str, now: datetime) -> None:
    """The lease, which is locked, ends: so does its interruption."""
    row = Interruption.objects.filter(lease=lease, state__in=INTERRUPTION_OPEN).first()
    if row is not None:
        row.lease = lease
        _call_off(row, reason="lease_over", actor=actor, now=now, mail=False)


def _begin(row: Interruption, *, actor: str, now: datetime) -> None:
    lease = row.lease
    if lease.state == LeaseState.PAUSED:  # for money: it draws no power already, and gets none until this is over
        row.move_to(S.PAUSING, at=now, reason=lease.reason, actor=actor, deadline=now + WORK_LIMIT)
        return
    promised = row.noticed_at + timedelta(seconds=row.notice_seconds)  # what was given beyond that is nobody's loss
    short = max(timedelta(), promised - now) // SECOND
    row.move_to(
        S.PAUSING, at=now, reason=row.cause, actor=actor, deadline=now + WORK_LIMIT, paused_at=now, short_seconds=short
    )
    words = notices.pause_words(row)
    pause(lease=lease, reason=POWER, until=row.ends_at + KEPT, actor=actor, now=now, notice=words)
    notices.tell_started(row, actor=actor, now=now)


def _settle_pausing(row: Interruption, now: datetime) -> None:
    machines = list(Machine.objects.filter(lease=row.lease, state__in=SERVING))
    for late in (machine for machine in machines if machine.state in ON_ITS_WAY):
        pause_again(machine=late, now=now)
    if all(machine.state == MachineState.PAUSED and machine.reason not in UNDONE for machine in machines):
        row.move_to(S.PAUSED, at=now, reason=row.reason, deadline=row.ends_at)
    elif row.deadline is not None and row.deadline <= now:
        _fail(row, reason="not_paused", why="A machine could not be paused in time.", now=now)


def _resume(row: Interruption, *, actor: str, now: datetime) -> None:
    reason = "power_back" if row.power_back_at else "planned_end"
    row.move_to(S.RESUMING, at=now, reason=reason, actor=actor, deadline=now + RESUME_LIMIT)
    if row.lease.reason == POWER:
        resume(lease=row.lease, actor=actor, now=now)


def _settle_resuming(row: Interruption, now: datetime) -> None:
    lease = row.lease
    if lease.state == LeaseState.ACTIVE or lease.reason != POWER:  # what is paused for money waits for that alone
        over_at = max(row.state_since, lease.state_since) if lease.state == LeaseState.ACTIVE else now
        row.move_to(S.RESUMED, at=now, reason=row.reason, over_at=over_at)
        notices.tell_ended(row, now=now)
    elif row.deadline is not None and row.deadline <= now:
        _fail(row, reason="not_resumed", why="Power is back, but a machine could not be resumed in time.", now=now)


def _fail(row: Interruption, *, reason: str, why: str, now: datetime) -> None:
    row.move_to(S.FAILED, at=now, reason=reason, over_at=now)
    notices.tell_failed(row, why=why, now=now)


def _call_off(row: Interruption, *, reason: str, actor: str, now: datetime, mail: bool) -> None:
    row.move_to(S.CALLED_OFF, at=now, reason=reason, actor=actor, over_at=now)
    _hosts_hear(row.lease)
    notices.tell_called_off(row, actor=actor, now=now, mail=mail)


def _why_no_more(row: Interruption, most: int, now: datetime) -> str:
    if row.more_seconds:
        return "More time can be asked for once, and was. Say that you are ready, or wait until it begins."
    if row.state != S.SCHEDULED or row.begins_at <= now:
        return "It has begun, or is called off: there is no more time to ask for."
    return f"Ask for 1 to {most} s more, or for none." if most else "The terms of this lease allow no more time."


def _hosts_hear(lease: Lease) -> None:
    """Machines follow by the lease's version, as with keys: then the tenant finds the news on the host."""
    Lease.objects.filter(pk=lease.pk).update(setup_version=F("setup_version") + 1)


def _lock_lease(lease: Lease) -> Lease:
    rows = Lease.objects.select_for_update(of=("self",)).select_related(
        "terms__plan", "organization", "offer__pool__site"
    )
    return rows.get(pk=lease.pk)


def _lock(interruption: Interruption) -> Interruption:
    lease = _lock_lease(interruption.lease)
    row = Interruption.objects.select_for_update(of=("self",)).get(pk=interruption.pk)
    row.lease = lease
    return row
