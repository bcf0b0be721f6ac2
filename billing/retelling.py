"""
What the processor's meter took, and reported later that it has not counted. It is never sent to the meter again: that
would count twice what was counted after all, and be refused as known within a day. The meter is read instead, and what
it does not have is put on the next invoice as an item, once.

Stripe counts some time after it answers, so what is in doubt is looked at an hour later. A minute of the meter has what
was told for it, or exactly the doubted amounts less; anything else is never guessed at: it stays in doubt, shown to
staff, until the comparison of its day agrees.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import Organization
from accounts.operations import record
from billing import exporting, operations, sweeping
from billing.models import (
    BillingAccount,
    CallKind,
    Export,
    ExportState,
    ExportWay,
    GatewayCall,
    MeteredPrice,
)
from billing.payments import meters
from billing.payments.base import Gateway

VALIDATED_WITHIN = timedelta(minutes=5)  # of our call, as far as we know; clocks differ by less than a minute
COUNTED_WITHIN = timedelta(hours=1)
ACTOR = "system:billing"
Minute = tuple[Organization, datetime]


def doubt(*, report: meters.Report, now: datetime) -> None:
    """
    Doubt what a report names, and if it does not name all, everything that was told in its time. What was told again
    meanwhile is out of doubt, however often the same report comes.
    """
    calls = GatewayCall.objects.filter(kind=CallKind.METER_EVENT)
    named = Q(identifier__in=report.named) | Q(identifier__in=_subjects(calls.filter(public_id__in=report.named)))
    if not report.complete:
        told = calls.filter(
            settled_at__gte=report.since - VALIDATED_WITHIN, settled_at__lte=report.until + meters.MINUTE
        )
        named |= Q(identifier__in=_subjects(told))
    rows = Export.objects.filter(named, way=ExportWay.EVENT, doubted_at=None)
    rows.exclude(state=ExportState.FAILED).update(doubted_at=now)


def look(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Look for what is in doubt, minute by minute. Returns what went wrong, by organization; none stops the rest."""
    return sweeping.ask_each(
        sweeping.shuffled(_minutes(now)),
        lambda doubted: _look(*doubted, gateway, now),
        name=lambda doubted: doubted[0].public_id,
        now=now,
        seconds=sweeping.LONG_SECONDS,
    )


def _minutes(now: datetime) -> list[Minute]:
    rows = Export.objects.filter(doubted_at__lte=now - COUNTED_WITHIN).select_related("organization").order_by("at")
    return list(dict.fromkeys((row.organization, row.at.replace(second=0, microsecond=0)) for row in rows))


def _look(organization: Organization, minute: datetime, gateway: Gateway, now: datetime) -> None:
    """Read the meter between two looks at our rows: only if nothing moved meanwhile are they compared."""
    meter = MeteredPrice.objects.get(event_name=meters.EVENT_NAME).meter_reference
    customer = str(BillingAccount.objects.get(organization=organization).customer_reference)
    until = minute + meters.MINUTE
    before = _told(organization, minute)
    there = meters.counted(gateway, meter=meter, customer=customer, since=minute, until=until)
    with transaction.atomic():
        operations.lock_wallet(organization=organization)
        rows = _told(organization, minute)
        counted = [(row.pk, ExportState.COUNTED) for row in rows]
        if [(row.pk, row.state) for row in rows] == [(row.pk, row.state) for row in before] == counted:
            _compare(rows, there, now)


def _told(organization: Organization, minute: datetime) -> list[Export]:
    rows = Export.objects.filter(organization=organization, way=ExportWay.EVENT, at__gte=minute)
    within = rows.filter(at__lt=minute + meters.MINUTE).exclude(state=ExportState.FAILED)
    return list(within.select_related("organization__billing_account").order_by("pk"))


def _compare(rows: list[Export], there: int, now: datetime) -> None:
    doubted = [row for row in rows if row.doubted_at]
    missing = sum(row.value_micros for row in rows) - there
    if missing == 0:
        for row in doubted:
            _settle(row, ExportState.COUNTED)
    elif missing == sum(row.value_micros for row in doubted):
        for row in doubted:
            _tell_again(row, now)


def _tell_again(row: Export, now: datetime) -> None:
    _settle(row, ExportState.FAILED)
    again = exporting.as_item(lost=row, now=now)
    record(
        organization=None,
        kind="metered.told_again",
        subject=row.identifier,
        actor=ACTOR,
        at=now,
        data={
            "organization": row.organization.public_id,
            "value_micros": row.value_micros,
            "item": again.identifier,
        },
    )


def _settle(row: Export, state: ExportState) -> None:
    Export.objects.filter(pk=row.pk).update(state=state, doubted_at=None)


def believed(*, organization: Organization, since: datetime, until: datetime) -> None:
    """The comparison of a time agrees to the micro-dollar: all that was told for it was counted."""
    rows = Export.objects.filter(organization=organization, at__gte=since, at__lt=until, way=ExportWay.EVENT)
    rows.filter(doubted_at__isnull=False, state=ExportState.COUNTED).update(doubted_at=None)


def _subjects(calls: QuerySet[GatewayCall]) -> QuerySet[GatewayCall, str]:
    return calls.values_list("subject", flat=True)
