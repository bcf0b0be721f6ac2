"""
What ran past a budget because the sweep that pauses came late: it is not charged. Of a cap that is hard, the delay is
the operator's to bear.

A sweep looks `REACH` ahead, so that as a rule there is nothing to do here.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db.models import F, Q
from django.db.models.functions import Greatest

from accounts.models import Organization
from accounts.operations import record
from billing.models import Budget, Meter, MeterPrice
from billing.queries import Commitments, commitments, read
from billing.queries.months import month_of, months_between, next_month, previous_month, start_of
from marketplace.money import format_micros

ACTOR = "system:billing"
SECOND = timedelta(seconds=1)


def forgive(*, organization: Organization, caps: Sequence[Budget], now: datetime) -> Commitments:
    """
    Charge nothing for open-ended leases from the moment on at which one of the budgets was reached, and return what the
    organization is committed to then. Call it under the wallet's lock, before the leases are paused and before usage of
    a past month is posted.

    Time before the limit was set is charged: who sets one below what is used already has had the use.
    """
    first = _first_month(organization, now)
    spoken = commitments(organization=organization, now=now, since=first)
    for month in months_between(start_of(first), now):
        for budget in caps:
            if _forgive(budget, month, spoken, now):
                spoken = commitments(organization=organization, now=now, since=first)
    return spoken


def _first_month(organization: Organization, now: datetime) -> date:
    """This month, or the one before where use in that may not be posted yet."""
    this = month_of(now)
    open_ended = Meter.objects.filter(lease__organization=organization, lease__ends_at=None, closed_at=None)
    behind = Q(metered_until=None) | Q(metered_until__lt=start_of(this))
    late = open_ended.filter(behind, lease__starts_at__lt=start_of(this)).exists()
    return previous_month(this) if late else this


def _forgive(budget: Budget, month: date, spoken: Commitments, now: datetime) -> bool:
    """Whether something ran past the budget in the month."""
    open_ended = [one for one in spoken.under(budget.project) if one.open_ended]
    ahead = sum(one.ahead(month) for one in open_ended)
    excess = spoken.total(budget.project, month) - ahead - budget.limit_micros
    if excess <= 0:
        return False
    end = min(now, start_of(next_month(month)))
    meters = [one.meter for one in open_ended if one.meter]
    reached_at = _reached_at(meters, max(budget.changed_at, start_of(month)), end, excess)
    burned = {meter: _burned(meter, reached_at, end) for meter in meters}
    for meter, micros in burned.items():
        if micros > 0:
            _let_off(meter, micros, budget, reached_at, end, now)
    return any(burned.values())


def _reached_at(meters: Sequence[Meter], since: datetime, end: datetime, excess: int) -> datetime:
    """The last whole second from `since` on behind which the meters burned the excess; `since`, if never so much."""
    low, high = 0, max(0, (end - since) // SECOND)
    while low < high:
        middle = (low + high + 1) // 2
        enough = sum(_burned(meter, since + middle * SECOND, end) for meter in meters) >= excess
        low, high = (middle, high) if enough else (low, middle - 1)
    return min(since + low * SECOND, end)


def _burned(meter: Meter, since: datetime, until: datetime) -> int:
    return read(meter, at=until).due_micros - read(meter, at=since).due_micros


def _let_off(meter: Meter, micros: int, budget: Budget, since: datetime, until: datetime, now: datetime) -> None:
    """At a price of nothing from `since` to `until`; what is kept aside for what comes after stays as it was."""
    free, again = (since, 0), (until, meter.micros_per_node_hour)
    MeterPrice.objects.bulk_create(
        MeterPrice(meter=meter, from_at=at, micros_per_node_hour=price, agreed_at=now) for at, price in (free, again)
    )
    Meter.objects.filter(pk=meter.pk).update(hold_micros=Greatest(F("hold_micros") - micros, 0))
    lease = meter.lease
    record(
        organization=lease.organization,
        kind="lease.let_off",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={
            "name": lease.name,
            "budget": budget.public_id,
            "since": since.isoformat(),
            "until": until.isoformat(),
            "micros": micros,
        },
        notice={
            "title": f"{lease.name}: {format_micros(micros)} of use are not charged",
            "text": f"The budget of {budget.label} was reached at {since:%Y-%m-%d %H:%M:%S} UTC, and we paused late. "
            f"Use from then until {until:%Y-%m-%d %H:%M:%S} UTC costs nothing.",
            "path": f"/leases/{lease.public_id}/receipt/",
        },
    )
