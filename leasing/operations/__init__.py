"""What can be done to leases. Locks have one order: node calendars ascending, the lease, its machines, their nodes."""

from leasing.operations.booking import NodesTaken, Setup, confirm, expire, hold, rename
from leasing.operations.containment import contained, not_contained
from leasing.operations.ending import end, settle_end
from leasing.operations.failing import NoEqualNode, swap
from leasing.operations.handing_back import ShortenRefused, check_shorter, give_back, next_end, shorten
from leasing.operations.keeping import keep
from leasing.operations.pausing import pause, pause_again, paused, resume
from leasing.operations.renewing import renew
from leasing.operations.servicing import service, service_failed
from leasing.operations.setup import (
    BadEnvironment,
    SetupRefused,
    add_key,
    check_environment,
    choose_on_failure,
    remove_key,
)
from leasing.operations.starting import deploy, fail_start, machine_ready, start
from leasing.operations.wiping import record_wipe, wipe_again, wipe_failed

__all__ = [
    "BadEnvironment",
    "NoEqualNode",
    "NodesTaken",
    "Setup",
    "SetupRefused",
    "ShortenRefused",
    "add_key",
    "check_environment",
    "check_shorter",
    "choose_on_failure",
    "confirm",
    "contained",
    "deploy",
    "end",
    "expire",
    "fail_start",
    "give_back",
    "hold",
    "keep",
    "machine_ready",
    "next_end",
    "not_contained",
    "pause",
    "pause_again",
    "paused",
    "record_wipe",
    "remove_key",
    "rename",
    "renew",
    "resume",
    "service",
    "service_failed",
    "settle_end",
    "shorten",
    "start",
    "swap",
    "wipe_again",
    "wipe_failed",
]
