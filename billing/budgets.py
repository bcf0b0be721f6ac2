"""Budgets: caps that are kept where money is promised, and what is left of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField

from accounts.models import Given, Organization, Statement, User
from accounts.operations import record
from billing import operations
from billing.models import PERCENTS, Budget, BudgetAlert, Quote
from billing.queries import Commitments, commitments, split
from billing.queries.burning import Running, reached_after
from billing.queries.months import month_of, next_month, start_of
from marketplace.money import format_micros

SECOND = timedelta(seconds=1)


class BudgetExceeded(Exception):
    """An order that does not fit into a month of a budget. Micro-dollars."""

    def __init__(self, budget: Budget, month: date, *, left_micros: int, needed_micros: int) -> None:
        self.budget, self.month = budget, month
        self.left_micros, self.needed_micros = left_micros, needed_micros
        super().__init__(
            f"The budget of {budget.label} is {format_micros(budget.limit_micros)} for {month:%B %Y}: "
            f"{format_micros(left_micros)} are left, {format_micros(needed_micros)} are needed. Take less, or time in "
            "another month, return what you do not need, or have an owner, an admin or finance raise the budget."
        )


class BudgetExists(Exception):
    """The organization has a budget for this tag already; change that one."""


@dataclass(frozen=True)
class Outlook:
    """
    A budget in one month. `forecast_micros` is what the month comes to at what runs open-ended now, pauses left out;
    `reached_at` is when the limit is reached then, None if not in the month.
    """

    budget: Budget
    month: date
    committed_micros: int
    burn_micros_per_hour: int
    forecast_micros: int
    reached_at: datetime | None

    @property
    def rest_micros(self) -> int:
        """What runs open-ended now will cost from now until the month's end, beside what is committed."""
        return self.forecast_micros - self.committed_micros

    @property
    def remains_micros(self) -> int:
        """The limit less what is committed: below zero once it is over."""
        return self.budget.limit_micros - self.committed_micros

    @property
    def left_micros(self) -> int:
        """What further orders may commit."""
        return max(0, self.remains_micros)

    @property
    def over_micros(self) -> int:
        """By how much it is over its limit: it was lowered, or set when more was agreed already."""
        return max(0, -self.remains_micros)

    @property
    def fits(self) -> bool:
        """Whether all of it is within the limit."""
        return self.remains_micros >= 0

    @property
    def percent(self) -> int:
        """Of the limit, rounded down; above 100 once it is over."""
        return self.committed_micros * 100 // self.budget.limit_micros

    @property
    def forecast_percent(self) -> int:
        """The same of the forecast."""
        return self.forecast_micros * 100 // self.budget.limit_micros

    @property
    def renewed_at(self) -> datetime:
        """When the next month begins, with all of the limit."""
        return start_of(next_month(self.month))


def check(
    *,
    organization: Organization,
    project: str,
    amounts_by_month: Mapping[date, int],
    now: datetime,
    caps: Sequence[Budget] | None = None,
) -> None:
    """
    Refuse amounts (micro-dollars by the first day of their month) that do not fit beside what is committed already, in
    the organization's budget or in its project's. Call it under the wallet's lock: then two that do not fit together
    cannot both pass. `caps`: only these budgets.

    :raises BudgetExceeded: naming the first budget and month that they do not fit into
    """
    if caps is None:
        caps = [budget for budget in active(organization=organization) if budget.covers(project)]
    if not caps:
        return
    spoken = commitments(organization=organization, now=now)
    for budget in caps:
        for month, needed in sorted(amounts_by_month.items()):
            left = max(0, budget.limit_micros - spoken.total(budget.project, month))
            if needed > left:
                raise BudgetExceeded(budget, month, left_micros=left, needed_micros=needed)


def active(*, organization: Organization) -> list[Budget]:
    """Its budgets, that of the whole organization first."""
    return ACTIVE.rows(organization=organization.pk)


ACTIVE = Statement(
    lambda: Budget.objects.filter(organization=Given("organization", BigIntegerField()), active=True).order_by(
        "project"
    )
)


def outlook(
    *,
    budget: Budget,
    spoken: Commitments,
    now: datetime,
    month: date | None = None,
    more_micros: int = 0,
    more_per_hour: int = 0,
) -> Outlook:
    """The budget in a month (this one), with an order that commits `more_micros` and, open-ended, burns on."""
    month = month or month_of(now)
    committed = spoken.total(budget.project, month) + more_micros
    running = [Running(one.burn_micros_per_hour, one.ahead(month)) for one in spoken.under(budget.project)]
    burning = [one for one in (*running, Running(more_per_hour, more_micros)) if one.micros_per_hour]
    burn, begin = sum(one.micros_per_hour for one in burning), max(now, start_of(month))
    rest = sum(one.beyond(start_of(next_month(month)) - begin) for one in burning)
    left = max(0, budget.limit_micros - committed)
    reached = begin + reached_after(burning, left_micros=left) if rest > left else None
    return Outlook(budget, month, committed, burn, committed + rest, reached)


def with_order(*, quote: Quote, project: str, now: datetime) -> list[Outlook]:
    """
    The budgets that an order by this quote would count towards, in the months that it touches, with it in them; without
    an end in the next month too, where it reaches a limit then and not before.
    """
    caps = [budget for budget in active(organization=quote.organization) if budget.covers(project)]
    if not caps:
        return []
    rate, spoken = quote.micros_per_node_hour, commitments(organization=quote.organization, now=now)
    parts = split(
        micros_per_node_hour=rate, nodes=quote.nodes, starts_at=quote.starts_at, ends_at=quote.ends_at, now=now
    )
    burn = 0 if quote.ends_at else rate * quote.nodes
    found = []
    for budget in caps:
        ahead: dict[str, Any] = {"budget": budget, "spoken": spoken, "now": now, "more_per_hour": burn}
        shown = [outlook(**ahead, month=month, more_micros=parts[month]) for month in sorted(parts)]
        found += shown
        if burn and not any(one.reached_at for one in shown):
            later = outlook(**ahead, month=next_month(max(parts)))
            found += [later] if later.reached_at else []
    return found


@transaction.atomic
def create(
    *, organization: Organization, actor: str, created_by: User | None, project: str, limit_micros: int, now: datetime
) -> Budget:
    """
    Cap each UTC month. A limit below what is committed already stops new orders, and pauses what runs on demand.

    :raises BudgetExists: if there is one for this tag
    """
    operations.lock_wallet(organization=organization)
    if Budget.objects.filter(organization=organization, project=project, active=True).exists():
        raise BudgetExists(f"There is a budget for {project or 'the whole organization'} already. Change its limit.")
    made = Budget.objects.create(
        organization=organization,
        project=project,
        limit_micros=limit_micros,
        created_at=now,
        created_by=created_by,
        changed_at=now,
        changed_by=actor,
    )
    _record(made, "budget.created", actor, now, after=limit_micros)
    return made


@transaction.atomic
def change(*, budget: Budget, limit_micros: int, actor: str, now: datetime) -> Budget:
    """
    Another limit, from now on. Agreed windows are kept also where they are more than a lower limit. Which shares of a
    higher one are reached is told anew.
    """
    operations.lock_wallet(organization=budget.organization)
    fresh = Budget.objects.get(pk=budget.pk)
    if not fresh.active or fresh.limit_micros == limit_micros:
        return fresh
    before = fresh.limit_micros
    fresh.limit_micros, fresh.changed_at, fresh.changed_by = limit_micros, now, actor
    fresh.save(update_fields=["limit_micros", "changed_at", "changed_by"])
    if limit_micros > before:
        _tell_anew(fresh, now)
    _record(fresh, "budget.changed", actor, now, before=before, after=limit_micros)
    return fresh


def reached(*, budget: Budget, committed_micros: int) -> list[int]:
    """Which of the shares that are told of, in percent, are committed."""
    return [percent for percent in PERCENTS if committed_micros * 100 >= budget.limit_micros * percent]


def _tell_anew(budget: Budget, now: datetime) -> None:
    month = month_of(now)
    committed = commitments(organization=budget.organization, now=now).total(budget.project, month)
    told = BudgetAlert.objects.filter(budget=budget, month=month)
    told.exclude(percent__in=reached(budget=budget, committed_micros=committed)).delete()


@transaction.atomic
def remove(*, budget: Budget, actor: str, now: datetime) -> None:
    """Cap nothing any more. Removing twice does nothing."""
    operations.lock_wallet(organization=budget.organization)
    kept = Budget.objects.filter(pk=budget.pk, active=True)
    if kept.update(active=False, changed_at=now, changed_by=actor):
        _record(budget, "budget.removed", actor, now, before=budget.limit_micros)


def _record(budget: Budget, kind: str, actor: str, now: datetime, **limits: int) -> None:
    data = {"project": budget.project, **{f"{name}_micros": micros for name, micros in limits.items()}}
    record(organization=budget.organization, kind=kind, subject=budget.public_id, actor=actor, at=now, data=data)
