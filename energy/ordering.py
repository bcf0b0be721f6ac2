"""
The life of a command to a site: proposed, decided, carried out, read back, and undone.

Nothing is told twice: whoever carries a command out takes it first, by a guarded update. Everything waits with a
deadline, so a worker or a message that never comes leaves a command expired or failed, not open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import IllegalMove, Stale
from accounts.operations import record
from energy.commanding import obey
from energy.mining import sockets
from energy.models import Command, FeedKind, MinerClass, SitePolicy
from energy.queries.standing import standing
from energy.states import COMMAND_FAILED_TWIN, CommandState
from leasing.models import Interruption, InterruptionCause, Lease
from leasing.operations import CannotInterrupt, power_back, schedule_interruption
from marketplace.models import Site

S = CommandState
ACTOR = "system:energy"
DECIDE = timedelta(minutes=15)  # a proposal stands on figures; after so long there are newer ones
TAKE = timedelta(minutes=10)  # after its time, for a worker of the site to take it
CARRY_OUT = timedelta(minutes=5)
OBEY_SECONDS = 60.0
SEEN_PERCENT = 90  # of what a battery shall give, on its meter: then it is believed


class CannotCommand(Exception):
    """The command cannot be decided or undone so. The message says why and the way out."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a command shall say; see the fields of `Command`."""

    kind: str
    why: str
    target: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    touches: Sequence[str] = ()
    watts: int = 0
    cost_micros: int = 0
    urgent: bool = False
    lease: Lease | None = None
    due_at: datetime
    ends_at: datetime | None = None


@transaction.atomic
def propose(*, site: Site, wish: Wish, inputs: Mapping[str, Any], now: datetime) -> Command:
    """
    Put a command before a person; one that was proposed before for the same use of the site, and not decided, is
    replaced. Where the site's policy allows it, it is approved at once and waits for the policy's notice.
    """
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    for older in Command.objects.filter(site=site, kind=wish.kind, state=S.PROPOSED):
        older.move_to(S.EXPIRED, at=now, reason="newer", actor=ACTOR)
    made = _create(site, wish, inputs, by=ACTOR, now=now, state=S.PROPOSED, deadline=now + DECIDE)
    if not (why := needs_person(made)):
        policy = SitePolicy.objects.get(site=site)
        made.due_at = max(made.due_at, now + timedelta(seconds=policy.least_notice_seconds))
        _approve(made, actor="system:policy", now=now)
    else:
        made.outcome = {"waits": why}
        made.save(update_fields=["outcome"])
    return made


@transaction.atomic
def order(
    *, site: Site, wish: Wish, inputs: Mapping[str, Any], event: str = "", undoes: Command | None = None, actor: str,
    now: datetime,
) -> Command | None:  # fmt: skip
    """A command that a person has decided on; None if it was made before, for the same event or to undo the same."""
    try:
        with transaction.atomic():
            made = _create(
                site,
                wish,
                inputs,
                by=actor,
                now=now,
                state=S.PROPOSED,
                deadline=now + DECIDE,
                event=event,
                undoes=undoes,
            )
            _approve(made, actor=actor, now=now)
    except IntegrityError:
        return None
    return made


def needs_person(command: Command) -> str:
    """Why the site's policy does not let a command go by itself; "" if it does."""
    policy = SitePolicy.objects.filter(site=command.site).first()
    if policy is None or not policy.automatic:
        return "The site's policy is proposals only."
    if command.kind != Command.Kind.MINERS:
        return "Only miners are told without a person."
    allowed = set(policy.classes.values_list("slug", flat=True))
    if other := sorted(set(command.target) - allowed):
        return f"The site's policy does not name the miners {', '.join(other)}."
    changed = sum(abs(command.target[slug] - command.before.get(slug, 0)) for slug in command.target)
    if changed > policy.most_watts_per_step:
        return f"It changes {changed:,} W; the site's policy allows {policy.most_watts_per_step:,} W in one step."
    if stale := command.inputs.get("stale"):
        return f"Too old: {', '.join(stale)}."
    return ""


@transaction.atomic
def approve(*, command: Command, actor: str, now: datetime) -> Command:
    """
    Let a proposal be carried out at its time.

    :raises CannotCommand: if it is decided, or too late
    """
    row = _lock(command)
    if row.state == S.PROPOSED and row.deadline is not None and row.deadline <= now:
        raise CannotCommand("It stands on figures that are too old by now: wait for the next plan's proposal.")
    _decided(row, S.PROPOSED)
    _approve(row, actor=actor, now=now)
    return row


@transaction.atomic
def decline(*, command: Command, actor: str, now: datetime) -> Command:
    """
    Let a proposal, or a command that nobody has taken yet, not be carried out.

    :raises CannotCommand: if it was taken, or is over
    """
    row = _lock(command)
    _decided(row, S.PROPOSED, S.APPROVED)
    row.move_to(S.DECLINED, at=now, reason="declined", actor=actor)
    _tell(row, "declined", actor, now)
    return row


def undo(*, command: Command, actor: str, now: datetime) -> Command:
    """
    Tell the opposite of a command that was carried out: miners and battery go back to before, a lease's power is back.

    :raises CannotCommand: if it was not carried out, undoes another, or was undone
    """
    if command.state not in {S.DONE, S.FAILED} or command.undoes_id:
        raise CannotCommand("Only a command that was carried out can be undone, and only once.")
    wish = Wish(
        kind=command.kind, why=f"Undo: {command.why}"[:300], target=command.before, before=command.target,
        touches=command.touches, watts=-command.watts, lease=command.lease, due_at=now,
    )  # fmt: skip
    made = order(
        site=command.site, wish=wish, inputs={"undoes": command.public_id}, undoes=command, actor=actor, now=now
    )
    if made is None:
        raise CannotCommand("It was undone already.")
    return made


def due(*, now: datetime) -> list[Command]:
    """What is to be told now. Told of twice it is still carried out once: see `take`."""
    rows = Command.objects.filter(state=S.APPROVED, due_at__lte=now, deadline__gt=now)
    return list(rows.select_related("site", "lease").order_by("due_at", "pk"))


def carry_out(*, command: Command, now: datetime) -> None:
    """Take a command that is due and do what it says; nothing if somebody else has it. Miners are told by a worker
    inside their site. No transaction is open meanwhile."""
    if not take(command=command, now=now):
        return
    if command.kind == Command.Kind.MINERS:
        _tell_miners(command, now)
    elif command.kind == Command.Kind.SURPLUS:
        _tell_lease(command, now)
    else:
        _ask_for_battery(command, now)


def take(*, command: Command, now: datetime) -> bool:
    """Whether it is ours to carry out from now on."""
    if command.state != S.APPROVED or command.due_at > now or command.deadline is None or command.deadline <= now:
        return False
    try:
        command.move_to(S.SENT, at=now, reason="taken", actor=ACTOR, deadline=now + CARRY_OUT)
    except Stale:
        return False
    return True


def settle(*, now: datetime) -> None:
    """What deadlines bring, what meters show, and what is over. Safe to run twice, late, or never."""
    for row in Command.objects.filter(state=S.SENT, kind=Command.Kind.BATTERY).select_related("site"):
        _look_at_battery(row, now)
    for row in Command.objects.filter(state__in=COMMAND_FAILED_TWIN, deadline__lte=now):
        _too_late(row, now)
    over = Command.objects.filter(state__in=[S.DONE, S.FAILED], ends_at__lte=now, undone_by=None)
    for row in over.exclude(kind=Command.Kind.SURPLUS).select_related("site"):  # a lease is resumed by its own clock
        try:
            undo(command=row, actor=ACTOR, now=now)
        except CannotCommand:
            continue


def _create(
    site: Site, wish: Wish, inputs: Mapping[str, Any], *, by: str, now: datetime, state: str, deadline: datetime,
    event: str = "", undoes: Command | None = None,
) -> Command:  # fmt: skip
    made = Command.objects.create(
        site=site, kind=wish.kind, lease=wish.lease, why=wish.why[:300], inputs=dict(inputs), target=dict(wish.target),
        before=dict(wish.before), touches=list(wish.touches), watts=wish.watts, cost_micros=wish.cost_micros,
        urgent=wish.urgent, event=event, undoes=undoes, proposed_by=by, due_at=wish.due_at, ends_at=wish.ends_at,
        state=state, state_since=now, deadline=deadline,
    )  # fmt: skip
    made.begin(at=now, actor=by)
    _tell(made, "proposed", by, now)
    return made


def _approve(row: Command, *, actor: str, now: datetime) -> None:
    due_at = max(row.due_at, now)
    row.move_to(S.APPROVED, at=now, reason="approved", actor=actor, due_at=due_at, deadline=due_at + TAKE)
    _tell(row, "approved", actor, now)


def _tell_miners(command: Command, now: datetime) -> None:
    classes = {row.slug: row.pk for row in MinerClass.objects.filter(slug__in=command.target)}
    target = {classes[slug]: watts for slug, watts in command.target.items() if slug in classes}
    report = obey(
        site=command.site, target=target, actor=ACTOR, reason=command.public_id, now=now, within=OBEY_SECONDS,
        urgent=command.urgent, meter=sockets,
    )  # fmt: skip
    wanted = sum(target.values())
    told = {"target_watts": wanted, "load_watts": report.load_watts, "outcomes": report.counts}
    less = sum(command.before.values()) > wanted
    _finish(command, done=not less or report.load_watts <= wanted, outcome=told, now=now)


def _tell_lease(command: Command, now: datetime) -> None:
    assert command.lease is not None
    row = _interruption(command)
    try:
        if command.undoes_id:
            if row is not None:
                power_back(interruption=row, actor=ACTOR, now=now)
        elif row is None:
            row = schedule_interruption(
                lease=command.lease,
                begins_at=datetime.fromisoformat(command.target["begins_at"]),
                ends_at=datetime.fromisoformat(command.target["ends_at"]),
                cause=InterruptionCause.GRID,
                requested_by=_name(command),
                now=now,
            )
    except (CannotInterrupt, IllegalMove, Stale, IntegrityError) as error:
        _finish(command, done=False, outcome={"refused": str(error)[:300]}, now=now)
    else:
        _finish(command, done=True, outcome={"interruption": row.public_id if row else ""}, now=now)


def _interruption(command: Command) -> Interruption | None:
    """What this command, or the one that it undoes, has announced."""
    return Interruption.objects.filter(requested_by=_name(command.undoes or command)).first()


def _name(command: Command) -> str:
    return f"{ACTOR}:{command.public_id}"


def _ask_for_battery(command: Command, now: datetime) -> None:
    """The house has no driver for batteries: its staff is asked, and the meter says whether it was done."""
    watts = command.target["watts"]
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
    here, wanted = standing(command.site, now=now), command.target["watts"]
    shown = here.told(FeedKind.DISCHARGING) if here else None
    reading = here.feeds[FeedKind.DISCHARGING].reading if here and shown is not None else None
    if shown is None or reading is None or reading.fetched_at < command.state_since:
        return
    if shown * 100 >= wanted * SEEN_PERCENT if wanted else shown == 0:
        _finish(command, done=True, outcome={"read_watts": shown}, now=now)


def _finish(command: Command, *, done: bool, outcome: Mapping[str, Any], now: datetime) -> None:
    """Write down what was read back, unless the command was given up meanwhile."""
    state = S.DONE if done else S.FAILED
    try:
        with transaction.atomic():
            command.move_to(
                state, at=now, reason="read back" if done else "not seen", actor=ACTOR, outcome=dict(outcome)
            )
            _tell(command, state, ACTOR, now)
    except (IllegalMove, Stale):
        return


@transaction.atomic
def _too_late(row: Command, now: datetime) -> None:
    twin = COMMAND_FAILED_TWIN[row.state]
    if row.state == S.SENT and row.kind == Command.Kind.SURPLUS and not row.undoes_id and _interruption(row):
        twin = S.DONE  # its worker died between announcing it and saying so
    try:
        row.move_to(twin, at=now, reason="too late", actor=ACTOR)
    except Stale:
        return
    _tell(row, twin, ACTOR, now)


def _decided(row: Command, *states: str) -> None:
    if row.state not in states:
        raise CannotCommand(f"The command is {row.words} since {row.state_since:%Y-%m-%d %H:%M:%S} UTC.")


def _lock(command: Command) -> Command:
    return Command.objects.select_for_update(of=("self",)).select_related("site", "lease").get(pk=command.pk)


def _tell(row: Command, what: str, actor: str, now: datetime) -> None:
    """To the log; a failure also to staff."""
    failed = what == S.FAILED
    record(
        organization=None, kind=f"power_command.{what}", subject=row.public_id, actor=actor, at=now,
        data={"site": row.site.slug, "kind": row.kind, "why": row.why, "target": row.target, "outcome": row.outcome},
        notice={
            "title": f"{row.site.name}: a command was not carried out",
            "text": f"{row.why} What does not obey is counted as load.",
            "path": f"/operations/power/commands/{row.public_id}/",
        } if failed else None,
    )  # fmt: skip
