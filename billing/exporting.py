"""
Tells the processor what organizations that pay by the month are charged: by the hour and lease, from the ledger's
postings, each exactly once. The chain numbers an organization's postings without a gap, so one number says how far it
was told.

All that moves the wallet is told: use, fees, corrections, credits, adjustments; but for payments of the invoices
themselves, and what a bank takes back of a payment. What is
less than nothing is never sent: Stripe bills a month that sums to less than nothing as nothing, and the rest would be
lost. It is carried, and taken off what comes next.

Use is told as the hour in which it was, although it is posted behind it (`billing.queries.told`). A meter counts for
the month of an event's time. An hour of a month that may be final, and what the meter has refused, is put on the next
invoice as an item instead.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet, Sum

from accounts.models import Organization
from accounts.operations import record
from billing import operations
from billing.models import (
    AccountKind,
    BillingMode,
    CallKind,
    CallState,
    Entry,
    Export,
    ExportState,
    ExportWay,
    GatewayCall,
    MeteredPrice,
    MeteredSubscription,
    PostingKind,
)
from billing.payments import meters
from billing.payments.base import Call, Facts, Gateway, GatewayRefused, GatewayUnavailable
from billing.queries.months import month_of, next_month, start_of
from billing.queries.told import HOUR, hour_of, hour_told
from marketplace.money import format_micros

# Stripe makes an invoice final an hour after its month. What is written later than this might come too late for it.
GRACE = timedelta(minutes=30)
CERTAIN = timedelta(hours=26)  # by then an event that was sent with a key is counted, or never was
# Settle what was told, or are the processor's own; all else changes what is owed. Tax on its invoice it knows already.
# What a bank takes back over a dispute is no use: charging the same card for it would only be disputed again. It stays
# owed in the wallet, which suspends, until staff settle it.
UNTOLD = (PostingKind.CARD_INVOICE, PostingKind.CARD_TAX, PostingKind.DISPUTE, PostingKind.DISPUTE_RETURNED)
ACTOR = "system:billing"


def due() -> QuerySet[Organization]:
    """Organizations whose charges are told to the processor."""
    return Organization.objects.filter(
        billing_account__mode=BillingMode.METERED, metered_subscription__reference__isnull=False
    ).order_by("pk")


@transaction.atomic
def export(*, organization: Organization, now: datetime) -> list[Export]:
    """
    Write rows, and their calls, for all postings of hours that are over and were not told yet. Doing it again, or late,
    writes nothing twice.
    """
    operations.lock_wallet(organization=organization)
    subscription = MeteredSubscription.objects.select_for_update().get(organization=organization)
    if subscription.reference is None or subscription.started_at is None:
        return []
    charges, last = _charges(subscription, before=_over(now))
    written = [
        _write(subscription, hour, lease, micros, now)
        for (hour, lease), micros in sorted(charges.items(), key=lambda item: (item[0][0], item[0][1] or 0))
        if micros
    ]
    subscription.exported_number = last
    subscription.save(update_fields=["exported_number", "carry_micros"])
    return written


def _over(now: datetime) -> datetime:
    """
    Hours before it are told. In the first minutes of a month that is all there is: use of the last hour is posted in
    them, and must not wait for an hour in front of it in the chain, or its invoice is final.
    """
    return now if now < start_of(month_of(now)) + GRACE else hour_of(now)


def _charges(
    subscription: MeteredSubscription, *, before: datetime
) -> tuple[dict[tuple[datetime, int | None], int], int]:
    """What was posted by hour and lease, and the number of the last posting of it; in the order of the chain."""
    found = Entry.objects.filter(
        account__organization=subscription.organization,
        account__kind=AccountKind.WALLET,
        posting__link__number__gt=subscription.exported_number,
    ).order_by("posting__link__number")
    charges, last = defaultdict[tuple[datetime, int | None], int](int), subscription.exported_number
    for number, at, key, lease, kind, moved in found.values_list(
        "posting__link__number", "posting__at", "posting__key", "posting__lease", "posting__kind", "amount_micros"
    ):
        hour = hour_told(at=at, key=key)
        if hour >= before:
            break
        last = number
        if kind not in UNTOLD:
            charges[hour, lease] -= moved
    return charges, last


def _write(
    subscription: MeteredSubscription, hour: datetime, lease_id: int | None, micros: int, now: datetime
) -> Export:
    owed = subscription.carry_micros + micros
    subscription.carry_micros, value = min(0, owed), max(0, owed)
    assert subscription.started_at is not None
    at = max(hour, next_minute(subscription.started_at))
    way = ExportWay.NOTHING if value == 0 else ExportWay.EVENT if still_billed(at, now) else ExportWay.ITEM
    return _tell(
        Export(
            organization=subscription.organization,
            lease_id=lease_id,
            hour=hour,
            micros=micros,
            carry_micros=subscription.carry_micros,
            value_micros=value,
            at=at,
            way=way,
        ),
        now,
    )


def still_billed(at: datetime, now: datetime) -> bool:
    """Whether what the meter counts at `at` comes in time for its month's invoice: never older than a month."""
    return now < start_of(next_month(month_of(at))) + GRACE


def missed(*, organization: Organization, month_end: datetime, micros: int, now: datetime) -> Export:
    """What was counted in a month, but after its invoice was final, is put on the next one."""
    row = Export(organization=organization, hour=month_end - HOUR, micros=0, carry_micros=0, value_micros=micros)
    row.at, row.way = month_end - HOUR, ExportWay.MISSED
    return _tell(row, now)


def _tell(row: Export, now: datetime) -> Export:
    """Write the row and its call. Its revision is the next of its lease and hour."""
    same = Export.objects.filter(organization=row.organization, lease=row.lease_id, hour=row.hour)
    row.revision, row.written_at = same.count() + 1, now
    owner = row.lease or row.organization
    row.identifier = f"{owner.public_id}:{row.hour:%Y-%m-%dT%H}:{row.revision}"
    row.state = ExportState.COUNTED if row.way == ExportWay.NOTHING else ExportState.PENDING
    row.save(force_insert=True)
    if row.state == ExportState.PENDING:
        kind = CallKind.METER_EVENT if row.way == ExportWay.EVENT else CallKind.INVOICE_ITEM
        operations.ask(organization=row.organization, kind=kind, subject=row.identifier, call=_call(row), now=now)
    return row


def _call(row: Export) -> Call:
    customer = str(row.organization.billing_account.customer_reference)
    if row.way == ExportWay.EVENT:
        return meters.event(customer=customer, identifier=row.identifier, micros=row.value_micros, at=row.at)
    return meters.item(
        customer=customer,
        identifier=row.identifier,
        micros=row.value_micros,
        since=row.hour,
        until=row.hour + HOUR,
        words=f"Compute on leased nodes, {row.hour:%Y-%m-%d %H}:00 UTC, not invoiced before",
    )


def counted(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor has it."""
    _row(call).update(state=ExportState.COUNTED)


def not_counted(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """A doubled event was counted before. Any other was not: it goes on the next invoice, or if that fails to staff."""
    if refusal.code == meters.DUPLICATE:
        _row(call).update(state=ExportState.COUNTED)
        return
    _row(call).update(state=ExportState.FAILED, doubted_at=None)
    lost = _row(call).select_related("organization").get()
    if lost.way == ExportWay.EVENT:
        as_item(lost=lost, now=now)
        return
    _alarm(lost, refusal, now)


def as_item(*, lost: Export, now: datetime) -> Export:
    """What the meter has not counted, and never will, is put on the next invoice: the next revision of its hour."""
    again = Export(
        organization=lost.organization, lease_id=lost.lease_id, hour=lost.hour, micros=0, carry_micros=0, at=lost.at
    )
    again.value_micros, again.way = lost.value_micros, ExportWay.ITEM
    return _tell(again, now)


def find(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """
    What became of a call, by what the processor says it has. A customer's calls are made one after the other, so a
    minute of the meter has what earlier calls told it and either this one's value or not.

    :raises GatewayRefused: if it is certain that it was never counted
    :raises GatewayUnavailable: if the meter has something else: it is asked again until a person has looked
    """
    row = _row(call).select_related("organization__billing_account").get()
    customer = str(row.organization.billing_account.customer_reference)
    if call.kind == CallKind.INVOICE_ITEM:
        return next(
            (made for made in meters.items_of(gateway, customer=customer) if _mark(made) == row.identifier), None
        )
    since = row.at.replace(second=0, microsecond=0)
    until = since + meters.MINUTE
    meter = MeteredPrice.objects.get(event_name=meters.EVENT_NAME).meter_reference
    there = meters.counted(gateway, meter=meter, customer=customer, since=since, until=until)
    told = told_micros(row.organization, since=since, until=until)
    if there == told + row.value_micros:
        return {"id": row.identifier}
    if there != told:
        raise GatewayUnavailable(f"the meter has {there} of {row.identifier}'s minute, where {told} were told before")
    if call.state == CallState.UNCERTAIN and call.first_sent_at and call.next_attempt_at - call.first_sent_at > CERTAIN:
        raise GatewayRefused("never_counted", "The meter has no trace of it.")
    return None


def told_micros(organization: Organization, *, since: datetime, until: datetime) -> int:
    """What the meter has of an organization by our rows, between two moments of events."""
    counted = _events(organization, since, until).filter(state=ExportState.COUNTED)
    return counted.aggregate(micros=Sum("value_micros"))["micros"] or 0


def on_its_way(organization: Organization, *, since: datetime, until: datetime) -> bool:
    """Whether some event between two moments is still being sent: the meter may have it by now, later or never."""
    return _events(organization, since, until).filter(state=ExportState.PENDING).exists()


def _events(organization: Organization, since: datetime, until: datetime) -> QuerySet[Export]:
    return Export.objects.filter(organization=organization, way=ExportWay.EVENT, at__gte=since, at__lt=until)


def _row(call: GatewayCall) -> QuerySet[Export]:
    return Export.objects.filter(identifier=call.subject)


def _mark(made: Facts) -> str:
    return str((made.get("metadata") or {}).get("export", ""))


def _alarm(lost: Export, refusal: GatewayRefused, now: datetime) -> None:
    record(
        organization=None,
        kind="metered.not_billed",
        subject=lost.identifier,
        actor=ACTOR,
        at=now,
        data={"code": refusal.code, "message": refusal.message, "value_micros": lost.value_micros},
        notice={
            "title": f"{format_micros(lost.value_micros)} of {lost.organization} are not billed",
            "text": f"The processor refused {lost.identifier} as an event and as an item of an invoice: "
            f"{refusal.message} Find out why, and put the amount on an invoice by hand.",
            "path": f"/admin/billing/export/{lost.pk}/change/",
        },
    )


def next_minute(moment: datetime) -> datetime:
    """The first whole minute that does not begin before a moment."""
    floor = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return floor if floor == moment else floor + meters.MINUTE
