"""
The processor's messages: verified, stored once for ever, and then only a reason to ask the processor itself. What it
gives is merged into our rows, which never go back, so the order and number of messages change nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Protocol

from django.db.models import F

from accounts.operations import record
from accounts.prepared import ask
from billing import card_invoices, cards, charging, disputes, out_of_band, refunds, settlement, sweeping
from billing.models import Forgery, GatewayEvent
from billing.payments import card_invoices as billed
from billing.payments import cards as saving
from billing.payments import charges, checkouts, meters
from billing.payments import disputes as disputing
from billing.payments import refunds as refunding
from billing.payments.base import BadSignature, Facts, Gateway, ObjectKind, WebhookEvent

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=72)


class Merge(Protocol):
    """Brings our row to where the object is, or leaves it if it is there or further. Opens its own transaction."""

    def __call__(self, *, facts: Facts, now: datetime) -> None: ...


@dataclass(frozen=True)
class Rules:
    """What follows from news of an object: it is fetched from below `path` and merged.

    `changes_for` is how long one may change after it was made: so far back `billing.polling` looks. Without it there is
    no list to look through, and our own rows are looked after one by one. `by_event`: what there is to know is not in
    the object but in the event itself, which is fetched instead.
    """

    path: str
    merge: Merge
    changes_for: timedelta | None
    expand: Sequence[str] = ()
    by_event: bool = False


def _merge_page(*, facts: Facts, now: datetime) -> None:
    """A page is one of two: where a top-up is paid, or where a card is saved."""
    (cards.merge_page if checkouts.saves_a_card(facts) else settlement.merge)(facts=facts, now=now)


RULES: Mapping[ObjectKind, Rules] = {
    ObjectKind.CHECKOUT: Rules(checkouts.PATH, _merge_page, timedelta(days=1), checkouts.EXPAND),
    ObjectKind.PAYMENT_INTENT: Rules(charges.PATH, charging.merge, timedelta(days=2)),
    ObjectKind.CARD: Rules(saving.METHODS, cards.merge, None),
    ObjectKind.REFUND: Rules(refunding.PATH, refunds.merge, timedelta(days=30)),
    ObjectKind.DISPUTE: Rules(disputing.PATH, disputes.merge, disputes.LASTS),
    ObjectKind.FRAUD_WARNING: Rules(disputing.WARNINGS, disputes.merge_warning, timedelta()),
    ObjectKind.INVOICE: Rules(billed.PATH, card_invoices.merge, None, billed.EXPAND),
    ObjectKind.SUBSCRIPTION: Rules(meters.SUBSCRIPTIONS, out_of_band.merge_subscription, None),
    ObjectKind.METER_ERROR: Rules(meters.REPORTS, out_of_band.merge_report, None, by_event=True),
}


def receive(*, payload: bytes, signature: str, gateway: Gateway, now: datetime) -> None:
    """
    Verify and store a message. The same message again, however often, is stored once.

    :raises BadSignature: if it is not the processor's, not for us, or not of now
    :raises GatewayUnavailable: if it names an account, and ours is not known yet because the processor does not answer
    """
    event = gateway.verify_webhook(payload, signature, now)
    if event.account and event.account != gateway.account():
        raise BadSignature("an event of another account")
    keep(event=event, now=now)


def refuse(*, reason: str, now: datetime) -> None:
    """Count a message that was refused."""
    day = Forgery.objects.filter(day=now.date(), reason=reason[:80])
    Forgery.objects.bulk_create([Forgery(day=now.date(), reason=reason[:80], last_at=now)], ignore_conflicts=True)
    day.update(count=F("count") + 1, last_at=now)


def keep(*, event: WebhookEvent, now: datetime) -> None:
    """Store a message that is the processor's, once: by one statement, for they come in bursts."""
    ask(KEEP, [event.id, event.kind, event.object_reference, event.our_id, json.dumps(event.facts), now, now])


KEEP = """
INSERT INTO billing_gatewayevent (event_id, kind, object_reference, our_id, payload, received_at, next_attempt_at,
                                  attempts, error)
VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s, 0, '') ON CONFLICT (event_id) DO NOTHING
"""


def settle_due(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """
    Act on stored messages, oldest first. Returns what went wrong, by message: each is tried again, and none stops the
    rest, unless the processor is silent.
    """
    due = GatewayEvent.objects.filter(processed_at=None, next_attempt_at__lte=now).order_by("id")
    return sweeping.ask_each(
        sweeping.claims(due, lambda event: _later(event, now)),
        lambda event: _try(event, gateway, now),
        name=attrgetter("event_id"),
        now=now,
    )


def _later(event: GatewayEvent, now: datetime) -> Mapping[str, object]:
    tries = event.attempts + 1
    wait = sweeping.pause(tries, first=FIRST_WAIT, longest=LONGEST_WAIT)
    return {"attempts": tries, "next_attempt_at": now + wait}


def _try(event: GatewayEvent, gateway: Gateway, now: datetime) -> None:
    try:
        _settle(event, gateway, now)
    except Exception as error:
        _park(event, error, now)
        raise
    GatewayEvent.objects.filter(pk=event.pk).update(processed_at=now, error="")


def _settle(event: GatewayEvent, gateway: Gateway, now: datetime) -> None:
    rules = RULES.get(ObjectKind(event.kind))
    reference = event.event_id if rules and rules.by_event else event.object_reference
    if rules and reference:
        expand = {"expand": rules.expand} if rules.expand else {}
        rules.merge(facts=gateway.fetch(f"{rules.path}/{reference}", **expand), now=now)


def _park(event: GatewayEvent, error: Exception, now: datetime) -> None:
    """Keep what went wrong. After three days the message is put aside for a person, with its error."""
    over = now - event.received_at > GIVE_UP_AFTER
    text = f"{type(error).__name__}: {error}"[:300]
    GatewayEvent.objects.filter(pk=event.pk).update(error=text, processed_at=now if over else None)
    if over:
        record(
            organization=None,
            kind="payment.message_put_aside",
            subject=event.event_id,
            actor="system:billing",
            at=now,
            data={"kind": event.kind, "object": event.object_reference, "error": text},
            notice={
                "title": f"A message about {event.object_reference} could not be used",
                "text": f"The card processor told of it three days ago, and each try since ended in: {text}. Look at "
                "the object there, and at what it should have changed here.",
                "path": f"/admin/billing/gatewayevent/{event.pk}/change/",
            },
        )
