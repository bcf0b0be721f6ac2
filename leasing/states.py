"""The lives of a lease and of a machine, as data. Each state in one sentence of the people who live it."""

from collections.abc import Mapping

from django.db.models import TextChoices


class LeaseState(TextChoices):
    HELD = "held", "held"  # nodes are kept for this order; nothing is owed
    SCHEDULED = "scheduled", "scheduled"  # agreed; begins later
    PROVISIONING = "provisioning", "provisioning"  # machines are being made ready; nothing is charged
    ACTIVE = "active", "active"  # in the customer's hands; the meter runs
    PAUSED = "paused", "paused"  # access is off, data and address are kept; the meter stands still
    RECLAIMING = "reclaiming", "reclaiming"  # given back; machines are being wiped; nothing is charged
    ENDED = "ended", "ended"  # over, wiped and billed
    EXPIRED = "expired", "expired"  # the hold ran out before it was confirmed
    CANCELLED = "cancelled", "cancelled"  # called off before it began
    FAILED = "failed", "failed"  # could not be started; costs 0.00


LEASE_TRANSITIONS: Mapping[str, frozenset[str]] = {
    LeaseState.HELD: frozenset({LeaseState.SCHEDULED, LeaseState.EXPIRED, LeaseState.CANCELLED}),
    LeaseState.SCHEDULED: frozenset({LeaseState.PROVISIONING, LeaseState.CANCELLED}),
    LeaseState.PROVISIONING: frozenset({LeaseState.ACTIVE, LeaseState.FAILED, LeaseState.RECLAIMING}),
    LeaseState.ACTIVE: frozenset({LeaseState.PAUSED, LeaseState.RECLAIMING}),
    LeaseState.PAUSED: frozenset({LeaseState.ACTIVE, LeaseState.RECLAIMING}),
    LeaseState.RECLAIMING: frozenset({LeaseState.ENDED}),
    LeaseState.ENDED: frozenset(),
    LeaseState.EXPIRED: frozenset(),
    LeaseState.CANCELLED: frozenset(),
    LeaseState.FAILED: frozenset(),
}

# Where a state leads by itself once its deadline has passed.
LEASE_FAILED_TWIN: Mapping[str, str] = {
    LeaseState.HELD: LeaseState.EXPIRED,
    LeaseState.PROVISIONING: LeaseState.FAILED,
    LeaseState.PAUSED: LeaseState.RECLAIMING,
    LeaseState.RECLAIMING: LeaseState.ENDED,
}

LEASE_OVER = frozenset({LeaseState.ENDED, LeaseState.EXPIRED, LeaseState.CANCELLED, LeaseState.FAILED})
LEASE_UNCOUNTED = LEASE_OVER | {LeaseState.RECLAIMING}  # whose nodes its customer has no longer
METERED = frozenset({LeaseState.ACTIVE})


class MachineState(TextChoices):
    PENDING = "pending", "waiting for its start"  # nothing was done on the node yet
    PREPARING = "preparing", "being made ready"
    READY = "ready", "ready"  # health check passed and the customer's own SSH path answered
    SERVICING = "servicing", "being serviced"  # keys, deadline or a break-fix; the lease goes on
    PAUSING = "pausing", "being paused"
    PAUSED = "paused", "paused"  # tenant stopped; data, keys and address kept
    RESUMING = "resuming", "being resumed"
    WIPING = "wiping", "being wiped"  # access off, then deleted, wiped and verified
    WIPED = "wiped", "wiped"  # proof on record
    WIPE_FAILED = "wipe_failed", "wipe failed"  # not proven clean: only another wipe leads on
    WITHDRAWN = "withdrawn", "withdrawn"  # called off before anything was done


MACHINE_TRANSITIONS: Mapping[str, frozenset[str]] = {
    MachineState.PENDING: frozenset({MachineState.PREPARING, MachineState.WITHDRAWN}),
    MachineState.PREPARING: frozenset({MachineState.READY, MachineState.WIPING}),
    MachineState.READY: frozenset({MachineState.SERVICING, MachineState.PAUSING, MachineState.WIPING}),
    MachineState.SERVICING: frozenset({MachineState.READY, MachineState.PAUSING, MachineState.WIPING}),
    MachineState.PAUSING: frozenset({MachineState.PAUSED, MachineState.WIPING}),
    MachineState.PAUSED: frozenset({MachineState.PAUSING, MachineState.RESUMING, MachineState.WIPING}),
    MachineState.RESUMING: frozenset(
        {MachineState.READY, MachineState.PAUSING, MachineState.PAUSED, MachineState.WIPING}
    ),
    MachineState.WIPING: frozenset({MachineState.WIPED, MachineState.WIPE_FAILED}),
    MachineState.WIPED: frozenset(),
    MachineState.WIPE_FAILED: frozenset({MachineState.WIPING}),
    MachineState.WITHDRAWN: frozenset(),
}

# A worker acts on these; each has a deadline, and this is what it becomes when the deadline passes.
MACHINE_FAILED_TWIN: Mapping[str, str] = {
    MachineState.PREPARING: MachineState.WIPING,
    MachineState.SERVICING: MachineState.READY,  # what was not done is told; looks at its health say how it is
    MachineState.PAUSING: MachineState.PAUSED,
    MachineState.RESUMING: MachineState.PAUSED,
    MachineState.WIPING: MachineState.WIPE_FAILED,
}

# What a worker may be wanted for: these, and a host to be switched off since its tenant's access could not be ended.
WORKED_ON = frozenset({*MACHINE_FAILED_TWIN, MachineState.WIPE_FAILED})
MACHINE_AT_REST = frozenset({MachineState.WIPED, MachineState.WIPE_FAILED, MachineState.WITHDRAWN})
# The machines that serve a lease now; the others are its past.
SERVING = frozenset(
    {
        MachineState.PENDING,
        MachineState.PREPARING,
        MachineState.READY,
        MachineState.SERVICING,
        MachineState.PAUSING,
        MachineState.PAUSED,
        MachineState.RESUMING,
    }
)
IN_HANDS = frozenset({MachineState.READY, MachineState.SERVICING})  # the tenant is on it, or may be


class EnrolmentState(TextChoices):
    REACHING = "reaching", "being reached"  # first login; the host key is pinned and the operator's key admitted
    INSPECTING = "inspecting", "being inspected"  # its parts are read and matched to a node type
    MEASURING = "measuring", "being measured"  # burn-in against the type's targets
    PASSED = "passed", "passed"  # the node is in stock
    FAILED = "failed", "failed"  # `detail` says why; nothing of a new host is kept but this row
    WITHDRAWN = "withdrawn", "withdrawn"  # called off by staff


ENROLMENT_TRANSITIONS: Mapping[str, frozenset[str]] = {
    EnrolmentState.REACHING: frozenset({EnrolmentState.INSPECTING, EnrolmentState.FAILED, EnrolmentState.WITHDRAWN}),
    EnrolmentState.INSPECTING: frozenset({EnrolmentState.MEASURING, EnrolmentState.FAILED, EnrolmentState.WITHDRAWN}),
    EnrolmentState.MEASURING: frozenset({EnrolmentState.PASSED, EnrolmentState.FAILED, EnrolmentState.WITHDRAWN}),
    EnrolmentState.PASSED: frozenset(),
    EnrolmentState.FAILED: frozenset(),
    EnrolmentState.WITHDRAWN: frozenset(),
}
ENROLMENT_FAILED_TWIN: Mapping[str, str] = {
    EnrolmentState.REACHING: EnrolmentState.FAILED,
    EnrolmentState.INSPECTING: EnrolmentState.FAILED,
    EnrolmentState.MEASURING: EnrolmentState.FAILED,
}


class InterruptionState(TextChoices):
    SCHEDULED = "scheduled", "announced"  # notice is given; the lease runs, and is paid for, until it begins
    PAUSING = "pausing", "being paused"  # its machines are being stopped; nothing is charged
    PAUSED = "paused", "paused"  # no power is drawn; data, keys and address are kept
    RESUMING = "resuming", "being resumed"  # power is back; its machines are being started
    RESUMED = "resumed", "over"  # the lease runs again
    CALLED_OFF = "called_off", "called off"  # before it began, or since the lease was over or its time had passed
    FAILED = "failed", "failed"  # hosts did not obey in time; they go on being told to resume


INTERRUPTION_TRANSITIONS: Mapping[str, frozenset[str]] = {
    InterruptionState.SCHEDULED: frozenset({InterruptionState.PAUSING, InterruptionState.CALLED_OFF}),
    InterruptionState.PAUSING: frozenset(
        {InterruptionState.PAUSED, InterruptionState.FAILED, InterruptionState.CALLED_OFF}
    ),
    InterruptionState.PAUSED: frozenset({InterruptionState.RESUMING, InterruptionState.CALLED_OFF}),
    InterruptionState.RESUMING: frozenset(
        {InterruptionState.RESUMED, InterruptionState.FAILED, InterruptionState.CALLED_OFF}
    ),
    InterruptionState.RESUMED: frozenset(),
    InterruptionState.CALLED_OFF: frozenset(),
    InterruptionState.FAILED: frozenset(),
}
# Where a state leads by itself once its deadline has passed.
INTERRUPTION_FAILED_TWIN: Mapping[str, str] = {
    InterruptionState.SCHEDULED: InterruptionState.PAUSING,
    InterruptionState.PAUSING: InterruptionState.FAILED,
    InterruptionState.PAUSED: InterruptionState.RESUMING,
    InterruptionState.RESUMING: InterruptionState.FAILED,
}
INTERRUPTION_OPEN = frozenset(INTERRUPTION_FAILED_TWIN)
WITHOUT_POWER = frozenset({InterruptionState.PAUSING, InterruptionState.PAUSED})  # the lease may not be resumed

POWER = "power"  # the reason of a lease, and of its machines, that are paused for power: no matter of money


class StandbyState(TextChoices):
    PLANNED = "planned", "kept free"  # its node is on no offer for the time, and has power still
    SWITCHING_OFF = "switching_off", "being switched off"  # its operating system is asked first; it counts as load
    OFF = "off", "off"  # it was seen without power
    SWITCHING_ON = "switching_on", "being switched on"  # it counts as load again, and has to answer
    OVER = "over", "over"  # it answers, and proves itself before it is offered again
    CALLED_OFF = "called_off", "called off"  # before it began
    FAILED = "failed", "failed"  # it does not come back: it stays in maintenance, and staff is told


STANDBY_TRANSITIONS: Mapping[str, frozenset[str]] = {
    StandbyState.PLANNED: frozenset({StandbyState.SWITCHING_OFF, StandbyState.CALLED_OFF}),
    StandbyState.SWITCHING_OFF: frozenset({StandbyState.OFF, StandbyState.SWITCHING_ON}),
    StandbyState.OFF: frozenset({StandbyState.SWITCHING_ON}),
    StandbyState.SWITCHING_ON: frozenset({StandbyState.OVER, StandbyState.FAILED}),
    StandbyState.OVER: frozenset(),
    StandbyState.CALLED_OFF: frozenset(),
    StandbyState.FAILED: frozenset(),
}
# Where a state leads by itself once its deadline has passed: what was not seen off goes back on sale.
STANDBY_FAILED_TWIN: Mapping[str, str] = {
    StandbyState.PLANNED: StandbyState.CALLED_OFF,
    StandbyState.SWITCHING_OFF: StandbyState.SWITCHING_ON,
    StandbyState.OFF: StandbyState.SWITCHING_ON,
    StandbyState.SWITCHING_ON: StandbyState.FAILED,
}
SWITCHED = frozenset({StandbyState.SWITCHING_OFF, StandbyState.SWITCHING_ON})  # a worker acts on these
