"""Money back to the card: unused, and paid by card before. The row is the outbox; a retry never pays twice."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts.models import Organization, User
from accounts.operations import record
from billing import operations
from billing.models import AccountKind, Payment, PostingKind, Refund, RefundState
from billing.payments import base
from billing.payments.base import Gateway, GatewayRefused
from billing.queries import refundable_cents, refundable_payments
from marketplace.money import MICROS_PER_CENT, format_micros

OPEN = (RefundState.PENDING, RefundState.SENT)
STATE_OF = {"pending": RefundState.SENT, "succeeded": RefundState.SUCCEEDED, "failed": RefundState.FAILED}
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=30)
KEY_LASTS = timedelta(hours=23)  # after a day the processor may have forgotten the idempotency key
BATCH = 20


class RefundTooLarge(Exception):
    """More than can go back: `most_cents` is available, unused and was paid by card."""

    def __init__(self, most_cents: int) -> None:
        super().__init__(f"At most {format_micros(most_cents * MICROS_PER_CENT)} can go back to your cards now.")
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
    refunds, left = [], amount_cents
    for payment in refundable_payments(organization=organization).select_for_update():
        part = min(left, payment.amount_cents - payment.refunded_cents)
        if part:
            refunds.append(_take(payment, part, created_by, now))
            left -= part
    record(
        organization=organization,
        kind="wallet.refund_requested",
        subject=organization.public_id,
        actor=actor,
        at=now,
        data={"amount_cents": amount_cents, "refunds": [refund.public_id for refund in refunds]},
    )
    return refunds


def send_due(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Send refunds, or ask how far they are. Returns what went wrong, by refund; one does not stop the rest."""
    failures: dict[str, Exception] = {}
    for refund in _claim(now):
        try:
            send(refund=refund, gateway=gateway, now=now)
        except Exception as error:  # noqa: BLE001 - reported to the caller, row by row
            failures[refund.public_id] = error
    return failures


def send(*, refund: Refund, gateway: Gateway, now: datetime) -> None:
    """
    Send one refund, or ask how far it is. Calls the processor: never in a transaction.

    :raises GatewayUnavailable: if the processor does not answer; nothing is lost, try again
    :raises GatewayRefused: if it does not tell how far a sent one is: its money may be on the card already
    """
    try:
        answer = _ask(refund, gateway, now)
    except GatewayRefused as refusal:
        if refund.reference:
            raise
        answer = base.RefundState(reference="", status="failed", reason=refusal.message)
    apply(refund=refund, answer=answer, now=now)


def settle_refund(*, reference: str, our_id: str, gateway: Gateway, now: datetime) -> None:
    """
    Ask the processor for a refund and settle ours by the answer.

    :raises UnknownRefund: if it is not ours
    """
    known = Refund.objects.filter(reference=reference) | Refund.objects.filter(public_id=our_id)
    refund = known.select_related("payment__organization").first()
    if refund is None:
        raise UnknownRefund(reference)
    apply(refund=refund, answer=gateway.refund_state(reference), now=now)


@transaction.atomic
def apply(*, refund: Refund, answer: base.RefundState, now: datetime) -> None:
    """Bring our refund to where the processor's stands. A failure, even a late one, puts the money back once."""
    operations.lock_wallet(organization=refund.payment.organization)
    row = Refund.objects.select_for_update(of=("self",)).select_related("payment__organization").get(pk=refund.pk)
    if row.state == RefundState.FAILED:
        return
    row.reference = row.reference or answer.reference or None
    row.state = STATE_OF[answer.status]
    row.settled_at = None if row.state in OPEN else row.settled_at or now
    row.error = answer.reason[:300]
    row.save(update_fields=["reference", "state", "settled_at", "error"])
    if row.state == RefundState.FAILED:
        _put_back(row, now)


@transaction.atomic
def _claim(now: datetime) -> list[Refund]:
    """Refunds to work on, each pushed back so that no other worker takes it meanwhile."""
    due = Refund.objects.filter(state__in=OPEN, next_attempt_at__lte=now).select_related("payment__organization")
    rows = list(due.select_for_update(skip_locked=True, of=("self",)).order_by("next_attempt_at")[:BATCH])
    for row in rows:
        row.attempts += 1
        row.next_attempt_at = now + min(FIRST_WAIT * 2 ** min(row.attempts, 10), LONGEST_WAIT)
    Refund.objects.bulk_update(rows, ["attempts", "next_attempt_at"])
    return rows


def _ask(refund: Refund, gateway: Gateway, now: datetime) -> base.RefundState:
    charge = refund.payment.charge_reference
    if refund.reference:
        return gateway.refund_state(refund.reference)
    if now - refund.created_at > KEY_LASTS:
        found = gateway.find_refund(refund.public_id, charge)
        if found:
            return found
    return gateway.refund(refund_id=refund.public_id, charge_reference=charge, amount_cents=refund.amount_cents)


def _take(payment: Payment, cents: int, created_by: User | None, now: datetime) -> Refund:
    refund = Refund.objects.create(
        payment=payment, created_by=created_by, amount_cents=cents, created_at=now, next_attempt_at=now
    )
    Payment.objects.filter(pk=payment.pk).update(refunded_cents=F("refunded_cents") + cents)
    _post(refund, PostingKind.REFUND, -cents, "Refund to card", now)
    return refund


def _put_back(refund: Refund, now: datetime) -> None:
    Payment.objects.filter(pk=refund.payment_id).update(refunded_cents=F("refunded_cents") - refund.amount_cents)
    _post(refund, PostingKind.REFUND_FAILED, refund.amount_cents, "Refund that the bank refused", now)
    amount = format_micros(refund.amount_cents * MICROS_PER_CENT)
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
