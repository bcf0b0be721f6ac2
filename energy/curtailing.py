"""
A grid event: the grid asks a site to draw so much less, from when on, and for how long.

`preview` says exactly what would be done, what that costs and whom it touches. It is signed, and `confirm` makes those
commands and no others; what has changed since then is too old after five minutes, and what cannot be done any more
fails as a command, and says so. `call_off` ends it early.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.core import signing

from accounts.ids import RANDOM_LENGTH, random_base62
from energy import planning, storing
from energy.models import Command
from energy.ordering import CannotCommand, Wish, decline, order, undo
from energy.pausing import pausable, pause
from energy.planning import Cut, Shed, Use
from energy.proposing import touched
from energy.queries.standing import MEGA, THOUSAND, Standing, standing
from energy.states import CommandState
from leasing.models import Lease
from leasing.operations.standing_by import BACK
from leasing.queries.standby import idle_nodes
from marketplace.models import Node, Site

SALT = "energy.grid-event"
SHOWN = timedelta(minutes=5)  # how long a preview may be confirmed
A_MINUTE = timedelta(minutes=1)  # and to tell them
INSTEAD = "Where miners do not obey, others sleep in their place, the least efficient first"
WAITING = frozenset({CommandState.PROPOSED, CommandState.APPROVED})
MOST_HOURS, MOST_AHEAD = 24, timedelta(days=2)


class BadEvent(Exception):
    """It cannot be asked for or confirmed so. `field` is what is wrong, the message the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


@dataclass(frozen=True)
class Preview:
    """What would be done. `token` is that, signed."""

    site: Site
    starts_at: datetime
    ends_at: datetime
    drawn_watts: int
    wanted_watts: int
    shed: Shed
    commands: Sequence[Mapping[str, Any]]
    token: str

    @property
    def cost_micros(self) -> int:
        """What it forgoes and credits, energy not counted."""
        return round(self.shed.usd * MEGA)


def preview(*, site: Site, percent: int, hours: float, starts_at: datetime, now: datetime) -> Preview:
    """
    What is done to draw `percent` less for so many hours from `starts_at` on, or from now on if that has passed, in the
    order of shedding.

    :raises BadEvent: for a site without a contract, or figures beyond their limits
    """
    here = standing(site, now=now)
    if here is None:
        raise BadEvent("site", "The site has no power contract on file: add one in the admin first.")
    if not 1 <= percent <= 100:
        raise BadEvent("percent", "Choose 1 to 100 per cent.")
    if not 0 < hours <= MOST_HOURS:
        raise BadEvent("hours", f"Choose more than 0 and at most {MOST_HOURS} hours.")
    if starts_at > now + MOST_AHEAD:
        raise BadEvent("starts_at", "Choose a beginning within the next two days, or leave it empty: at once.")
    starts_at = max(starts_at, now)
    ends_at = starts_at + timedelta(hours=hours)
    drawn = here.sources["grid"]
    wanted = drawn * percent // 100
    found = planning.shed(_load(here, starts_at, ends_at), mw=wanted / MEGA, hours=hours)
    why = f"Grid event: {percent} % less, {starts_at:%Y-%m-%d %H:%M} to {ends_at:%H:%M} UTC."
    commands = [{**wish, "why": why} for wish in _commands(here, found, starts_at, ends_at)]
    told = {
        "event": f"ge_{random_base62(RANDOM_LENGTH)}",
        "site": site.slug,
        "commands": commands,
        "inputs": here.inputs,
        "percent": percent,
    }
    token = signing.dumps({**told, "at": now.isoformat()}, salt=SALT, compress=True)
    return Preview(site, starts_at, ends_at, drawn, wanted, found, commands, token)


def confirm(*, token: str, actor: str, now: datetime) -> list[Command]:
    """
    Make the commands of a preview. Confirmed again it makes none.

    :raises BadEvent: for a preview that is older than five minutes, or not ours
    """
    try:
        told = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise BadEvent("plan", "This is no plan that was shown here: show it again.") from error
    if not now - SHOWN <= datetime.fromisoformat(told["at"]) <= now:
        raise BadEvent("plan", "The plan was shown more than five minutes ago: show it again, and confirm then.")
    site = Site.objects.get(slug=told["site"])
    inputs = {"event": told["event"], "percent": told["percent"], "inputs": told["inputs"]}
    wishes = [_wish(given) for given in told["commands"]]
    made = [order(site=site, wish=wish, inputs=inputs, event=told["event"], actor=actor, now=now) for wish in wishes]
    return [row for row in made if row is not None]


def call_off(*, event: str, actor: str, now: datetime) -> list[Command]:
    """
    End an event before its time: what waits is not told, and of what was told the opposite is. What somebody is
    telling just now is undone once he has. Called off again it changes nothing.

    :raises BadEvent: if there is no such event
    """
    rows = Command.objects.filter(event=event).exclude(event="").select_related("site", "lease").order_by("pk")
    if not rows:
        raise BadEvent("event", "There is no such grid event.")
    rows.filter(ends_at__gt=now).update(ends_at=now)
    for row in rows.all():
        with suppress(CannotCommand):
            (decline if row.state in WAITING else undo)(command=row, actor=actor, now=now)
    return list(rows.all())


def _load(here: Standing, starts_at: datetime, ends_at: datetime) -> planning.Load:
    """What can be turned down."""
    pue, battery = here.contract.mining_pue_permille / THOUSAND / MEGA, here.supply.battery
    may = here.contract.controllable
    running = [
        (row.kind.slug, max(row.watts - row.floor_watts, 0) * pue, row.usd_per_mwh or 0.0) for row in here.classes
    ]
    hours, gives = (ends_at - starts_at) / timedelta(hours=1), here.sources["discharging"]
    spare = max(storing.lasting(here, hours) - gives, 0)
    return planning.Load(
        charging_mw=here.uses["charging"] / MEGA if battery else 0.0,
        mining=tuple(planning.Running(*part) for part in running if may and part[1] > 0),
        spare_mw=spare / MEGA, spare_mwh=spare * hours / MEGA,
        wear_usd_per_mwh=battery.wear_micros_per_mwh / MEGA if battery else 0.0,
        surplus=pausable(here, starts_at, ends_at, decide=SHOWN + A_MINUTE),
        idle=tuple(planning.Running(node.public_id, _idle_watts(here, node) / MEGA) for node in _idle(here, ends_at)),
    )  # fmt: skip


def _commands(here: Standing, found: Shed, starts_at: datetime, ends_at: datetime) -> Iterator[dict[str, Any]]:
    times = {"due_at": starts_at.isoformat(), "ends_at": ends_at.isoformat(), "urgent": True}
    if mining := [cut for cut in found.cuts if cut.use == Use.MINING]:
        yield {**_miners(here, mining), **times}
    battery = [cut for cut in found.cuts if cut.use in (Use.CHARGING, Use.BATTERY)]
    if battery or storing.steered(here):  # even if it need not give: it is not to be charged
        yield {**_battery(here, battery, starts_at, ends_at), **times}
    if off := {cut.name for cut in found.cuts if cut.use == Use.IDLE}:
        nodes = [node for node in _idle(here, ends_at) if node.public_id in off]
        yield {**_switch_off(here, nodes, starts_at, ends_at), **times, "due_at": here.at.isoformat()}
    rows = {row.lease.public_id: row for row in here.surplus}
    for cut in (cut for cut in found.cuts if cut.use == Use.SURPLUS):
        yield {**pause(rows[cut.name], cut, starts_at, ends_at), **times, "due_at": here.at.isoformat()}


def _battery(here: Standing, cuts: Sequence[Cut], starts_at: datetime, ends_at: datetime) -> dict[str, Any]:
    """It gives what it gave and what was cut with it, as long as it can, and is not charged."""
    more = sum(cut.mw for cut in cuts if cut.use == Use.BATTERY)
    hours = (ends_at - starts_at) / timedelta(hours=1)
    watts = min(here.sources["discharging"] + round(more * MEGA), storing.lasting(here, hours))
    told = storing.command(here, watts, starts_at, ends_at)
    return {
        **told, "touches": [f"{told['touches'][0]}; it is not charged meanwhile"],
        "watts": round(sum(cut.mw for cut in cuts) * MEGA), "cost_micros": round(sum(cut.usd for cut in cuts) * MEGA),
    }  # fmt: skip


def _miners(here: Standing, cuts: Sequence[Cut]) -> dict[str, Any]:
    """All classes of the site, those too that stay as they are: they make up for miners that do not obey."""
    pue = here.contract.mining_pue_permille
    less = {cut.name: -(-round(cut.mw * MEGA) * THOUSAND // pue) for cut in cuts}
    now = {row.kind.slug: row for row in here.classes}
    cut = {slug: max(now[slug].watts - watts, now[slug].floor_watts) for slug, watts in less.items()}
    before = {slug: row.watts for slug, row in now.items()}
    return {
        "kind": "miners", "target": before | cut, "before": before,
        "touches": [*touched(here, cut), INSTEAD], "watts": round(sum(cut.mw for cut in cuts) * MEGA),
        "cost_micros": round(sum(cut.usd for cut in cuts) * MEGA),
    }  # fmt: skip


def _idle(here: Standing, ends_at: datetime) -> Iterable[Node]:
    """Nodes that nobody has until they would be back on sale."""
    return idle_nodes(site=here.site, until=ends_at + BACK, now=here.at)


def _idle_watts(here: Standing, node: Node) -> int:
    return node.pool.node_type.idle_w * here.contract.gpu_pue_permille // THOUSAND


def _switch_off(here: Standing, nodes: Sequence[Node], starts_at: datetime, ends_at: datetime) -> dict[str, Any]:
    until = f"{ends_at:%Y-%m-%d %H:%M} UTC"
    return {
        "kind": "idle", "before": {},
        "target": {
            "nodes": [node.public_id for node in nodes], "begins_at": starts_at.isoformat(),
            "ends_at": ends_at.isoformat(),
        },
        "touches": [f"{node.name}, on which nobody is: off until {until}, then verified" for node in nodes],
        "watts": sum(_idle_watts(here, node) for node in nodes), "cost_micros": 0,
    }  # fmt: skip


def _wish(given: Mapping[str, Any]) -> Wish:
    plain = {name: value for name, value in given.items() if name not in {"lease", "due_at", "ends_at"}}
    wish = Wish(
        **plain, due_at=datetime.fromisoformat(given["due_at"]), ends_at=datetime.fromisoformat(given["ends_at"])
    )
    return replace(wish, lease=Lease.objects.get(pk=given["lease"])) if "lease" in given else wish
