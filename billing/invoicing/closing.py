"""
Closing a month: a few statements in one transaction, however many organizations there are. Each is closed once; what
looks wrong is parked for staff; what is not metered to the month's end, or busy, waits for the next sweep.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from accounts.operations import record_all
from billing import operations
from billing.invoicing import asking, parking, statements
from billing.models import Invoice, InvoiceCounter, ParkedMonth
from billing.queries.lines import bounds
from billing.queries.meters import LAG
from billing.queries.months import month_of, previous_month
from billing.queries.taxes import seller

SERIES = "GL"
ENERGY_WAIT = timedelta(hours=12)  # behind a month, for its energy; usually it is counted two hours after
DAYS_TO_PAY = 30
ACTOR = "system:billing"


class PeriodNotReady(Exception):
    """The month is not over. Try again later."""


class ClockBehind(Exception):
    """The clock says less than at the last close: it is wrong, and nothing is closed by it."""


@dataclass(frozen=True)
class Closed:
    """How many invoices a close has issued, and how many organizations it has parked."""

    issued: int = 0
    parked: int = 0


def past_months(*, now: datetime) -> list[date]:
    """
    The months that may still have something to close, oldest first: the last few, and earlier ones of which somebody
    was released. What is neither is parked (`parking.park_left_behind`).
    """
    months = [previous_month(month_of(now))]
    while len(months) < statements.MONTHS_BACK:
        months.append(previous_month(months[-1]))
    issued = Invoice.objects.filter(organization=OuterRef("organization"), period_start=OuterRef("period_start"))
    released = ParkedMonth.objects.filter(~Exists(issued), released_at__isnull=False, period_start__lt=months[-1])
    return [*released.order_by("period_start").values_list("period_start", flat=True).distinct(), *months[::-1]]


def due(*, period: date, now: datetime, among: Collection[int] | None = None) -> list[int]:
    """
    Keys of organizations with use, fees or credits in the month that are metered to its end, are not parked, and
    have no invoice for it. Where their sites' energy is not counted to its end, they are due twelve hours later.
    """
    month = bounds(period)
    waits = now < month["end"] + ENERGY_WAIT
    given = {"month": period, "among": among if among is None else list(among), "energy_waits": waits}
    return _keys(statements.DUE, given | month)


@transaction.atomic
def close(*, period: date, now: datetime, organizations: Collection[int] | None = None) -> Closed:
    """
    Issue the invoices of the UTC month that begins on `period`, to all organizations that are due or to those of these
    keys that are. Closing again issues nothing.

    :raises PeriodNotReady: if the month is not over
    :raises ClockBehind: if `now` is before the last close
    """
    _check_clock(period, now)
    wanted = due(period=period, now=now, among=organizations)
    locked = _keys(statements.LOCK_WALLETS, {"among": wanted})
    chosen = due(period=period, now=now, among=locked) if locked else []  # again, now that nothing of them can change
    if not chosen:
        return Closed()
    given = _given(period, now, chosen)
    _execute(statements.FIND_LINES, given)
    _execute("ANALYZE closing_line", {})
    parked = parking.park(given) + asking.wait(given)
    _execute(statements.FIND_ENERGY, given)
    issued = _issue(given)
    return Closed(issued, parked)


def _issue(given: dict[str, Any]) -> int:
    """Invoices, their lines, their postings and their notices; how many."""
    (before,) = _keys(statements.NUMBER, given)
    _execute(statements.MAKE_INVOICES, {**given, "last": before})
    _execute("ANALYZE closing_invoice", {})
    issued = _execute(statements.WRITE_INVOICES, given)
    asking.record(given)
    for statement in (
        statements.WRITE_LINES,
        statements.WRITE_ENERGY,
        statements.MOVES,
        "ANALYZE closing_move",
        statements.OPEN_ACCOUNTS,
        statements.PARTS,
        "ANALYZE closing_part",
        statements.POST,
    ):
        _execute(statement, given)
    by_transfer = _keys(statements.BY_TRANSFER, given)
    if by_transfer:
        operations.set_off(organizations=by_transfer, now=given["now"])
    record_all(rows=statements.ISSUED, given=given, kind="invoice.issued", actor=ACTOR, at=given["now"])
    for table in ("closing_line", "closing_energy", "closing_invoice", "closing_move", "closing_part"):
        _execute(f"DROP TABLE {table}", {})
    return issued


def _given(period: date, now: datetime, organizations: Collection[int]) -> dict[str, Any]:
    return {
        "month": period,
        "now": now,
        "organizations": list(organizations),
        "unposted": "[]",
        "series": SERIES,
        "days": DAYS_TO_PAY,
        "seller": settings.SELLER,
        "seller_tax_id": settings.SELLER_TAX_ID,
        **seller(),
        **bounds(period),
    }


def _check_clock(period: date, now: datetime) -> None:
    if now < bounds(period)["end"] + LAG:
        raise PeriodNotReady(f"{period:%B %Y} is not over.")
    last = InvoiceCounter.objects.filter(series=SERIES, at__gt=now).first()
    if last:
        raise ClockBehind(f"It is {now:%Y-%m-%d %H:%M:%S} UTC, and the last close was at {last.at:%Y-%m-%d %H:%M:%S}.")


def _keys(statement: str, given: dict[str, Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return [key for (key,) in cursor.fetchall()]


def _execute(statement: str, given: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return int(cursor.rowcount)
