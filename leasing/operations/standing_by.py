"""
A node that nobody needs is switched off for a time: kept free, switched off, switched on, proven, offered again.

The node's calendar is locked before its standby. The window is planned maintenance, so its claim is under the same
constraint as every lease's, and the node comes back as from any maintenance: through verification.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.operations import Words, record
from leasing.models import Maintenance, MaintenanceState, Standby
from leasing.models.work import FENCED
from leasing.operations import calendar
from leasing.operations.enrolment import VERIFICATION_TAKES
from leasing.operations.maintaining import (
    begin_maintenance,
    cancel_maintenance,
    finish_maintenance,
    plan_maintenance,
)
from leasing.queries.standby import why_not_idle
from leasing.states import StandbyState
from marketplace.models import Node

ACTOR = "system:leasing"
OFF_LIMIT = timedelta(minutes=8)  # from the command to a look that shows no power; its system has two of them to end
ON_LIMIT = timedelta(minutes=20)  # until the host answers again: large servers test their memory first
BACK = ON_LIMIT + VERIFICATION_TAKES  # behind its end nobody gets it for so long
REASON = "Switched off while the site has to draw less."
S = StandbyState


class CannotStandBy(Exception):
    """The node is needed, or cannot be switched off from outside. The message says which."""


@transaction.atomic
def stand_by(*, node: Node, begins_at: datetime, ends_at: datetime, requested_by: str, now: datetime) -> Standby:
    """
    Keep a node free that nobody has, to be switched off from `begins_at` to `ends_at`. Orders see it as taken from
    here on, and an order at the same moment ends in one of the two.

    :raises CannotStandBy: if it is not idle until it would be back, or has no management controller
    :raises BadPeriod: for a time that is over, or too far ahead
    """
    node = calendar.lock_node(node)
    if why := why_not_idle(node, until=ends_at + BACK, now=now):
        raise CannotStandBy(f"{node.name}: {why}")
    window = plan_maintenance(
        node=node, kind=Maintenance.Kind.POWER, reason=REASON, starts_at=max(begins_at, now), ends_at=ends_at + BACK,
        actor=ACTOR, now=now,
    )  # fmt: skip
    made = Standby.objects.create(
        maintenance=window, requested_by=requested_by, ends_at=ends_at, state=S.PLANNED, state_since=now,
        deadline=ends_at,
    )  # fmt: skip
    made.begin(at=now, actor=requested_by)
    return made


def power_again(*, standby: Standby, actor: str, now: datetime) -> Standby:
    """The node may have power before the planned end: it is switched on, or never off. Again it changes nothing."""
    if standby.state == S.PLANNED:  # of its own, since it locks the nodes of who was told of the window
        cancel_maintenance(maintenance=standby.maintenance, actor=actor, now=now)
    return _power_again(standby=standby, actor=actor, now=now)


@transaction.atomic
def _power_again(*, standby: Standby, actor: str, now: datetime) -> Standby:
    row = _lock(standby)
    if row.state == S.PLANNED:
        row.move_to(S.CALLED_OFF, at=now, reason="called_off", actor=actor)
    elif row.state in {S.SWITCHING_OFF, S.OFF}:
        _switch_on(row, reason="power_again", actor=actor, now=now)
    return row


def settle_standby(*, standby: Standby, now: datetime) -> None:
    """What time brings: its beginning, its end, and what deadlines lead to. Safe to run twice, or late."""
    if standby.state == S.PLANNED and standby.ends_at <= now:
        power_again(standby=standby, actor=ACTOR, now=now)
    else:
        _settle(standby=standby, now=now)


@transaction.atomic
def _settle(*, standby: Standby, now: datetime) -> None:
    row = _lock(standby)
    late, window = row.deadline is not None and row.deadline <= now, row.maintenance
    if row.state == S.PLANNED:
        _begin(row, now=now)
    elif row.state == S.SWITCHING_OFF and late:
        _tell(row, "not_off", f"It still has power, and is offered again. {row.detail}", now)
        _switch_on(row, reason="not_off", actor=ACTOR, now=now)
    elif row.state == S.OFF and (late or window.state != MaintenanceState.UNDER_WAY):  # or staff ended the window
        _switch_on(row, reason="planned_end", actor=ACTOR, now=now)
    elif row.state == S.SWITCHING_ON and late:
        _tell(row, "not_back", f"It stays in maintenance until somebody has looked at it. {row.detail}", now)
        row.move_to(S.FAILED, at=now, reason="not_back", actor=ACTOR, **FENCED)


@transaction.atomic
def seen_off(*, standby: Standby, now: datetime) -> None:
    """Its management controller shows no power."""
    standby.move_to(S.OFF, at=now, actor=ACTOR, deadline=standby.ends_at, next_attempt_at=None)


@transaction.atomic
def answers_again(*, standby: Standby, now: datetime) -> None:
    """It has power and its host answers: the window is over, and it proves itself before it is offered again."""
    standby.move_to(S.OVER, at=now, reason=standby.reason, actor=ACTOR, next_attempt_at=None)
    finish_maintenance(maintenance=standby.maintenance, actor=ACTOR, now=now)


def lock_standby(standby: Standby, **as_read: object) -> Standby | None:
    """Its row, locked behind the node's calendar and read anew; None if it is no longer `as_read`."""
    calendar.lock_node(standby.maintenance.node)
    rows = Standby.objects.select_for_update(of=("self",)).select_related("maintenance__node__pool__site")
    return rows.filter(pk=standby.pk, **as_read).first()


def _lock(standby: Standby) -> Standby:
    row = lock_standby(standby)
    assert row is not None
    return row


def _begin(row: Standby, *, now: datetime) -> None:
    window = row.maintenance
    if window.state in {MaintenanceState.CANCELLED, MaintenanceState.DONE}:  # by staff
        row.move_to(S.CALLED_OFF, at=now, reason="window_over", actor=ACTOR)
    elif window.starts_at <= now and _under_way(window, now):
        row.move_to(S.SWITCHING_OFF, at=now, actor=ACTOR, deadline=now + OFF_LIMIT, **_work(now))


def _under_way(window: Maintenance, now: datetime) -> bool:
    """Begun by another sweep, or now; not while a former tenant's wipe goes on."""
    return window.state == MaintenanceState.UNDER_WAY or begin_maintenance(maintenance=window, actor=ACTOR, now=now)


def _switch_on(row: Standby, *, reason: str, actor: str, now: datetime) -> None:
    row.move_to(S.SWITCHING_ON, at=now, reason=reason, actor=actor, deadline=now + ON_LIMIT, **_work(now))


def _work(now: datetime) -> dict[str, Any]:
    return {**FENCED, "next_attempt_at": now, "attempts": 0, "detail": ""}


def _tell(row: Standby, what: str, words: str, now: datetime) -> None:
    node = row.maintenance.node
    title = {"not_off": "could not be switched off", "not_back": "did not come back after it was switched off"}[what]
    notice: Words = {
        "title": f"{node.name} {title}",
        "text": words[:400],
        "path": f"/operations/fleet/nodes/{node.public_id}/",
    }
    data = {"standby": row.public_id, "detail": row.detail}
    record(
        organization=None, kind=f"node.{what}", subject=node.public_id, actor=ACTOR, at=now, data=data, notice=notice
    )
