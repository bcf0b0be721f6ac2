"""
Nodes on standby are switched off and on by their site's worker, which alone reaches the management controllers: take,
act, apply, as in `working`. Many at once, for a host takes minutes to end. Safe to run twice, late, or never.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from accounts import clock, failpoints
from leasing import working
from leasing.hosts import host_of
from leasing.models import MaintenanceState, Standby
from leasing.operations.standing_by import answers_again, lock_standby, seen_off
from leasing.power import PowerError, power_of
from leasing.powering import look_at_host
from leasing.provisioners.base import ProvisionerError
from leasing.states import SWITCHED, StandbyState
from marketplace.models import Site

log = logging.getLogger(__name__)

failpoints.register("standby.taken", "standby.acted", "standby.applied")
AT_ONCE = 16
GRACE = 120.0  # seconds in which its operating system may end by itself


class NoController(PowerError):
    """The node lost its BMC meanwhile."""


def due(*, now: datetime) -> Q:
    """The standbys that somebody may take now."""
    return working.free(now=now) & Q(state__in=sorted(SWITCHED))


def switch_due(*, site: Site, now: datetime) -> bool:
    """Switch nodes of the site that are to be switched now, some at once. False when none was."""
    rows = _take_some(site, now)
    if not rows:
        return False
    failpoints.reached("standby.taken")
    with ThreadPoolExecutor(len(rows)) as pool:
        list(pool.map(_switch, rows))
    return True


def take(*, site: Site, now: datetime) -> Standby | None:
    """One of them, for this worker alone."""
    mine = working.take(Standby.objects.filter(due(now=now), maintenance__node__pool__site=site), now=now)
    if mine is None:
        return None
    return working.mine(mine).select_related("maintenance__node__pool__node_type__gpu_model").first()


def act(standby: Standby) -> None:
    """
    Off, gently first, and seen off; or on, and its host answers. No transaction is open.

    :raises PowerError: if the controller does not show it
    :raises ProvisionerError: if the host does not answer (yet)
    """
    node = standby.maintenance.node
    power = power_of(node, ours=lambda: still_ours(standby))
    if power is None:
        raise NoController(f"{node.name} has no BMC any more. Switch it at the site.")
    if standby.state == StandbyState.SWITCHING_OFF:
        power.off(grace=GRACE)
    else:
        power.on()
        look_at_host(host_of(node))


def still_ours(standby: Standby) -> bool:
    """Whether nobody has taken it over, and nobody has given the node back into stock: its next tenant would be hit."""
    mine = working.mine(standby)
    wanted = Q(state=StandbyState.SWITCHING_ON) | Q(maintenance__state=MaintenanceState.UNDER_WAY)
    return mine.filter(wanted).exists()


@transaction.atomic
def apply(*, standby: Standby, error: Exception | None, now: datetime) -> bool:
    """Write down how it went. False, and nothing is written, if another worker has taken it or it has moved."""
    mine = lock_standby(standby, work_epoch=standby.work_epoch, state=standby.state)
    if mine is None:
        return False
    if error is not None:
        working.again_later(mine, error=error, now=now)
    elif mine.state == StandbyState.SWITCHING_OFF:
        seen_off(standby=mine, now=now)
    else:
        answers_again(standby=mine, now=now)
    working.let_go(mine)
    return True


def _take_some(site: Site, now: datetime) -> list[Standby]:
    rows: list[Standby] = []
    while len(rows) < AT_ONCE and (row := take(site=site, now=now)) is not None:
        rows.append(row)
    return rows


def _switch(standby: Standby) -> None:
    """In a thread of its own, with a connection of its own."""
    try:
        error = _acted(standby)
        failpoints.reached("standby.acted")
        apply(standby=standby, error=error, now=clock.now())
        failpoints.reached("standby.applied")
    finally:
        connection.close()


def _acted(standby: Standby) -> Exception | None:
    try:
        with working.renewed(standby):
            act(standby)
    except (PowerError, ProvisionerError) as error:
        log.warning("%s %s, %s: %s", standby, standby.state, standby.maintenance.node, error)
        return error
    return None
