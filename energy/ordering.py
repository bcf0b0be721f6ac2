"""
What a site shall be told, and who decides it: proposed by plans, approved by a person or the site's policy, undone.

Everything waits with a deadline: what nobody decides in time has expired. See `carrying_out` for what follows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.operations import record
from energy.models import Command, SitePolicy
from energy.queries.commands import holding
from energy.states import CommandState
from leasing.models import Lease
from marketplace.models import Site

S = CommandState
ACTOR = "system:energy"
DECIDE = timedelta(minutes=15)  # a proposal stands on figures; after so long there are newer ones
OWN_CONTROL = "The battery goes by its own control"
TAKE = timedelta(minutes=10)  # after its time, for a worker of the site to take it


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
def propose(
    *, site: Site, kind: str, wishes: Sequence[Wish], inputs: Mapping[str, Any], now: datetime
) -> list[Command]:
    """
    Put commands of one kind before a person; what was proposed of it before, and not decided, is replaced. Where the
    site's policy allows it, one is approved at once and waits for the policy's notice.
    """
    _replace(site, Command.objects.filter(kind=kind), now)
    return [_propose(site, wish, inputs, now) for wish in wishes]


def _replace(site: Site, rows: QuerySet[Command], now: datetime) -> None:
    """Let what is proposed of these expire. One at a time at a site: see the constraint `command_one_proposal`."""
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    for older in rows.filter(site=site, state=S.PROPOSED).select_for_update(of=("self",), no_key=True).order_by("pk"):
        older.move_to(S.EXPIRED, at=now, reason="newer", actor=ACTOR)


def _propose(site: Site, wish: Wish, inputs: Mapping[str, Any], now: datetime) -> Command:
    made = _create(site, wish, inputs, by=ACTOR, now=now, state=S.PROPOSED, deadline=now + DECIDE)
    if not (why := needs_person(made)):
        policy = SitePolicy.objects.get(site=site)
        _approve(made, actor="system:policy", now=now, notice=timedelta(seconds=policy.least_notice_seconds))
    else:
        made.outcome = {"waits": why}
        made.save(update_fields=["outcome"])
    return made


@transaction.atomic
def order(
    *, site: Site, wish: Wish, inputs: Mapping[str, Any], event: str = "", undoes: Command | None = None, actor: str,
    now: datetime,
) -> Command | None:  # fmt: skip
    """
    A command that a person has decided on; None if it was made before, for the same event or to undo the same. It takes
    the place of what a plan proposed of the same and nobody decided.
    """
    try:
        with transaction.atomic():
            _replace(site, Command.objects.filter(kind=wish.kind, lease=wish.lease), now)
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
    if command.kind not in LIMITS:
        return "Only miners and the battery are told without a person."
    if beyond := LIMITS[command.kind](command, policy):
        return beyond
    if stale := command.inputs.get("stale"):
        return f"Too old: {', '.join(stale)}."
    return ""


def _beyond_for_miners(command: Command, policy: SitePolicy) -> str:
    allowed = set(policy.classes.values_list("slug", flat=True))
    if other := sorted(set(command.target) - allowed):
        return f"The site's policy does not name the miners {', '.join(other)}."
    changed = sum(abs(command.target[slug] - command.before.get(slug, 0)) for slug in command.target)
    if changed > policy.most_watts_per_step:
        return f"It changes {changed:,} W; the site's policy allows {policy.most_watts_per_step:,} W in one step."
    return ""


def _beyond_for_battery(command: Command, policy: SitePolicy) -> str:
    watts, leaves = command.target["watts"], command.inputs["leaves_percent"]
    if abs(watts) > policy.most_battery_watts:
        return f"It moves {abs(watts):,} W; the site's policy allows its battery {policy.most_battery_watts:,} W."
    if watts > 0 and leaves < policy.battery_reserve_percent:
        return f"It leaves {leaves} % in the battery; the site's policy keeps {policy.battery_reserve_percent} %."
    return ""


LIMITS: Mapping[str, Callable[[Command, SitePolicy], str]] = {
    Command.Kind.MINERS: _beyond_for_miners,
    Command.Kind.BATTERY: _beyond_for_battery,
}


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
    tell(row, "declined", actor, now)
    return row


@transaction.atomic
def undo(*, command: Command, actor: str, now: datetime) -> Command:
    """
    Tell the opposite of a command that was carried out: miners go back to before, a battery goes by its own control, a
    lease or nodes have power again. Miners that another grid event keeps down go on when that is over.

    :raises CannotCommand: if it was not carried out, undoes another, or was undone
    """
    if hasattr(command, "undone_by"):
        raise CannotCommand("It was undone already.")
    by_itself = command.kind == Command.Kind.BATTERY and not command.before
    if by_itself and command.ends_at is not None and command.ends_at <= now:
        raise CannotCommand("It is over: the battery goes by its own control again, or by a later command.")
    if not command.undoable:
        raise CannotCommand("Only a command that was carried out can be undone, and only once.")
    wish = Wish(
        kind=command.kind, why=f"Undo: {command.why}"[:300], target=_back(command, now), before=command.target,
        touches=[OWN_CONTROL] if by_itself else command.touches, watts=-command.watts, lease=command.lease, due_at=now,
    )  # fmt: skip
    made = order(
        site=command.site, wish=wish, inputs={"undoes": command.public_id}, undoes=command, actor=actor, now=now
    )
    if made is None:
        raise CannotCommand("It was undone already.")
    return made


@transaction.atomic
def allowed(command: Command, *, now: datetime) -> Mapping[str, Any]:
    """What miners may be told for a command at this moment: an event may have begun since it was made."""
    if command.undoes is not None:
        return _back(command.undoes, now)
    return _within(command.target, _events(command, now))


def _back(command: Command, now: datetime) -> Mapping[str, Any]:
    """Where an undone command leads. Another event that holds passes on to its own end what it does not allow now."""
    if command.kind != Command.Kind.MINERS:
        return dict(command.before)
    others = _events(command, now)
    for other in others:
        back = {slug: max(watts, command.before.get(slug, watts)) for slug, watts in other.before.items()}
        if back != other.before:
            other.before = back
            other.save(update_fields=["before"])
    return _within(command.before, others)


def _events(command: Command, now: datetime) -> list[Command]:
    """Others that hold, for the same miners."""
    others = holding(command.site, Command.Kind.MINERS, now=now).exclude(pk=command.pk)
    return list(others.select_for_update(of=("self",), no_key=True).order_by("pk"))


def _within(target: Mapping[str, Any], events: Sequence[Command]) -> Mapping[str, Any]:
    """As much of it as all of them allow."""
    return {slug: min([watts, *(row.target.get(slug, watts) for row in events)]) for slug, watts in target.items()}


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
    tell(made, "proposed", by, now)
    return made


def _approve(row: Command, *, actor: str, now: datetime, notice: timedelta = timedelta(0)) -> None:
    """A battery's quarter of an hour begins when it is told; what belongs to an event or a lease ends when it said."""
    due_at, ends_at = max(row.due_at, now + notice), row.ends_at
    if row.kind == Command.Kind.BATTERY and ends_at and not row.event:
        ends_at += due_at - row.due_at
    row.move_to(
        S.APPROVED, at=now, reason="approved", actor=actor, due_at=due_at, ends_at=ends_at, deadline=due_at + TAKE
    )
    tell(row, "approved", actor, now)


def _decided(row: Command, *states: str) -> None:
    if row.state not in states:
        raise CannotCommand(f"The command is {row.words} since {row.state_since:%Y-%m-%d %H:%M:%S} UTC.")


def _lock(command: Command) -> Command:
    return Command.objects.select_for_update(of=("self",)).select_related("site", "lease").get(pk=command.pk)


def tell(row: Command, what: str, actor: str, now: datetime, *, alarm: bool = False) -> None:
    """What happened to a command, to the log; a failure, and what else is an `alarm`, also to staff."""
    failed = alarm or what == S.FAILED
    record(
        organization=None, kind=f"power_command.{what}", subject=row.public_id, actor=actor, at=now,
        data={"site": row.site.slug, "kind": row.kind, "why": row.why, "target": row.target, "outcome": row.outcome},
        notice={
            "title": f"{row.site.name}: a command was not carried out",
            "text": f"{row.why} What does not obey is counted as load.",
            "path": f"/operations/power/commands/{row.public_id}/",
        } if failed else None,
    )  # fmt: skip
