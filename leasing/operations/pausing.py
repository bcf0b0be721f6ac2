"""Access off and the meter still, with data, keys, address and nodes kept; and back again."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.operations import Words, record
from leasing.models import Lease, Machine
from leasing.models.work import FENCED
from leasing.operations import outages
from leasing.operations.activating import activate_ready
from leasing.queries.interruptions import without_power
from leasing.states import IN_HANDS, LeaseState, MachineState

WORK_LIMIT = timedelta(minutes=10)  # for a worker to pause or resume a machine
UNDONE = ("host_failed", "pausing_deadline", "resuming_deadline")  # why a machine is paused in name only, perhaps

# Why it is paused, what makes it go on, and the page to do that on.
WORDS = {
    "out_of_funds": ("The wallet is empty", "Top up before then", "/wallet/"),
}


@transaction.atomic
def pause(
    *, lease: Lease, reason: str, until: datetime, actor: str, now: datetime, notice: Words | None = None
) -> None:
    """
    Pause an active lease. Unless it is resumed by `until` it ends then and its data is wiped. `notice` is the mail,
    where the reason has no WORDS, or others are right for who pays.

    :raises IllegalMove: if it is not active
    :raises Stale: if somebody else moved it meanwhile
    """
    lease.move_to(LeaseState.PAUSED, at=now, reason=reason, actor=actor, deadline=until)
    outages.end_all(lease=lease, now=now)
    for machine in lease.machines.filter(state__in=IN_HANDS):
        _to_pausing(machine, reason=reason, now=now)
    record(
        organization=lease.organization,
        kind="lease.paused",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "reason": reason, "until": until.isoformat()},
        notice=notice or _words(lease, reason, until),
    )


@transaction.atomic
def pause_again(*, machine: Machine, now: datetime) -> None:
    """
    A machine does not stand still as its lease does: its host could not be told so, it stopped half-way in resuming, or
    was on its way up when the lease was paused. Tell its host again.

    :raises Stale: if the machine was moved meanwhile
    """
    lease = Lease.objects.select_for_update(of=("self",)).get(pk=machine.lease_id)
    _to_pausing(machine, reason=lease.reason, now=now)


def paused(*, machine: Machine, reason: str, now: datetime) -> None:
    """
    A machine stands still, with everything of the tenant kept. Also where one lands that could not be resumed in time.

    :raises Stale: if the machine was moved meanwhile
    """
    machine.move_to(MachineState.PAUSED, at=now, reason=reason, step="", next_attempt_at=None)


@transaction.atomic
def resume(*, lease: Lease, actor: str, now: datetime) -> None:
    """
    Start the paused machines again; the lease is active, and metered, once all of them answer; at once if it has none
    left, for its replacement failed meanwhile. While there is no power for it nothing is started: who wants it resumed
    asks again.
    """
    lease = Lease.objects.select_for_update(of=("self",)).get(pk=lease.pk)  # else it could end between two of our reads
    if without_power(lease):
        return
    for machine in lease.machines.filter(state=MachineState.PAUSED):
        machine.move_to(
            MachineState.RESUMING,
            at=now,
            actor=actor,
            deadline=now + WORK_LIMIT,
            next_attempt_at=now,
            attempts=0,
            step="resuming",
        )
    if lease.state == LeaseState.PAUSED:
        activate_ready(lease=lease, now=now)


def _words(lease: Lease, reason: str, until: datetime) -> Words:
    why, then, page = WORDS[reason]
    return {
        "title": f"{lease.name} is paused",
        "text": f"{why}, so access is off and nothing is charged. Your data, keys and address are kept until "
        f"{until:%Y-%m-%d %H:%M} UTC. {then} and the lease goes on by itself.",
        "path": page,
    }


def _to_pausing(machine: Machine, *, reason: str, now: datetime) -> None:
    machine.move_to(
        MachineState.PAUSING,
        at=now,
        reason=reason,
        service="",
        deadline=now + WORK_LIMIT,
        next_attempt_at=now,
        attempts=0,
        step="pausing",
        **FENCED,
    )
