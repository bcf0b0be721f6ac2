"""
Containment: a host that does not let us end its former tenant's access loses its power.

Found by state: `wipe_failed` without `access_ended_at`. Switched off by the site's worker, which alone reaches the
management controllers: take, act, apply, as in `provisioning`. Safe to run twice, late, or never.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from accounts import clock, failpoints
from leasing import operations, working
from leasing.models import Machine
from leasing.power import PowerError
from leasing.powering import power_for
from leasing.provisioning import lock
from leasing.states import MachineState
from marketplace.models import Site

log = logging.getLogger(__name__)

failpoints.register("containment.taken", "containment.acted", "containment.applied")
LONGEST_PAUSE = 300  # seconds between two attempts


class NoController(PowerError):
    """The node has no BMC: somebody has to go there, or to cut it off by other means."""


def due(*, now: datetime) -> Q:
    """The machines whose node somebody may switch off now."""
    return working.free(now=now) & Q(state=MachineState.WIPE_FAILED, access_ended_at=None, contained_at=None)


def contain_due(*, site: Site, now: datetime) -> bool:
    """Switch off a node at the site whose former tenant may still get in. False when none was due."""
    machine = take(site=site, now=now)
    if machine is None:
        return False
    failpoints.reached("containment.taken")
    with working.renewed(machine):
        error = switch_off(machine)
    failpoints.reached("containment.acted")
    apply(machine=machine, error=error, now=clock.now())
    failpoints.reached("containment.applied")
    return True


@transaction.atomic
def take(*, site: Site, now: datetime) -> Machine | None:
    """One of them, for this worker alone, with the attempt counted before it is made: a later wipe must know of it."""
    machine = working.take(Machine.objects.filter(due(now=now), node__pool__site=site), now=now)
    if machine is None:
        return None
    working.mine(machine).update(contain_attempts=F("contain_attempts") + 1)
    return working.mine(machine).select_related("node__pool", "lease").first()


def switch_off(machine: Machine) -> PowerError | None:
    """Off, hard, and seen off; or why not. No transaction is open."""
    try:
        power = power_for(machine)
        if power is None:
            return NoController(f"{machine.node.name} has no BMC. Cut it off at the site.")
        power.off()
    except PowerError as error:
        return error
    return None


@transaction.atomic
def apply(*, machine: Machine, error: PowerError | None, now: datetime) -> bool:
    """Write down how it went, whatever became of the machine meanwhile. False if another worker has taken it."""
    mine = lock(machine, work_epoch=machine.work_epoch)
    if mine is None:
        return False
    if error is None:
        operations.contained(machine=mine, now=now)
    else:
        log.error("%s on %s is not contained: %s", mine, mine.node, error)
        pause = timedelta(seconds=min(2**mine.contain_attempts, LONGEST_PAUSE))
        again_at = None if isinstance(error, NoController) else now + pause
        operations.not_contained(machine=mine, detail=str(error), again_at=again_at, now=now)
    working.let_go(mine)
    return True
