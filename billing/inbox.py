"""The processor's messages: verified, stored once, and then only a reason to ask the processor itself."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from billing import card_invoices, refunds, settlement
from billing.models import GatewayEvent
from billing.payments.base import Gateway

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=72)
BATCH = 50


def receive(*, payload: bytes, signature: str, gateway: Gateway, now: datetime) -> None:
    """
    Verify and store a message. The same message again, however often, is stored once.

    :raises BadSignature: if it is not the processor's, not for us, or not of now
    """
    event = gateway.verify_webhook(payload, signature, now)
    row = GatewayEvent(
        event_id=event.id,
        kind=event.kind,
        object_reference=event.object_reference,
        our_id=event.payment_id or event.refund_id or "",
        payload=json.loads(payload),
        received_at=now,
        next_attempt_at=now,
    )
    GatewayEvent.objects.bulk_create([row], ignore_conflicts=True)


def settle_due(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Act on stored messages. Returns what went wrong, by message: each is tried again, and none stops the rest."""
    failures: dict[str, Exception] = {}
    for event in _claim(now):
        try:
            _settle(event, gateway, now)
        except Exception as error:  # noqa: BLE001 - reported to the caller, row by row
            failures[event.event_id] = error
            _park(event, error, now)
        else:
            GatewayEvent.objects.filter(pk=event.pk).update(processed_at=now, error="")
    return failures


def _settle(event: GatewayEvent, gateway: Gateway, now: datetime) -> None:
    if event.kind == "checkout":
        settlement.settle_checkout(reference=event.object_reference, gateway=gateway, now=now)
    elif event.kind == "refund":
        refunds.settle_refund(reference=event.object_reference, our_id=event.our_id, gateway=gateway, now=now)
    elif event.kind == "invoice":
        card_invoices.settle(reference=event.object_reference, gateway=gateway, now=now)


def _park(event: GatewayEvent, error: Exception, now: datetime) -> None:
    """Keep what went wrong. After three days the message is put aside for a person, with its error."""
    over = now - event.received_at > GIVE_UP_AFTER
    text = f"{type(error).__name__}: {error}"[:300]
    GatewayEvent.objects.filter(pk=event.pk).update(error=text, processed_at=now if over else None)


@transaction.atomic
def _claim(now: datetime) -> list[GatewayEvent]:
    """Messages to act on, oldest first, each pushed back so that no other worker takes it meanwhile."""
    due = GatewayEvent.objects.filter(processed_at=None, next_attempt_at__lte=now)
    rows = list(due.select_for_update(skip_locked=True).order_by("id")[:BATCH])
    for row in rows:
        row.attempts += 1
        row.next_attempt_at = now + min(FIRST_WAIT * 2 ** min(row.attempts, 10), LONGEST_WAIT)
    GatewayEvent.objects.bulk_update(rows, ["attempts", "next_attempt_at"])
    return rows
