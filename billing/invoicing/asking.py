"""
Months whose tax the card processor has to work out (`billing.queries.taxes`: `calculated`). A close asks for what it
does not know yet, leaves those months out, and parks them for staff when no answer comes; an invoice that carries its
answer is told to it, for its tax reports. Each is a call of the outbox.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from billing import locating, operations
from billing.invoicing import parking, statements
from billing.models import CallKind, GatewayCall, TaxCalculation, TaxProfile
from billing.payments import taxes

WAITS: Final = timedelta(hours=12)  # behind the question; an answer usually takes seconds
WHY: Final = (
    "The card processor has not said what tax is due on it. Once it does, the month is closed by itself; released, it "
    "is closed without tax, and says so."
)


@dataclass(frozen=True)
class Question:
    """What the tax of a month follows from, and since when an answer is waited for."""

    organization_id: int
    profile_id: int
    tax_id: str
    net_cents: int
    asked_at: datetime | None


def wait(given: dict[str, Any]) -> int:
    """Leave out of a close that is under way what has no answer, ask for it, and park what waits long; how many."""
    if not given["stripe_tax"]:
        return 0
    open_ones = [Question(*row) for row in _rows(statements.UNCALCULATED, given)]
    _ask([one for one in open_ones if one.asked_at is None], given)
    late = [one.organization_id for one in open_ones if one.asked_at and one.asked_at <= given["now"] - WAITS]
    with connection.cursor() as cursor:
        cursor.execute(statements.LEAVE_OUT, {"parked": [one.organization_id for one in open_ones]})
    return parking.put(statements.PARK_UNTAXED, {**given, "late": late, "reason": WHY})


def record(given: dict[str, Any]) -> None:
    """Have the processor take note of the tax on what was issued."""
    if not given["stripe_tax"]:
        return
    operations.ask_all(
        operations.outgoing(
            organization_id=organization,
            kind=CallKind.TAX_RECORD,
            subject=subject,
            call=taxes.transaction(calculation=reference, reference=number),
            now=given["now"],
        )
        for subject, organization, reference, number in _rows(statements.WRITE_CALCULATIONS, given)
        if reference
    )


def _ask(questions: Collection[Question], given: dict[str, Any]) -> None:
    profiles = TaxProfile.objects.in_bulk([one.profile_id for one in questions])
    rows = [
        TaxCalculation(
            organization_id=one.organization_id,
            period_start=given["month"],
            profile=profiles[one.profile_id],
            tax_id=one.tax_id,
            net_cents=one.net_cents,
            asked_at=given["now"],
        )
        for one in questions
    ]
    TaxCalculation.objects.bulk_create(rows)
    operations.ask_all(question(calculation=row, now=given["now"]) for row in rows)


def question(*, calculation: TaxCalculation, now: datetime) -> GatewayCall:
    """The call that asks; a refused one may be made again on another day."""
    profile = calculation.profile
    return operations.outgoing(
        organization_id=calculation.organization_id,
        kind=CallKind.TAX_CALCULATION,
        subject=f"{calculation.public_id}:{now:%Y-%m-%d}",
        call=taxes.calculation(
            reference=f"{calculation.period_start:%B %Y}",
            net_cents=calculation.net_cents,
            address=locating.address(profile),
            tax_ids=[(profile.tax_id_kind, calculation.tax_id)] if calculation.tax_id else [],
        ),
        now=now,
    )


def _rows(statement: str, given: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return list(cursor.fetchall())
