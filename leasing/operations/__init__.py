"""What can be done to leases. Locks have one order: node calendars ascending, the lease, its machines, their nodes."""

from leasing.operations.booking import NodesTaken, Setup, confirm, expire, hold, rename
from leasing.operations.containment import contained, not_contained
from leasing.operations.ending import end, settle_end
from leasing.operations.pausing import pause, paused, resume
from leasing.operations.renewing import renew
from leasing.operations.starting import deploy, fail_start, machine_ready, start
from leasing.operations.wiping import record_wipe, wipe_again, wipe_failed

__all__ = [
    "NodesTaken",
    "Setup",
    "confirm",
    "contained",
    "deploy",
    "end",
    "expire",
    "fail_start",
    "hold",
    "machine_ready",
    "not_contained",
    "pause",
    "paused",
    "record_wipe",
    "rename",
    "renew",
    "resume",
    "settle_end",
    "start",
    "wipe_again",
    "wipe_failed",
]
