"""Money back to the card: unused, and paid by card before. It leaves the wallet before anybody is asked to send it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter

from django.db import transaction
from django.db.models import F, Q

from accounts.models import Organization, User
from accounts.operations import record
from billing import operations, sweeping
from billing.models import AccountKind, CallKind, GatewayCall, Payment, PostingKind, Refund, RefundState
from billing.payments import refunds
from billing.payments.base import Facts, Gateway, GatewayRefused
from billing.payments.refunds import Answer
from billing.queries import refundable_cents, refundable_payments
from marketplace.money import MICROS_PER_CENT, format_cents

STATE_OF = {"pending": RefundState.SENT, "succeeded": RefundState.SUCCEEDED, "failed": RefundState.FAILED}
ORDER = (RefundState.PENDING, RefundState.SENT, RefundState.SUCCEEDED, RefundState.FAILED)  # news never goes back in it
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=30)


class RefundTooLarge(Exception):
    """More than can go back: `most_cents` is available, unused and was paid by card."""

    def __init__(self, most_cents: int) -> None:
        super().__init__(f"At most {format_cents(most_cents)} can go back to your cards now.")
        self.most_cents = most_cents


class UnknownRefund(Exception):
    """The processor speaks of a refund that is not ours."""


@transaction.atomic
def request_refund(
    *, organization: Organization, actor: str, created_by: User | None, amount_cents: int, now: datetime
) -> list[Refund]:
    """
    Take unused money out of the wallet, to be sent back to the cards it came from, newest payment first.

    :raises RefundTooLarge: if less is available, or less was paid by card
    """
    operations.lock_wallet(organization=organization)
    most = refundable_cents(organization=organization, now=now)
    if not 1 <= amount_cents <= most:
        raise RefundTooLarge(most)
    made, left = [], amount_cents
    for payment in refundable_payments(organization=organization).select_for_update():
        part = min(left, payment.amount_cents - payment.refunded_cents)
        if part:
            made.append(_take(payment, part, created_by, now))
            left -= part
    record(
        organization=organization,
        kind="wallet.refund_requested",
        subject=organization.public_id,
        actor=actor,
        at=now,
        data={"amount_cents": amount_cents, "refunds": [refund.public_id for refund in made]},
    )
    return made


def sent(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor has made it."""
    apply(refund=Refund.objects.get(public_id=call.subject), answer=refunds.read(facts), now=now)


def not_sent(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """It will not be made: the money is back in the wallet."""
    answer = refunds.Answer(reference="", refund_id=call.subject, status="failed", reason=refusal.message)
    apply(refund=Refund.objects.get(public_id=call.subject), answer=answer, now=now)


def check_sent(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Ask about refunds that were sent and not confirmed. Returns what went wrong, by refund; none stops the rest."""
    due = Refund.objects.filter(state=RefundState.SENT, next_attempt_at__lte=now).order_by("next_attempt_at")
    return sweeping.ask_each(
        sweeping.claims(due, lambda refund: _later(refund, now)),
        lambda refund: merge(facts=gateway.fetch(f"{refunds.PATH}/{refund.reference}"), now=now),
        name=attrgetter("public_id"),
        now=now,
    )


def merge(*, facts: Facts, now: datetime) -> None:
    """
    Settle our refund by the processor's, as it gave it.

    :raises UnknownRefund: if it is not ours
    """
    answer = refunds.read(facts)
    known = Refund.objects.filter(Q(reference=answer.reference) | Q(public_id=answer.refund_id))
    refund = known.select_related("payment__organization").first()
    if refund is None:
        raise UnknownRefund(answer.reference)
    apply(refund=refund, answer=answer, now=now)


@transaction.atomic
def apply(*, refund: Refund, answer: Answer, now: datetime) -> None:
    """
    Bring our refund to where the processor's stands; what it said before is passed over. A failure, even a late one,
    puts the money back once.
    """
    state = STATE_OF[answer.status]
    if ORDER.index(state) <= ORDER.index(RefundState(refund.state)):
        return
    operations.lock_wallet(organization=refund.payment.organization)
    row = Refund.objects.select_for_update(of=("self",)).select_related("payment__organization").get(pk=refund.pk)
    if ORDER.index(state) <= ORDER.index(RefundState(row.state)):
        return
    row.reference = row.reference or answer.reference or None
    row.state, row.error = state, answer.reason[:300]
    row.settled_at = None if state == RefundState.SENT else row.settled_at or now
    row.save(update_fields=["reference", "state", "settled_at", "error"])
    if state == RefundState.FAILED:
        _put_back(row, now)


def _later(refund: Refund, now: datetime) -> Mapping[str, object]:
    tries = refund.attempts + 1
    wait = sweeping.pause(tries, first=FIRST_WAIT, longest=LONGEST_WAIT)
    return {"attempts": tries, "next_attempt_at": now + wait}


def _take(payment: Payment, cents: int, created_by: User | None, now: datetime) -> Refund:
    refund = Refund.objects.create(
        payment=payment, created_by=created_by, amount_cents=cents, created_at=now, next_attempt_at=now + FIRST_WAIT
    )
    Payment.objects.filter(pk=payment.pk).update(refunded_cents=F("refunded_cents") + cents)
    _post(refund, PostingKind.REFUND, -cents, "Refund to card", now)
    call = refunds.refund(refund_id=refund.public_id, charge_reference=payment.charge_reference, amount_cents=cents)
    operations.ask(
        organization=payment.organization, kind=CallKind.REFUND, subject=refund.public_id, call=call, now=now
    )
    return refund


def _put_back(refund: Refund, now: datetime) -> None:
    Payment.objects.filter(pk=refund.payment_id).update(refunded_cents=F("refunded_cents") - refund.amount_cents)
    _post(refund, PostingKind.REFUND_FAILED, refund.amount_cents, "Refund that the bank refused", now)
    amount = format_cents(refund.amount_cents)
    record(
        organization=refund.payment.organization,
        kind="wallet.refund_failed",
        subject=refund.public_id,
        actor="system:billing",
        at=now,
        data={"amount_cents": refund.amount_cents, "reason": refund.error},
        notice={
            "title": f"A refund of {amount} failed",
            "text": f"The bank did not take the refund of {amount} ({refund.error}). The money is back in your wallet.",
            "path": "/wallet/",
        },
    )


def _post(refund: Refund, kind: PostingKind, cents: int, memo: str, now: datetime) -> None:
    micros = cents * MICROS_PER_CENT
    operations.post(
        organization=refund.payment.organization,
        kind=kind,
        key=f"{kind}:{refund.public_id}",
        at=now,
        amounts={AccountKind.WALLET: micros, AccountKind.CLEARING: -micros},
        payment=refund.payment,
        memo=memo,
    )
