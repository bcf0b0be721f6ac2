"""
Counts usage a second time, all day long: what each lease owes by another way (`billing.queries.rebuilt`) must be what
it was charged, to the micro-dollar. A difference is written down and told to staff; nothing is corrected by itself.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Window
from django.db.models.functions import RowNumber

from accounts.models import Organization
from accounts.operations import record
from billing.models import Difference, Meter, Recount
from billing.queries.months import month_of, previous_month
from billing.queries.rebuilt import Owed, owed
from leasing.models import Lease
from marketplace.money import format_micros

ROUND = timedelta(hours=12)  # in which every organization has its turn
EVERY = timedelta(minutes=1)  # between two sweeps
ACTOR = "system:billing"


def due() -> list[Organization]:
    """Whose turn it is: those that were counted the longest ago, so many that all have theirs twice a day."""
    metered = Organization.objects.filter(Exists(Meter.objects.filter(organization=OuterRef("pk"))))
    oldest = [F("recount__at").asc(nulls_first=True), F("pk").asc()]
    placed = metered.annotate(place=Window(RowNumber(), order_by=oldest), metered=Window(Count("pk")))
    return list(placed.filter(metered__gt=(F("place") - 1) * (ROUND // EVERY)).order_by("place"))


@transaction.atomic
def recount(*, organization: Organization, now: datetime) -> list[Difference]:
    """
    Compare this month and the two before it, in which something may still change. Returns the differences that are open
    afterwards; each is told to staff once, and closed when both ways agree again.
    """
    found = [
        difference
        for month in _months(now)
        for difference in _compared(month, owed(organization=organization, month=month), now)
    ]
    Recount.objects.update_or_create(organization=organization, defaults={"at": now})
    return found


def _months(now: datetime) -> list[date]:
    this = month_of(now)
    last = previous_month(this)
    return [previous_month(last), last, this]


def _compared(month: date, rows: Sequence[Owed], now: datetime) -> list[Difference]:
    known = {
        row.lease_id: row
        for row in Difference.objects.filter(month=month, gone_at=None, lease__in=[row.lease_id for row in rows])
    }
    for row in rows:
        before = known.get(row.lease_id)
        if row.settled and before and not row.differs:
            Difference.objects.filter(pk=before.pk).update(gone_at=now)
            del known[row.lease_id]
        elif row.differs and not before:
            known[row.lease_id] = _found(month, row, now)
    return list(known.values())


def _found(month: date, row: Owed, now: datetime) -> Difference:
    lease = Lease.objects.get(pk=row.lease_id)
    made = Difference.objects.create(
        lease=lease, month=month, owed_micros=row.owed_micros, posted_micros=row.posted_micros, found_at=now
    )
    owes, charged = (format_micros(micros, places=6) for micros in (row.owed_micros, row.posted_micros))
    record(
        organization=None,
        kind="ledger.difference",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"month": f"{month}", "owed_micros": row.owed_micros, "posted_micros": row.posted_micros},
        notice={
            "title": f"Usage of {lease.public_id} in {month:%B %Y} does not add up",
            "text": f"By its transitions, outages and prices the lease owes {owes}; {charged} was charged. Find out "
            "which is right before the month is invoiced. This is told once; it closes by itself when both agree.",
            "path": f"/admin/billing/difference/{made.pk}/change/",
        },
    )
    return made
