"""What a plan asks of miners becomes a proposal, if it differs from what they do by more than it is worth telling."""

from datetime import datetime

from django.db.models import Q

from energy.models import Command, PowerPlan
from energy.ordering import Wish, propose
from energy.queries.standing import MEGA, THOUSAND, ClassNow, Standing
from energy.states import CommandState

WORTH_PERCENT = 1  # of a class' power: less is not worth a command
HELD = {CommandState.APPROVED, CommandState.SENT}


def propose_miners(here: Standing, plan: PowerPlan, *, now: datetime) -> Command | None:
    """A proposal to bring miners to the plan; None where they are there, nobody may switch them, or another command
    holds."""
    if not here.contract.controllable or plan.basis != PowerPlan.Basis.PLAN or _held(here, now):
        return None
    target = {row.kind.slug: _at_the_plug(here, plan, row) for row in here.classes if _differs(here, plan, row)}
    if not target:
        return None
    before = {row.kind.slug: row.watts for row in here.classes if row.kind.slug in target}
    less = (sum(before.values()) - sum(target.values())) * here.contract.mining_pue_permille // THOUSAND
    way = f"{abs(less) / MEGA:,.2f} MW {'less' if less > 0 else 'more'}"
    worth = (plan.internal_micros_per_mwh or 0) / MEGA
    wish = Wish(
        kind=Command.Kind.MINERS,
        why=f"Miners draw {way}: a MWh is worth ${worth:,.2f} at the site now.",
        target=target, before=before, touches=touched(here, target), watts=less, due_at=now,
    )  # fmt: skip
    inputs = {"plan": plan.public_id, "inputs": plan.inputs, "stale": here.stale}
    return propose(site=here.site, wish=wish, inputs=inputs, now=now)


def touched(here: Standing, target: dict[str, int]) -> list[str]:
    """In words, which miners."""
    rows = {row.kind.slug: row for row in here.classes}
    return [
        f"{row.kind.name}: {row.watts / MEGA:,.3f} MW to {watts / MEGA:,.3f} MW ({row.on} on, {row.off} off now)"
        for slug, watts in target.items()
        if (row := rows.get(slug))
    ]


def _held(here: Standing, now: datetime) -> bool:
    """Whether a command is on its way, or one of a grid event holds."""
    rows = Command.objects.filter(site=here.site, kind=Command.Kind.MINERS)
    event = ~Q(event="") & Q(ends_at__gt=now, due_at__lte=now, undone_by=None, state__in=["done", "failed"])
    return rows.filter(Q(state__in=HELD) | event).exists()


def _at_the_plug(here: Standing, plan: PowerPlan, row: ClassNow) -> int:
    watts = int(plan.targets["mining"][row.kind.slug]) * THOUSAND // here.contract.mining_pue_permille
    return max(watts, row.floor_watts)


def _differs(here: Standing, plan: PowerPlan, row: ClassNow) -> bool:
    wanted = _at_the_plug(here, plan, row)
    least = max(row.kind.watts, row.most_watts * WORTH_PERCENT // 100)
    return abs(wanted - row.watts) >= min(least, row.most_watts) > 0
