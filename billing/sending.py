"""
Sends the outbox. A call is taken in a short transaction, made outside of any, and its answer applied in a third: all
that follows from it happens once, whatever was sent how often.

While the processor remembers a key (`KEY_LASTS`), the same call with the same key and body has one effect, so it is
simply made again. After that nobody knows: the call is uncertain, and only looked for, by the mark that its object
carries. https://docs.stripe.com/api/idempotent_requests
"""

import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.operations import record
from billing import (
    calculating,
    cards,
    charging,
    customers,
    exporting,
    locating,
    metered,
    operations,
    pacing,
    refunds,
    settlement,
    sweeping,
    taxing,
)
from billing.models import CallKind, CallState, GatewayCall
from billing.payments.base import KEY_REUSED, Call, Facts, Gateway, GatewayBroke, GatewayRefused
from billing.payments.customers import UNLOCATED

OPEN = (CallState.PENDING, CallState.UNCERTAIN)
KEY_LASTS = timedelta(hours=23)  # the processor may forget a key after a day
FLIGHT = timedelta(minutes=2)  # longer than any call with its retries: a worker that has one for longer is dead
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=30)
LOOKED_FOR = timedelta(days=3)  # an uncertain call whose object is not found in so long did not happen
AT_ONCE = 5  # calls that somebody who waits can have made in front of his
ACTOR = "system:billing"
DOUBTED = " What it was told before under the same key may have happened: that is looked for, for three days."


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
    record(
        organization=None,
        kind="payment.call_failed",
        subject=call.public_id,
        actor=ACTOR,
        at=now,
        data={"call": call.kind, "about": call.subject, "code": refusal.code},
        notice={
            "title": f"The card processor refused to {call.get_kind_display()}",
            "text": f"{refusal.message} It was about {call.subject} of {call.organization}, and is not tried again."
            f"{DOUBTED if refusal.code == KEY_REUSED else ''}",
            "path": f"/admin/billing/gatewaycall/{call.pk}/change/",
        },
    )


def untaxed(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """Without an address that is found nothing is taxed, and the next sweep asks for it so."""
    if refusal.code == UNLOCATED:
        locating.lose(organization=call.organization, why=refusal.message, now=now)
    else:
        alarm(call=call, refusal=refusal, now=now)


def uncalculated(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """Where nobody knows whose law it is, there is no tax; all else is asked again on another day."""
    if refusal.code == UNLOCATED:
        calculating.not_located(call=call, refusal=refusal, now=now)
    else:
        alarm(call=call, refusal=refusal, now=now)


@dataclass(frozen=True)
class Rules:
    """What follows from calls of a kind."""

    apply: Apply
    refused: Refused = alarm
    find: Find = by_mark


RULES: Mapping[CallKind, Rules] = {
    CallKind.CUSTOMER: Rules(apply=customers.known),
    CallKind.CHECKOUT: Rules(apply=settlement.opened, refused=settlement.not_opened),
    CallKind.REFUND: Rules(apply=refunds.sent, refused=refunds.not_sent),
    CallKind.CARD_PAGE: Rules(apply=cards.opened, refused=cards.not_opened),
    CallKind.CARD_RELEASE: Rules(apply=cards.released, refused=cards.not_released, find=cards.find_released),
    CallKind.CHARGE: Rules(apply=charging.answered, refused=charging.refused),
    CallKind.CONFIRM: Rules(apply=charging.answered, refused=charging.refused, find=charging.find),
    CallKind.CALL_OFF: Rules(apply=charging.answered, refused=charging.not_called_off, find=charging.find),
    CallKind.TAX_ID: Rules(apply=taxing.taken, refused=taxing.not_taken, find=taxing.find),
    CallKind.TAX_ID_OFF: Rules(apply=taxing.off, refused=taxing.not_off, find=taxing.find_off),
    CallKind.ADDRESS: Rules(apply=locating.told, refused=locating.not_found, find=locating.find),
    CallKind.TAX_CALCULATION: Rules(apply=calculating.answered, refused=uncalculated, find=calculating.ask_anew),
    CallKind.TAX_RECORD: Rules(apply=calculating.recorded, find=calculating.find),
    CallKind.TAX_REVERSAL: Rules(apply=calculating.taken_back, find=calculating.find),
    CallKind.BILLED_CARD: Rules(apply=metered.card_told, find=metered.find_card),
    CallKind.METER: Rules(apply=metered.made, find=metered.find),
    CallKind.METERED_PRICE: Rules(apply=metered.made, find=metered.find),
    CallKind.SUBSCRIPTION: Rules(apply=metered.subscribed, refused=untaxed),
    CallKind.SUBSCRIPTION_TAX: Rules(apply=metered.tax_told, refused=untaxed, find=metered.find),
    CallKind.SUBSCRIPTION_END: Rules(apply=metered.ended, find=metered.find),
    CallKind.METER_EVENT: Rules(apply=exporting.counted, refused=exporting.not_counted, find=exporting.find),
    CallKind.INVOICE_ITEM: Rules(apply=exporting.counted, refused=exporting.not_counted, find=exporting.find),
}


def send_due(*, gateway: Gateway, now: datetime, workers: int = 1) -> Mapping[str, Exception]:
    """
    Make the calls that are due, in rounds: each has the first call of every customer's line, so nobody waits for
    another's thousand. Returns what went wrong, by call.
    """
    sweep = sweeping.Sweep(now=now)
    make = partial(_make, gateway=gateway, sweep=sweep)
    taken = True
    with ThreadPoolExecutor(workers) as pool:
        while taken and sweep.goes_on() and (line := due(now=sweep.now())):
            taken = any(list(pool.map(_alone(make), line) if workers > 1 else map(make, line)))
    return sweep.failures


def send_now(*, kind: CallKind, subject: str, gateway: Gateway, now: datetime) -> None:
    """
    Make a call for somebody who waits for it, and those of his that are in front of it. If another worker has them, or
    there are too many, nothing is done.

    :raises GatewayUnavailable: if there was no answer; the sweep makes it again
    """
    wanted = GatewayCall.objects.get(kind=kind, subject=subject)
    line = GatewayCall.objects.filter(organization=wanted.organization_id, state__in=OPEN, pk__lte=wanted.pk)
    sweep = sweeping.Sweep(now=now)
    for pk in sweep.while_on(line.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        gateway.check_time()  # what is not asked any more was not tried either
        call = take(pk=pk, now=sweep.now(), at_once=True)
        if call is None:
            return
        send(call=call, gateway=gateway, now=sweep.now())


def due(*, now: datetime) -> list[int]:
    """The calls that may be made now: each the first in its customer's line. The longest due is first."""
    first = GatewayCall.objects.filter(state__in=OPEN).order_by("organization", "pk").distinct("organization")
    rows = GatewayCall.objects.filter(_free(now), pk__in=first.values("pk"), next_attempt_at__lte=now)
    return list(rows.order_by("next_attempt_at", "pk").values_list("pk", flat=True))


def take(*, pk: int, now: datetime, at_once: bool = False) -> GatewayCall | None:
    """
    The call for this worker alone; None if it is not its turn any more. `at_once` passes over its pause after a try,
    and neither changes it nor counts as one: who waits at a page tries again and again, and must not push workers back.
    """
    earlier = GatewayCall.objects.filter(organization=OuterRef("organization"), state__in=OPEN, pk__lt=OuterRef("pk"))
    rows = GatewayCall.objects.filter(~Exists(earlier), _free(now), pk=pk, state__in=OPEN)
    try:
        with transaction.atomic():
            call = rows.select_for_update(skip_locked=True, of=("self",)).first()
            if call is None or (call.next_attempt_at > now and not at_once):
                return None
            call.in_flight_until, call.first_sent_at = now + FLIGHT, call.first_sent_at or now
            if not at_once:
                call.attempts += 1
                call.next_attempt_at = now + _pause(call.attempts)
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
        if refusal.code == KEY_REUSED:
            return _doubt(call, refusal, now)
        return _settle(call, CallState.FAILED, now, refusal=refusal)
    except Exception:
        _mine(call).update(in_flight_until=None)
        raise
    if facts is None:
        return _not_found(call, now)
    return _settle(call, CallState.DONE, now, facts=facts)


def _ask(call: GatewayCall, gateway: Gateway) -> Facts | None:
    find = RULES[CallKind(call.kind)].find
    if call.state == CallState.UNCERTAIN:
        return find(gateway, call)
    pacing.wait(path=call.path)
    try:
        said = Call(call.path, call.body, method="delete" if call.method == "delete" else "post")
        return gateway.send(said, key=call.public_id)
    except GatewayBroke:  # each retry would be answered by the same error, although it may have been done
        found = find(gateway, call)
        if found is None:
            raise
        return found


def _make(pk: int, *, gateway: Gateway, sweep: sweeping.Sweep) -> bool:
    """Take a call while the sweep goes on, and make it. Whether there was one, which others did not have."""
    call = take(pk=pk, now=sweep.now()) if sweep.goes_on() else None
    if call is None:
        return False
    try:
        send(call=call, gateway=gateway, now=sweep.now())
    except Exception as error:  # noqa: BLE001 - reported to the caller, row by row
        sweep.failed(call.public_id, error)
    return True


def _alone(make: Callable[[int], bool]) -> Callable[[int], bool]:
    """The same in a thread, which has a connection of its own and gives it back."""

    def made(pk: int) -> bool:
        try:
            return make(pk)
        finally:
            connection.close()

    return made


def _free(now: datetime) -> Q:
    return Q(in_flight_until=None) | Q(in_flight_until__lte=now)


def _pause(attempts: int) -> timedelta:
    """Twice as long each time, and never the same for two: who was turned away together does not come back so."""
    share: float = random.uniform(0.5, 1)  # noqa: S311 - no secret
    return sweeping.pause(attempts, first=FIRST_WAIT, longest=LONGEST_WAIT) * share


def _not_found(call: GatewayCall, now: datetime) -> GatewayCall:
    if call.first_sent_at and now - call.first_sent_at > LOOKED_FOR:
        never = GatewayRefused("never_made", "The processor has no trace of it.")
        return _settle(call, CallState.FAILED, now, refusal=never)
    _mine(call).update(in_flight_until=None)
    return call


def _mine(call: GatewayCall) -> QuerySet[GatewayCall]:
    """The call as long as nobody else has taken it: whoever was overtaken writes nothing."""
    return GatewayCall.objects.filter(pk=call.pk, in_flight_until=call.in_flight_until, state__in=OPEN)


@transaction.atomic
def _doubt(call: GatewayCall, refusal: GatewayRefused, now: datetime) -> GatewayCall:
    """
    The processor knows the key with another body: it has done something for it, which is looked for and never made
    again. That must not be, so a person is told, once.
    """
    said = {"error_code": refusal.code[:80], "error": refusal.message[:300]}
    if _mine(call).update(state=CallState.UNCERTAIN, in_flight_until=None, **said):
        alarm(call=call, refusal=refusal, now=now)
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
    """Once: whoever comes second finds it settled, or another's."""
    operations.lock_wallet(organization=call.organization)
    row = _mine(call).select_for_update(of=("self",)).select_related("organization").first()
    if row is None:
        return call
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
