"""
Safety bounds: a month that breaks one is parked, and staff look at it. Guessing would send a wrong invoice; parking
sends one late (Kill Bill parks accounts for the same reason).
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts.operations import record
from billing.invoicing import statements
from billing.models import ParkedMonth
from billing.queries.lines import bounds
from billing.queries.months import month_of, previous_month

TIMES_THE_LARGEST = 10  # of the last twelve months' invoices
BUT_AT_LEAST_CENTS = 1_000_000  # $10,000: less is never too much
ACTOR = "system:billing"
LEFT_BEHIND = (
    f"It was not closed in {statements.MONTHS_BACK} months: its use may not be metered to its end. See why; released, "
    "it is closed as soon as that is so."
)


class AlreadyReleased(Exception):
    """Somebody has released the month before."""


def park(given: dict[str, Any]) -> int:
    """Park what looks wrong of a close that is under way; how many organizations."""
    limits = {"times": TIMES_THE_LARGEST, "least_cents": BUT_AT_LEAST_CENTS}
    return put(statements.PARK, {**given, **limits})


def put(statement: str, given: dict[str, Any]) -> int:
    """Park what a statement finds, leave its lines out of the close and tell staff; how many organizations."""
    parked = _park(statement, given)
    with connection.cursor() as cursor:
        cursor.execute(statements.LEAVE_OUT, {"parked": parked})
    return len(parked)


@transaction.atomic
def park_left_behind(*, now: datetime) -> int:
    """
    Park what was not closed in the month that sweeps have just ceased to look at; how many organizations. Once
    released, it is looked at until it is closed, however old it is.
    """
    month = month_of(now)
    for _ in range(statements.MONTHS_BACK + 1):
        month = previous_month(month)
    return len(_park(statements.PARK_LEFT_BEHIND, {"month": month, "now": now, "reason": LEFT_BEHIND, **bounds(month)}))


@transaction.atomic
def release(*, parked: ParkedMonth, reason: str, actor: str, now: datetime) -> None:
    """
    Let a month be closed as it stands, for a reason that staff give. The next sweep closes it.

    :raises AlreadyReleased: if it was released before
    """
    open_one = ParkedMonth.objects.filter(pk=parked.pk, released_at=None)
    if not open_one.update(released_at=now, released_by=actor, release_reason=reason):
        raise AlreadyReleased(f"{parked} was released before.")
    record(
        organization=None,
        kind="closing.released",
        subject=parked.public_id,
        actor=actor,
        at=now,
        data={"organization": parked.organization.public_id, "period": parked.period_start, "reason": reason},
    )


def _park(statement: str, given: dict[str, Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        parked = [key for (key,) in cursor.fetchall()]
    if parked:
        _tell(parked, given)
    return parked


def _tell(parked: list[int], given: dict[str, Any]) -> None:
    rows = ParkedMonth.objects.filter(organization__in=parked, period_start=given["month"]).select_related(
        "organization"
    )
    many = "1 organization" if len(parked) == 1 else f"{len(parked):,} organizations"
    record(
        organization=None,
        kind="closing.parked",
        subject=f"{given['month']:%Y-%m}",
        actor=ACTOR,
        at=given["now"],
        data={"parked": [row.public_id for row in rows]},
        notice={
            "title": f"{given['month']:%B %Y} is parked for {many}",
            "text": f"What looks wrong is not invoiced before you release it. First: {rows[0]}. {rows[0].reason}",
            "path": "/operations/closing/",
        },
    )
