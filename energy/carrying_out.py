"""
Commands that are due are carried out, read back, and undone when they are over.

Nothing is told twice: whoever carries a command out takes it first, by a guarded update. A worker that never comes, or
dies, leaves a command that is expired or failed, not open.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from accounts import failpoints
from accounts.models import IllegalMove, Stale
from accounts.operations import for_each, record
from energy.batteries import BatteryState
from energy.commanding import obey
from energy.mining import sockets
from energy.models import Battery, Command, Inverter, MinerClass, Outcome
from energy.ordering import ACTOR, CannotCommand, allowed, tell, undo
from energy.states import COMMAND_FAILED_TWIN, ENDED, CommandState
from energy.steering import has_meter, metered, steer
from energy.storing import near
from leasing.models import Interruption, InterruptionCause, Standby, StandbyTransition
from leasing.operations import CannotInterrupt, CannotStandBy, power_again, power_back, schedule_interruption, stand_by
from leasing.operations.maintaining import WindowTaken
from leasing.operations.standing_by import OFF_LIMIT, ON_LIMIT
from leasing.states import StandbyState
from marketplace.models import Node
from marketplace.queries import BadPeriod

failpoints.register("command.taken", "command.told")
S = CommandState
CARRY_OUT = timedelta(minutes=5)
OBEY_SECONDS = 60.0
TO_BE_OFF = frozenset({StandbyState.PLANNED, StandbyState.SWITCHING_OFF})  # not yet
TO_BE_BACK = TO_BE_OFF | {StandbyState.OFF, StandbyState.SWITCHING_ON}  # not yet


def due(*, now: datetime) -> list[Command]:
    """What is to be told now. Told of twice it is still carried out once: see `take`."""
    rows = Command.objects.filter(state=S.APPROVED, due_at__lte=now, deadline__gt=now)
    return list(rows.select_related("site", "lease").order_by("due_at", "pk"))


def carry_out(*, command: Command, now: datetime) -> None:
    """Take a command that is due and do what it says; nothing if somebody else has it, or its time as the holder is
    over by then. Miners and batteries are told by a worker inside their site. No transaction is open meanwhile."""
    if not take(command=command, now=now):
        return
    failpoints.reached("command.taken")
    if not _ours(command):
        return
    if command.kind == Command.Kind.MINERS:
        _tell_miners(command, now)
    elif command.kind == Command.Kind.SURPLUS:
        _tell_lease(command, now)
    elif command.kind == Command.Kind.IDLE:
        _tell_nodes(command, now)
    elif at_site(command):
        _tell_battery(command, now)
    else:
        _ask_for_battery(command, now)


def at_site(command: Command) -> bool:
    """Whether it takes a worker inside the site: miners, and a battery that has a driver."""
    if command.kind == Command.Kind.BATTERY:
        return Inverter.objects.filter(site=command.site, controlled=True).exists()
    return command.kind == Command.Kind.MINERS


def take(*, command: Command, now: datetime) -> bool:
    """Whether it is ours to carry out from now on."""
    if command.state != S.APPROVED or command.due_at > now or command.deadline is None or command.deadline <= now:
        return False
    try:
        command.move_to(S.SENT, at=now, reason="taken", actor=ACTOR, deadline=_until(command, now))
    except Stale:
        return False
    return True


def settle(*, now: datetime) -> None:
    """What deadlines bring, what meters show, and what is over. Safe to run twice, late, or never."""
    sent = Command.objects.filter(state=S.SENT).select_related("site", "undoes")
    for_each(sent.filter(kind=Command.Kind.BATTERY), lambda row: _look_at_battery(row, now))
    for_each(sent.filter(kind=Command.Kind.IDLE), lambda row: _look_at_nodes(row, now))
    late = Command.objects.filter(state__in=COMMAND_FAILED_TWIN, deadline__lte=now).select_related("site")
    for_each(late, lambda row: _too_late(row, now))
    for_each(over(now=now), lambda row: _undo(row, now))


def over(*, now: datetime) -> QuerySet[Command]:
    """What was told until now and has something to go back to: leasing's clock ends pauses and idle nodes, and a
    battery with a driver ends by itself."""
    ended = Command.objects.filter(state__in=ENDED, undoes=None, ends_at__lte=now).exclude(before={})
    return ended.filter(undone_by=None).select_related("site")


def _undo(row: Command, now: datetime) -> None:
    with suppress(CannotCommand):
        undo(command=row, actor=ACTOR, now=now)


def _until(command: Command, now: datetime) -> datetime:
    """When it is given up: hosts take longer to end and to boot than miners, and begin when it was said."""
    if command.kind != Command.Kind.IDLE:
        return now + CARRY_OUT
    if command.undoes_id:
        return now + ON_LIMIT + CARRY_OUT
    return max(now, datetime.fromisoformat(command.target["begins_at"])) + OFF_LIMIT + CARRY_OUT


def _tell_miners(command: Command, now: datetime) -> None:
    classes = {row.slug: row.pk for row in MinerClass.objects.filter(slug__in=command.target)}
    began, may = time.monotonic(), allowed(command, now=now)

    def still() -> bool:
        if not _ours(command):
            return False
        at = now + timedelta(seconds=time.monotonic() - began)
        return command.urgent or allowed(command, now=at) == may  # what is urgent wakes nobody

    target = {classes[slug]: watts for slug, watts in may.items() if slug in classes}
    report = obey(
        site=command.site, target=target, actor=ACTOR, reason=command.public_id, now=now, within=OBEY_SECONDS,
        urgent=command.urgent, meter=sockets, still=still,
    )  # fmt: skip
    wanted = sum(target.values())
    told = {"target_watts": wanted, "load_watts": report.load_watts, "outcomes": report.counts}
    less = sum(command.before.values()) > wanted
    _finish(command, done=still() and (not less or report.load_watts <= wanted), outcome=told, now=now)


def _tell_lease(command: Command, now: datetime) -> None:
    """Announced, or called off, only together with the command's end: one that was given up announces nothing."""
    try:
        with transaction.atomic():
            row = _announced(command, now)
            _end(command, S.DONE, {"interruption": row.public_id if row else ""}, now)
    except (CannotInterrupt, IllegalMove, Stale, DatabaseError) as error:
        _finish(command, done=False, outcome={"refused": str(error)[:300]}, now=now)


def _announced(command: Command, now: datetime) -> Interruption | None:
    row = _interruption(command)
    if command.undoes_id:
        return power_back(interruption=row, actor=ACTOR, now=now) if row else None
    assert command.lease is not None
    return row or schedule_interruption(
        lease=command.lease,
        begins_at=datetime.fromisoformat(command.target["begins_at"]),
        ends_at=datetime.fromisoformat(command.target["ends_at"]),
        cause=InterruptionCause.GRID if command.event else InterruptionCause.SHORT,
        requested_by=_name(command),
        now=now,
    )


def _interruption(command: Command) -> Interruption | None:
    """What this command, or the one that it undoes, has announced."""
    return Interruption.objects.filter(requested_by=_name(command.undoes or command)).first()


def _name(command: Command) -> str:
    return f"{ACTOR}:{command.public_id}"


def _tell_nodes(command: Command, now: datetime) -> None:
    """Keep its nodes free, for their site's worker to switch off; or let them have power again."""
    refused = []
    if command.undoes_id:
        for_each(_standbys(command), lambda row: power_again(standby=row, actor=ACTOR, now=now))
    else:
        begins_at, ends_at = (datetime.fromisoformat(command.target[name]) for name in ("begins_at", "ends_at"))
        for node in Node.objects.filter(public_id__in=command.target["nodes"]).order_by("pk"):
            try:
                with transaction.atomic():
                    stand_by(node=node, begins_at=begins_at, ends_at=ends_at, requested_by=_name(command), now=now)
                    if not _ours(command):
                        raise Stale(command)
            except CannotStandBy as error:
                refused.append(str(error))
            except (BadPeriod, WindowTaken, IllegalMove, Stale, DatabaseError) as error:
                refused.append(f"{node.name}: {error}")
    failpoints.reached("command.told")
    outcome = {"refused": "; ".join(refused)[:300]}  # from here on all of them were told
    Command.objects.filter(pk=command.pk, state=S.SENT, version=command.version).update(outcome=outcome)


def _look_at_nodes(command: Command, now: datetime) -> None:
    """Done once all its nodes were told and seen off, or answer again; else when it is too late."""
    rows = _standbys(command)
    waits = TO_BE_BACK if command.undoes_id else TO_BE_OFF
    pending = "refused" not in command.outcome or any(row.state in waits for row in rows)
    if pending and command.deadline is not None and command.deadline > now:
        return
    if command.undoes_id:
        good = sum(row.state in {StandbyState.OVER, StandbyState.CALLED_OFF} for row in rows)
        outcome, wanted = {"on": good}, len(rows)
    else:
        reached = StandbyTransition.objects.filter(
            standby__in=rows, new__in=[StandbyState.OFF, StandbyState.CALLED_OFF]
        )
        good, wanted = reached.values("standby").distinct().count(), len(command.target["nodes"])
        outcome = {"off": good}
    told = {**{name: words for name, words in command.outcome.items() if words}, **outcome, "nodes": wanted}
    _finish(command, done=good == wanted, outcome=told, now=now)


def _standbys(command: Command) -> list[Standby]:
    """Of this command, or of the one that it undoes."""
    rows = Standby.objects.filter(requested_by=_name(command.undoes or command))
    return list(rows.select_related("maintenance__node").order_by("pk"))


def _tell_battery(command: Command, now: datetime) -> None:
    """It has to give what was wanted: less, for whatever reason, is not delivered. Where there is a meter of its own,
    that has the last word, and is waited for."""
    watts, until = command.target.get("watts"), command.ends_at or now + CARRY_OUT
    read = steer(site=command.site, watts=watts, until=until, actor=ACTOR, reason=command.public_id, now=now)
    outcome: dict[str, Any] = {"outcomes": {read.outcome.value: 1}, "target_watts": watts, "told_watts": read.told}
    if read.state:
        outcome |= {"load_watts": read.state.watts, "charge_permille": read.state.permille}
    if read.detail:
        outcome["refused"] = read.detail
    done = read.outcome == Outcome.OBEYED and _delivers(read.state, watts)
    if done and watts is not None and has_meter(command.site):
        Command.objects.filter(pk=command.pk, state=S.SENT).update(outcome=outcome)
    else:
        _finish(command, done=done, outcome=outcome, now=now)


def _delivers(state: BatteryState | None, watts: int | None) -> bool:
    """Whether it gives what was wanted, not only what it may be told by now."""
    return watts is None or (state is not None and near(state.watts, watts, most=state.most_given))


def _ask_for_battery(command: Command, now: datetime) -> None:
    """It has no driver: staff is asked, and the meter says whether it was done."""
    watts = command.target.get("watts", 0)
    record(
        organization=None, kind="site.battery_wanted", subject=command.site.slug, actor=ACTOR, at=now,
        data={"command": command.public_id, "watts": watts},
        notice={
            "title": f"{command.site.name}: set the battery to {watts / 1e6:,.2f} MW",
            "text": f"{command.why} It is done once the meter shows it, within {CARRY_OUT.seconds // 60} minutes.",
            "path": f"/operations/power/commands/{command.public_id}/",
        },
    )  # fmt: skip


def _look_at_battery(command: Command, now: datetime) -> None:
    """By meters of its own; what they do not show in time has failed."""
    shown = metered(command.site, since=command.state_since, now=now)
    battery = Battery.objects.filter(site=command.site).in_force(now).first()
    if shown is not None and battery and near(shown, command.target.get("watts", 0), most=battery.watts):
        _finish(command, done=True, outcome={**command.outcome, "metered_watts": shown}, now=now)


def _finish(command: Command, *, done: bool, outcome: Mapping[str, Any], now: datetime) -> None:
    """Write down what was read back, unless the command was given up meanwhile."""
    with suppress(IllegalMove, Stale):
        _end(command, S.DONE if done else S.FAILED, outcome, now)


@transaction.atomic
def _end(command: Command, state: S, outcome: Mapping[str, Any], now: datetime) -> None:
    """Raises IllegalMove or Stale if the command was given up meanwhile."""
    failpoints.reached("command.told")
    reason = "read back" if state == S.DONE else "not seen"
    command.move_to(state, at=now, reason=reason, actor=ACTOR, outcome=dict(outcome))
    tell(command, state, ACTOR, now)


def _ours(command: Command) -> bool:
    """Whether it is still as we took it: nobody has given it up."""
    return Command.objects.filter(pk=command.pk, state=S.SENT, version=command.version).exists()


@transaction.atomic
def _too_late(row: Command, now: datetime) -> None:
    twin = COMMAND_FAILED_TWIN[row.state]
    row.move_to(twin, at=now, reason="too late", actor=ACTOR)
    untaken = bool(row.event) and twin == S.EXPIRED
    tell(row, twin, ACTOR, now, alarm=untaken)
