"""
Sends the outbox. A call is taken in a short transaction, made outside of any, and its answer applied in a third: all
that follows from it happens once, whatever was sent how often.

While the processor remembers a key (`KEY_LASTS`), the same call with the same key and body has one effect, so it is
simply made again. After that nobody knows: the call is uncertain, and only looked for, by the mark that its object
carries. https://docs.stripe.com/api/idempotent_requests
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.operations import record
from billing import customers, exporting, metered, operations
from billing.models import CallKind, CallState, GatewayCall
from billing.payments.base import Call, Facts, Gateway, GatewayBroke, GatewayRefused

OPEN = (CallState.PENDING, CallState.UNCERTAIN)
KEY_LASTS = timedelta(hours=23)  # the processor may forget a key after a day
FLIGHT = timedelta(minutes=2)  # longer than any call with its retries: a worker that has one for longer is dead
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=30)
LOOKED_FOR = timedelta(days=3)  # an uncertain call whose object is not found in so long did not happen
ACTOR = "system:billing"


class Apply(Protocol):
    """Brings our rows to where the answer is. In a transaction, once for each call; it must not call the processor."""

    def __call__(self, *, call: GatewayCall, facts: Facts, now: datetime) -> None: ...


class Refused(Protocol):
    """Brings our rows to where a refusal leaves them, as `Apply` does."""

    def __call__(self, *, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None: ...


Find = Callable[[Gateway, GatewayCall], Facts | None]


def by_mark(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """The object that a call made, found by its mark among those made since."""
    since = int(call.created_at.timestamp()) - 60
    made = gateway.each(call.path, created={"gte": since})
    return next((facts for facts in made if (facts.get("metadata") or {}).get("call_id") == call.public_id), None)


def alarm(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """Nobody expected a refusal: a person must look."""


@dataclass(frozen=True)
class Rules:
    """What follows from calls of a kind."""

    apply: Apply
    refused: Refused = alarm
    find: Find = by_mark


RULES: Mapping[CallKind, Rules] = {
    CallKind.CUSTOMER: Rules(apply=customers.known),
    CallKind.METER: Rules(apply=metered.made, find=metered.find),
    CallKind.METERED_PRICE: Rules(apply=metered.made, find=metered.find),
    CallKind.SUBSCRIPTION: Rules(apply=metered.subscribed),
    CallKind.SUBSCRIPTION_END: Rules(apply=metered.ended, find=metered.find),
    CallKind.METER_EVENT: Rules(apply=exporting.counted, refused=exporting.not_counted, find=exporting.find),
    CallKind.INVOICE_ITEM: Rules(apply=exporting.counted, refused=exporting.not_counted, find=exporting.find),
}


def send_due(*, gateway: Gateway, now: datetime, most: int = 50) -> Mapping[str, Exception]:
    """Make calls that are due, at most so many. Returns what went wrong, by call; none stops another customer's."""
    failures: dict[str, Exception] = {}
    for _ in range(most):
        call = take(now=now)
        if call is None:
            break
        try:
            send(call=call, gateway=gateway, now=now)
        except Exception as error:  # noqa: BLE001 - reported to the caller, row by row
            failures[call.public_id] = error
    return failures


def due(*, now: datetime) -> QuerySet[GatewayCall]:
    """The calls that may be sent now: each the first in its customer's line."""
    earlier = GatewayCall.objects.filter(organization=OuterRef("organization"), state__in=OPEN, pk__lt=OuterRef("pk"))
    free = Q(in_flight_until=None) | Q(in_flight_until__lte=now)
    return GatewayCall.objects.filter(~Exists(earlier), free, state__in=OPEN, next_attempt_at__lte=now)


def take(*, now: datetime, pk: int | None = None) -> GatewayCall | None:
    """The call that has been due for longest, or one of them, for this worker alone; None if there is none."""
    rows = due(now=now) if pk is None else due(now=now).filter(pk=pk)
    try:
        with transaction.atomic():
            call = rows.select_for_update(skip_locked=True, of=("self",)).order_by("next_attempt_at", "pk").first()
            if call is None:
                return None
            call.in_flight_until, call.attempts = now + FLIGHT, call.attempts + 1
            call.next_attempt_at = now + min(FIRST_WAIT * 2 ** min(call.attempts, 10), LONGEST_WAIT)
            call.first_sent_at = call.first_sent_at or now
            if now - call.first_sent_at > KEY_LASTS:
                call.state = CallState.UNCERTAIN
            call.save(update_fields=["in_flight_until", "attempts", "next_attempt_at", "first_sent_at", "state"])
            return call
    except IntegrityError:  # another of this customer's calls is in flight already
        return None


def send(*, call: GatewayCall, gateway: Gateway, now: datetime) -> GatewayCall:
    """
    Make a taken call, or look for what it made, and apply the answer.

    :raises GatewayUnavailable: if there was no answer; the call stays and is made again
    """
    try:
        facts = _ask(call, gateway)
    except GatewayRefused as refusal:
        return _settle(call, CallState.FAILED, now, refusal=refusal)
    except Exception:
        GatewayCall.objects.filter(pk=call.pk, state__in=OPEN).update(in_flight_until=None)
        raise
    if facts is None:
        return _not_found(call, now)
    return _settle(call, CallState.DONE, now, facts=facts)


def _ask(call: GatewayCall, gateway: Gateway) -> Facts | None:
    find = RULES[CallKind(call.kind)].find
    if call.state == CallState.UNCERTAIN:
        return find(gateway, call)
    try:
        return gateway.send(Call(call.path, call.body), key=call.public_id)
    except GatewayBroke:  # each retry would be answered by the same error, although it may have been done
        found = find(gateway, call)
        if found is None:
            raise
        return found


def _not_found(call: GatewayCall, now: datetime) -> GatewayCall:
    if call.first_sent_at and now - call.first_sent_at > LOOKED_FOR:
        never = GatewayRefused("never_made", "The processor has no trace of it.")
        return _settle(call, CallState.FAILED, now, refusal=never)
    GatewayCall.objects.filter(pk=call.pk).update(in_flight_until=None)
    return call


@transaction.atomic
def _settle(
    call: GatewayCall,
    state: CallState,
    now: datetime,
    *,
    facts: Facts | None = None,
    refusal: GatewayRefused | None = None,
) -> GatewayCall:
    """Once: whoever comes second finds it settled."""
    operations.lock_wallet(organization=call.organization)
    row = GatewayCall.objects.select_for_update(of=("self",)).select_related("organization").get(pk=call.pk)
    if row.state not in OPEN:
        return row
    row.state, row.settled_at, row.in_flight_until = state, now, None
    rules = RULES[CallKind(row.kind)]
    if facts is not None:
        row.reference, row.answer = str(facts.get("id", "")), dict(facts)
        rules.apply(call=row, facts=facts, now=now)
    if refusal is not None:
        row.error_code, row.error = refusal.code[:80], refusal.message[:300]
        rules.refused(call=row, refusal=refusal, now=now)
        _record(row, now)
    row.save()
    return row


def _record(call: GatewayCall, now: datetime) -> None:
    record(
        organization=call.organization,
        kind="payment.call_refused",
        subject=call.public_id,
        actor=ACTOR,
        at=now,
        data={"call": call.kind, "about": call.subject, "code": call.error_code, "message": call.error},
    )
