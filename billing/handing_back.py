"""
Giving agreed time back: all that is left, or the last part of it. What it costs is known beforehand, by the terms that
the lease was ordered on; the fee is a posting of its own, and the rest of the money is free at once.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import BigIntegerField, F
from django.db.models.functions import Greatest

import leasing.operations
from accounts.models import Given, Statement, insert, prefetched
from accounts.operations import Words, record
from accounts.prepared import ask
from billing import operations
from billing.models import AccountKind, HandBack, Meter, MeterPrice, PostingKind
from billing.queries.freed import Value, value_of
from leasing.models import ChangeKind, Lease, LeaseChange
from leasing.operations import check_shorter
from leasing.operations.handing_back import AGREED
from leasing.queries import OF_LEASE, shown
from leasing.states import LeaseState
from marketplace.money import format_micros

FEES = {ChangeKind.CANCELLED: PostingKind.CANCELLATION}  # any other is an early return
WORDS = {
    ChangeKind.CANCELLED: "cancelled before its start",
    ChangeKind.RETURNED: "given back before its end",
    ChangeKind.SHORTENED: "shortened",
}


def value(*, lease: Lease, ends_at: datetime | None = None, now: datetime) -> Value:
    """
    What it costs and brings to let a lease end at `ends_at`, or to give it back now. Nothing where no end was agreed.

    :raises leasing.operations.WindowRefused: if it may not end then
    """
    kind = ChangeKind.SHORTENED if ends_at else _kind(LeaseState(lease.state))
    until = check_shorter(lease, ends_at=ends_at, now=now) if ends_at else lease.ends_at
    since = ends_at or (lease.starts_at if kind == ChangeKind.CANCELLED else max(lease.starts_at, now))
    meter = Meter.objects.filter(lease=lease).first()
    if until is None or until <= since or meter is None or lease.state not in AGREED:
        return Value(kind, since, until)
    return value_of(lease, meter, kind=kind, since=since, until=until, at=now)


@transaction.atomic
def hand_back(*, lease: Lease, actor: str, now: datetime) -> Lease:
    """
    Give a lease back, or cancel it before its start: always accepted, and once. Returns it as it is now, with all that
    is shown of it.
    """
    operations.lock_wallet(organization=lease.organization)
    change = leasing.operations.give_back(lease=lease, actor=actor, now=now)
    if change:
        _settle(change)
    return shown(lease)


@transaction.atomic
def shorten(*, lease: Lease, ends_at: datetime, actor: str, now: datetime) -> None:
    """
    Let a lease end earlier. What was kept aside for the time behind the new end is free at once, but for the fee and
    what the time before it costs more. One that extended itself does so no more. Doing it twice changes nothing.

    :raises leasing.operations.WindowRefused: if it may not end then
    """
    operations.lock_wallet(organization=lease.organization)
    change = leasing.operations.shorten(lease=lease, ends_at=ends_at, actor=actor, now=now)
    if change and (row := _settle(change)):
        less = row.price_micros - row.repriced_micros
        Meter.objects.filter(lease=lease).update(hold_micros=Greatest(F("hold_micros") - less, 0))


def _kind(state: LeaseState) -> ChangeKind:
    return ChangeKind.CANCELLED if state in {LeaseState.HELD, LeaseState.SCHEDULED} else ChangeKind.RETURNED


def _settle(change: LeaseChange) -> HandBack | None:
    """Write down what the change costs, with its lease as it was before, and post the fee."""
    lease, kind = change.lease, ChangeKind(change.kind)
    meter = METER.first(lease=lease.pk)
    if meter is None:  # it was not ordered through a checkout: nothing was agreed about its money
        return None
    meter.lease = lease
    prefetched(meter, prices=PRICES.rows(meter=meter.pk))
    since, until = change.new_ends_at, change.old_ends_at
    worth = value_of(lease, meter, kind=kind, since=since, until=until, at=change.at)
    row = HandBack(
        change=change,
        price_micros=worth.price_micros,
        fee_micros=worth.fee_micros,
        repriced_micros=worth.repriced_micros,
        most_credit_micros=worth.resale_micros,
        credited_until=since,
        closed_at=None if worth.resale_micros else change.at,
    )
    insert(row)
    if worth.micros_per_node_hour is not None:
        MeterPrice.objects.create(
            meter=meter,
            from_at=lease.starts_at,
            micros_per_node_hour=worth.micros_per_node_hour,
            agreed_at=change.at,
        )
    if worth.fee_micros:
        operations.post(
            organization=lease.organization,
            kind=FEES.get(kind, PostingKind.EARLY_RETURN),
            key=f"hand_back:{change.public_id}",
            at=change.at,
            amounts={AccountKind.WALLET: -worth.fee_micros, AccountKind.REVENUE: worth.fee_micros},
            lease=lease,
            memo=f"{lease.name}: {WORDS[kind]}"[:200],
        )
    if kind == ChangeKind.CANCELLED:  # it never ran, so that there is nothing to charge: no sweep has to find that
        ask("UPDATE billing_meter SET closed_at = %s WHERE id = %s", [change.at, meter.pk])
    _record(change, worth)
    return row


METER = Statement(lambda: Meter.objects.filter(lease=OF_LEASE))
PRICES = Statement(lambda: MeterPrice.objects.filter(meter=Given("meter", BigIntegerField())))


def _record(change: LeaseChange, worth: Value) -> None:
    lease = change.lease
    record(
        organization=lease.organization,
        kind="lease.handed_back",
        subject=lease.public_id,
        actor=change.actor,
        at=change.at,
        data={
            "name": lease.name,
            "change": change.public_id,
            "kind": change.kind,
            "price_micros": worth.price_micros,
            "fee_micros": worth.fee_micros,
            "repriced_micros": worth.repriced_micros,
            "refund_micros": worth.refund_micros,
            "resale_micros": worth.resale_micros,
        },
        notice=_notice(change, worth) if worth.fee_micros or worth.repriced_micros else None,
    )


def _notice(change: LeaseChange, worth: Value) -> Words:
    lease = change.lease
    whole, fee, rest = (format_micros(m) for m in (worth.price_micros, worth.fee_micros, worth.refund_micros))
    later = (
        f" Up to {format_micros(worth.resale_micros)} more come back as others use that time."
        if worth.resale_micros
        else ""
    )
    dearer = (
        f" the time before it costs {format_micros(worth.repriced_micros)} more at the discount of its length,"
        if worth.repriced_micros
        else ""
    )
    return {
        "title": f"{lease.name} was {WORDS[ChangeKind(change.kind)]}: {rest} are free again",
        "text": f"The time from {change.new_ends_at:%Y-%m-%d %H:%M} until {change.old_ends_at:%Y-%m-%d %H:%M} UTC "
        f"was agreed for {whole}. By the lease's terms {fee} are kept,{dearer} and {rest} are free in your wallet."
        f"{later}",
        "path": f"/leases/{lease.public_id}/receipt/",
    }
