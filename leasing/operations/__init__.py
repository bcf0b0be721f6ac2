"""What can be done to leases. Locks have one order: node calendars ascending, the lease, its machines, their nodes."""

from leasing.operations.booking import (
    NodesTaken,
    PowerTaken,
    Setup,
    are_free,
    check_power,
    confirm,
    expire,
    hold,
    next_windows,
    rename,
    tag,
)
from leasing.operations.containment import contained, not_contained
from leasing.operations.end_notices import tell_ending, tell_not_extended
from leasing.operations.ending import end, settle_end
from leasing.operations.extending import BookedBehind, WindowRefused, extend, extend_itself
from leasing.operations.failing import NoEqualNode, move_machine, swap
from leasing.operations.handing_back import check_shorter, give_back, next_end, shorten
from leasing.operations.interrupting import (
    CannotInterrupt,
    ask_for_more,
    call_off,
    power_back,
    ready,
    schedule_interruption,
)
from leasing.operations.keeping import keep
from leasing.operations.moving import move
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
    sealed,
)
from leasing.operations.standing_by import CannotStandBy, power_again, stand_by
from leasing.operations.starting import deploy, fail_start, machine_ready, start
from leasing.operations.wiping import record_wipe, wipe_again, wipe_failed

__all__ = [
    "BadEnvironment",
    "BookedBehind",
    "CannotInterrupt",
    "CannotStandBy",
    "NoEqualNode",
    "NodesTaken",
    "PowerTaken",
    "Setup",
    "SetupRefused",
    "WindowRefused",
    "add_key",
    "are_free",
    "ask_for_more",
    "call_off",
    "check_environment",
    "check_power",
    "check_shorter",
    "choose_on_failure",
    "confirm",
    "contained",
    "deploy",
    "end",
    "expire",
    "extend",
    "extend_itself",
    "fail_start",
    "give_back",
    "hold",
    "keep",
    "machine_ready",
    "move",
    "move_machine",
    "next_end",
    "next_windows",
    "not_contained",
    "pause",
    "pause_again",
    "paused",
    "power_again",
    "power_back",
    "ready",
    "record_wipe",
    "remove_key",
    "rename",
    "renew",
    "resume",
    "schedule_interruption",
    "sealed",
    "service",
    "service_failed",
    "settle_end",
    "shorten",
    "stand_by",
    "start",
    "swap",
    "tag",
    "tell_ending",
    "tell_not_extended",
    "wipe_again",
    "wipe_failed",
]
