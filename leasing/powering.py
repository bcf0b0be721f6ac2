"""What a site's worker does through the management controllers (BMCs) of nodes while it works on a machine."""

import time
from datetime import datetime

from django.db.models import F

from accounts import clock
from leasing.models import Machine
from leasing.power import Power, PowerError, power_of
from leasing.provisioners import provisioner_for
from leasing.provisioners.base import Host, HostUnfit, ProvisionerError, Unreachable
from leasing.working import mine, note

LOOK_EVERY = 2.0  # seconds between two looks at whether a restarted host answers
NOBODY = "mc_nobody"  # a machine that no host has


def power_for(machine: Machine) -> Power | None:
    """
    The switch of the machine's node, for as long as this worker holds the machine; None without a BMC.

    :raises PowerError: if its password or its address cannot be read
    """
    return power_of(machine.node, ours=mine(machine).exists)


def switch_on_again(machine: Machine, host: Host) -> None:
    """
    Give a node its power back that was contained, or whose restart somebody else's work has overtaken. Its host answers
    a while later.

    :raises Unreachable: if that did not work, and its host does not answer either
    """
    if not machine.contain_attempts:
        return
    note(machine, "switching the node on")
    try:
        if (power := power_for(machine)) is not None:
            power.on()
    except PowerError as error:
        _must_answer(host, error)
    # From here on its power is unknown to us: another containment begins anew.
    mine(machine).update(contained_at=None, contain_attempts=0)


def _must_answer(host: Host, error: PowerError) -> None:
    try:
        look_at_host(host)
    except ProvisionerError:
        raise Unreachable(str(error)) from error


def restart_host(machine: Machine, host: Host, deadline: datetime) -> None:
    """
    Break-fix on a machine that this worker holds: take its host's power away, give it back, and return once it answers.
    Who takes the machine over in between knows by `contain_attempts` that the host may have no power.

    :raises HostUnfit: if the node has no BMC
    :raises Unreachable: if its power could not be switched, or it does not answer at the deadline
    """
    try:
        power = power_for(machine)
        if power is None:
            raise HostUnfit(f"{machine.node.name} has no BMC, so it cannot be restarted from outside.")
        mine(machine).update(contain_attempts=F("contain_attempts") + 1)
        power.cycle()
    except PowerError as error:
        raise Unreachable(str(error)) from error
    mine(machine).update(contain_attempts=0)
    _await(host, deadline)


def _await(host: Host, deadline: datetime) -> None:
    """Look at the host until it answers; at least once."""
    while True:
        try:
            look_at_host(host)
        except Unreachable:
            if clock.now() >= deadline:
                raise
            time.sleep(LOOK_EVERY)
        else:
            return


def look_at_host(host: Host) -> None:
    """
    One look at whether the host answers.

    :raises ProvisionerError: if it does not
    """
    provisioner_for(host.provisioner).observe(host, NOBODY)
