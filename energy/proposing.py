"""
What a plan asks of miners, of the battery and of surplus leases becomes proposals, where it differs from what they do
by more than it is worth telling. Leases are for a person to decide on, always.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from energy import planning, storing
from energy.models import Command, PowerPlan
from energy.ordering import DECIDE, Wish, propose
from energy.pausing import pausable, pause
from energy.queries.commands import UNDER_WAY, held
from energy.queries.standing import HUNDRED, MEGA, THOUSAND, ClassNow, LeaseNow, Standing
from leasing.queries.interruptions import interruptible

WORTH_PERCENT = 1  # of a class' power: less is not worth a command
LOOK_AHEAD = timedelta(hours=6)  # leases: what is short later is proposed later
MOST_PAUSED = timedelta(hours=4)  # what is short for longer is proposed again
A_MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def propose_all(here: Standing, plan: PowerPlan, *, now: datetime) -> list[Command]:
    """Everything that follows from a plan. From a rule, which looks no step ahead, follows what miners do, and nothing
    where a figure is missing or too old."""
    by_rule = plan.basis == PowerPlan.Basis.RULE
    if by_rule and (here.missing or here.stale):
        return []
    kinds = (propose_miners,) if by_rule else (propose_miners, propose_battery, propose_pauses)
    return [command for propose in kinds for command in propose(here, plan, now=now)]


def propose_miners(here: Standing, plan: PowerPlan, *, now: datetime) -> list[Command]:
    """A proposal to bring miners to the plan, down or up again; none where they are there, nobody may switch them, or
    another command holds."""
    if not here.contract.controllable or held(here.site, Command.Kind.MINERS, now=now):
        return []
    target = {row.kind.slug: _at_the_plug(here, plan, row) for row in here.classes if _differs(here, plan, row)}
    if not target:
        return []
    before = {row.kind.slug: row.watts for row in here.classes if row.kind.slug in target}
    less = (sum(before.values()) - sum(target.values())) * here.contract.mining_pue_permille // THOUSAND
    way = f"{abs(less) / MEGA:,.2f} MW {'less' if less > 0 else 'more'}"
    wish = Wish(
        kind=Command.Kind.MINERS,
        why=f"Miners draw {way}: {_worth(plan)}",
        target=target, before=before, touches=touched(here, target), watts=less, due_at=now,
    )  # fmt: skip
    return propose(site=here.site, kind=wish.kind, wishes=[wish], inputs=_inputs(here, plan), now=now)


def propose_battery(here: Standing, plan: PowerPlan, *, now: datetime) -> list[Command]:
    """A proposal that the battery gives or takes what the plan says, for a quarter of an hour; none where it has no
    driver, nobody knows what it holds, nothing is worth telling, or another command holds."""
    battery, kind = here.supply.battery, Command.Kind.BATTERY
    if not battery or not storing.steered(here) or here.stored.age is None or held(here.site, kind, now=now):
        return []
    planned = int(plan.targets["discharging"]) - int(plan.targets["charging"])
    watts, _ = storing.bounded(here, planned)
    least = battery.watts * storing.WORTH_PERCENT // HUNDRED
    if abs(watts) < least and abs(here.battery_watts) < least:
        return []
    ends_at = now + (plan.ends_at - plan.starts_at)
    why = f"The battery {storing.does(watts)} for a quarter of an hour: {_worth(plan)}"
    inputs = {**_inputs(here, plan), "leaves_percent": storing.leaves_percent(here, watts, (ends_at - now) / HOUR)}
    wish = Wish(**storing.command(here, watts, now, ends_at), why=why, due_at=now, ends_at=ends_at)
    return propose(site=here.site, kind=kind, wishes=[wish], inputs=inputs, now=now)


def propose_pauses(here: Standing, plan: PowerPlan, *, now: datetime) -> list[Command]:
    """Proposals to pause surplus leases that the plan does not power within the next hours: those with the cheapest
    credit first, after their notice and within their budgets."""
    kind = Command.Kind.SURPLUS
    short = list(_short(here, plan, now))
    if not short or Command.objects.filter(site=here.site, kind=kind, state__in=UNDER_WAY).exists():
        return []
    starts_at, ends_at = max(short[0][0], now), min(short[-1][0] + HOUR, short[0][0] + MOST_PAUSED)
    leases = pausable(here, starts_at, ends_at, decide=DECIDE + A_MINUTE)
    missing = max(watts for _, watts in short)
    found = planning.shed(planning.Load(surplus=leases), mw=missing / MEGA, hours=(ends_at - starts_at) / HOUR)
    rows = {row.lease.public_id: row for row in here.surplus}
    why = f"The site powers {missing / MEGA:,.3f} MW less for surplus leases from {starts_at:%Y-%m-%d %H:%M} UTC on."
    wishes = [_pause(rows[cut.name], cut, starts_at, ends_at, why=why, now=now) for cut in found.cuts]
    return propose(site=here.site, kind=kind, wishes=wishes, inputs=_inputs(here, plan), now=now)


def touched(here: Standing, target: dict[str, int]) -> list[str]:
    """In words, which miners."""
    rows = {row.kind.slug: row for row in here.classes}
    return [
        f"{row.kind.name}: {row.watts / MEGA:,.3f} MW to {watts / MEGA:,.3f} MW ({row.on} on, {row.off} off now)"
        for slug, watts in target.items()
        if (row := rows.get(slug))
    ]


def _worth(plan: PowerPlan) -> str:
    if plan.basis == PowerPlan.Basis.RULE:
        return f"the rule decides, by what a MWh costs now ({plan.why})."
    return f"a MWh is worth ${(plan.internal_micros_per_mwh or 0) / MEGA:,.2f} at the site now."


def _inputs(here: Standing, plan: PowerPlan) -> dict[str, object]:
    return {"plan": plan.public_id, "inputs": plan.inputs, "stale": here.stale}


def _pause(
    row: LeaseNow, cut: planning.Cut, starts_at: datetime, ends_at: datetime, *, why: str, now: datetime
) -> Wish:
    told: dict[str, Any] = {**pause(row, cut, starts_at, ends_at), "lease": row.lease}
    return Wish(**told, why=why, due_at=now, ends_at=ends_at)


def _short(here: Standing, plan: PowerPlan, now: datetime) -> Iterator[tuple[datetime, int]]:
    """The first hours in a row in which the plan powers less than the surplus leases draw for which no pause is
    announced yet, with how many watts less."""
    free = set(interruptible(now=here.at).values_list("pk", flat=True))
    running = sum(row.watts for row in here.surplus if row.lease.pk in free)
    begun = False
    for hour in plan.ahead:
        at = datetime.fromisoformat(hour["at"])
        missing = running - int(hour["uses"]["gpu_surplus"])
        if missing * 100 > running * WORTH_PERCENT and (begun or now - HOUR < at <= now + LOOK_AHEAD):
            begun = True
            yield at, missing
        elif begun:
            return


def _at_the_plug(here: Standing, plan: PowerPlan, row: ClassNow) -> int:
    watts = int(plan.targets["mining"][row.kind.slug]) * THOUSAND // here.contract.mining_pue_permille
    return max(watts, row.floor_watts)


def _differs(here: Standing, plan: PowerPlan, row: ClassNow) -> bool:
    wanted = _at_the_plug(here, plan, row)
    least = max(row.kind.watts, row.most_watts * WORTH_PERCENT // 100)
    return abs(wanted - row.watts) >= min(least, row.most_watts) > 0
