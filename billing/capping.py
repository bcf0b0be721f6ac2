"""
The sweep that keeps budgets while on-demand leases burn: told at 50, 80 and 100 %, paused before the limit, resumed
when there is room again.

A lease that runs is committed for `REACH` ahead of now, so that a sweep which comes within that time pauses it before
the limit is passed. The newest is paused first, until the others fit. What a later sweep finds beyond the limit is not
charged (`billing.overrun`).
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

import leasing.operations
from accounts.models import Organization
from accounts.operations import Words, record
from billing import budgets, operations, overrun, standing
from billing.models import PERCENTS, Budget, BudgetAlert, Meter
from billing.queries import Commitment, Commitments, Reading, commitments, open_readings, wallet
from billing.queries.commitments import REACH
from billing.queries.meters import read
from billing.queries.months import month_of, next_month, start_of
from leasing.models import Lease
from leasing.states import LeaseState
from marketplace.money import format_micros

BUDGET_REACHED = "budget_reached"
ACTOR = "system:billing"


def at_stake() -> QuerySet[Organization]:
    """Organizations with a budget, or with leases that one had paused and that may go on."""
    capped = Exists(Budget.objects.filter(organization=OuterRef("pk"), active=True))
    waiting = Exists(Lease.objects.filter(organization=OuterRef("pk"), state=LeaseState.PAUSED, reason=BUDGET_REACHED))
    return Organization.objects.filter(Q(capped) | Q(waiting)).order_by("pk")


@transaction.atomic
def enforce(*, organization: Organization, now: datetime) -> None:
    """Pause, resume and tell as the budgets at `now` demand."""
    operations.lock_wallet(organization=organization)
    caps = budgets.active(organization=organization)
    spoken = overrun.forgive(organization=organization, caps=caps, now=now)
    stopped = _pause(organization, caps, spoken, now)
    if not stopped:
        _resume(organization, now)
    spoken = commitments(organization=organization, now=now)
    for budget in caps:
        _tell(budget, spoken, now, reached=budget.pk in stopped)


def _pause(organization: Organization, caps: list[Budget], spoken: Commitments, now: datetime) -> set[int]:
    """Pause until all budgets hold in this month and in the one that the reach touches. Keys of those that did not."""
    running = [one for one in spoken.all if one.stoppable]
    running.sort(key=lambda one: one.meter.lease_id if one.meter else 0)
    over = {budget.pk for budget in caps if _over(budget, spoken, now)}
    stopped: list[Commitment] = []
    while running and (beyond := [b for b in caps if _over(b, _without(spoken, stopped), now)]):
        found = next((one for one in reversed(running) if any(b.covers(one.project) for b in beyond)), None)
        if found is None:
            break
        running.remove(found)
        stopped.append(found)
        cap = next(budget for budget in beyond if budget.covers(found.project))
        _pause_one(found, cap, organization, now)
    return over if stopped else set()


def _over(budget: Budget, spoken: Commitments, now: datetime) -> bool:
    months = {month_of(now), month_of(now + REACH)}
    return any(spoken.total(budget.project, month) > budget.limit_micros for month in months)


def _without(spoken: Commitments, stopped: list[Commitment]) -> Commitments:
    """The commitments once these leases stand still."""
    gone = {id(one) for one in stopped}
    return Commitments(tuple(Commitment(o.project, o.used, o.used) if id(o) in gone else o for o in spoken.all))


def _pause_one(found: Commitment, cap: Budget, organization: Organization, now: datetime) -> None:
    assert found.meter is not None
    until = now + timedelta(hours=organization.data_retention_hours)
    lease = found.meter.lease
    notice = _notice(found, lease, cap, until, now)
    leasing.operations.pause(lease=lease, reason=BUDGET_REACHED, until=until, actor=ACTOR, now=now, notice=notice)
    reading = next(r for r in open_readings(organization, at=now) if r.meter.pk == found.meter.pk)
    Meter.objects.filter(pk=reading.meter.pk).update(hold_micros=reading.due_micros)  # nothing is kept for it meanwhile


def _notice(found: Commitment, lease: Lease, cap: Budget, until: datetime, now: datetime) -> Words:
    """The mail. A new month is a way out only where it begins while the data is kept."""
    renewed_at = start_of(next_month(month_of(now)))
    wait = f", or wait for the new month at {renewed_at:%Y-%m-%d %H:%M} UTC" if renewed_at < until else ""
    return {
        "title": f"{lease.name} is paused",
        "text": f"The budget of {cap.label} is reached, so access is off and nothing is charged. Your data, keys and "
        f"address are kept until {until:%Y-%m-%d %H:%M} UTC. It goes on by itself once an hour of it, "
        f"{format_micros(found.burn_micros_per_hour)}, fits into the budget: have that raised before then{wait}.",
        "path": "/budgets/",
    }


def _resume(organization: Organization, now: datetime) -> None:
    """As after a top-up."""
    purse = wallet(organization=organization, now=now)
    standing.resume(filter(_is_paused, purse.readings), purse=purse, now=now)


def waiting(*, outlook: budgets.Outlook, spoken: Commitments, now: datetime) -> list[Reading]:
    """What a budget paused and this one has no room for: an hour of each costs more than is left in it."""
    meters = [one.meter for one in spoken.under(outlook.budget.project) if one.meter]
    paused = filter(_is_paused, (read(meter, at=now) for meter in meters))
    return [reading for reading in paused if reading.micros_per_hour > outlook.left_micros]


def _is_paused(reading: Reading) -> bool:
    lease = reading.meter.lease
    return lease.state == LeaseState.PAUSED and lease.reason == BUDGET_REACHED and not reading.over


def _tell(budget: Budget, spoken: Commitments, now: datetime, *, reached: bool) -> None:
    """The highest share that was not told yet this month; those below it are told with it."""
    month = month_of(now)
    committed = spoken.total(budget.project, month)
    passed = PERCENTS if reached else budgets.reached(budget=budget, committed_micros=committed)
    told = set(BudgetAlert.objects.filter(budget=budget, month=month).values_list("percent", flat=True))
    fresh = [percent for percent in passed if percent not in told]
    if not fresh:
        return
    BudgetAlert.objects.bulk_create(BudgetAlert(budget=budget, month=month, percent=p, at=now) for p in fresh)
    limit, spent = format_micros(budget.limit_micros), format_micros(committed)
    way_out = "Raise it, and they go on." if reached else "Raise it if you need more."
    record(
        organization=budget.organization,
        kind=f"budget.reached_{max(fresh)}",
        subject=budget.public_id,
        actor=ACTOR,
        at=now,
        data={"project": budget.project, "committed_micros": committed, "limit_micros": budget.limit_micros},
        notice={
            "title": f"{max(fresh)} % of the budget of {budget.label}",
            "text": f"{spent} of the {limit} for {month:%B %Y} are used or agreed on. Orders that do not fit are "
            f"refused, and on-demand leases are paused before the limit is passed. {way_out}",
            "path": "/budgets/",
        },
    )
