"""Top-ups: opened at the processor, and settled only by what the processor itself says when asked."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Organization, User
from accounts.operations import record
from billing import cards, operations
from billing.models import AccountKind, Payment, PaymentState, PostingKind
from billing.payments.base import CheckoutState, Gateway, GatewayRefused
from marketplace.money import MICROS_PER_CENT, format_micros

LEAST_CENTS, MOST_CENTS = 10_00, 50_000_00
CURRENCY = "usd"
UNOPENED_LASTS = timedelta(hours=23)  # the processor forgets idempotency keys after a day
FIRST_CHECK, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
BATCH = 50
log = logging.getLogger(__name__)


class BadAmount(Exception):
    """The amount cannot be paid in; the message names the limits."""


class CheckoutOver(Exception):
    """The payment is no longer waiting for a card: it was paid, it expired, or it failed."""


class UnknownPayment(Exception):
    """The processor speaks of a payment that is not ours."""


class PaymentMismatch(Exception):
    """What the processor took is not what was asked: nothing is credited and a person must look."""


@transaction.atomic
def request_top_up(
    *,
    organization: Organization,
    actor: str,
    created_by: User | None,
    amount_cents: int,
    now: datetime,
    keep_card: bool = False,
) -> Payment:
    """
    Write down the wish to pay in. No money has moved and the processor knows nothing yet. With `keep_card` the card
    that is used is saved for later.

    :raises BadAmount: outside $10.00 to $50,000.00
    """
    check_amount(amount_cents)
    payment = Payment.objects.create(
        organization=organization,
        created_by=created_by,
        amount_cents=amount_cents,
        keep_card=keep_card,
        created_at=now,
        next_check_at=now + FIRST_CHECK,
    )
    _record(payment, "payment.requested", actor, now)
    return payment


def check_amount(amount_cents: int) -> None:
    """
    :raises BadAmount: outside $10.00 to $50,000.00
    """
    if not LEAST_CENTS <= amount_cents <= MOST_CENTS:
        raise BadAmount(f"Top up by {_dollars(LEAST_CENTS)} to {_dollars(MOST_CENTS)}, not {_dollars(amount_cents)}.")


def open_checkout(*, payment: Payment, gateway: Gateway, keep_for: str = "") -> str:
    """
    The address of the page where a payment is made, the same each time; a card to be kept is kept for the processor's
    customer `keep_for`. Calls the processor: never in a transaction.

    :raises CheckoutOver: if there is nothing left to pay
    :raises GatewayUnavailable: if the processor does not answer; ask again later
    """
    if payment.state != PaymentState.PENDING or payment.card_id:
        raise CheckoutOver(payment.get_state_display())
    if payment.checkout_url:
        return payment.checkout_url
    try:
        page = gateway.open_checkout(
            payment_id=payment.public_id,
            amount_cents=payment.amount_cents,
            organization_id=payment.organization.public_id,
            customer_email=payment.created_by.email if payment.created_by else "",
            success_url=f"{settings.BASE_URL}/top-ups/{payment.public_id}/",
            cancel_url=f"{settings.BASE_URL}/wallet/",
            keep_for=keep_for,
        )
    except GatewayRefused as refusal:
        _pending(payment).update(state=PaymentState.FAILED, error=refusal.message[:300])
        raise CheckoutOver(refusal.message) from refusal
    _pending(payment).update(checkout_reference=page.reference, checkout_url=page.url)
    return page.url


def pay_url(payment: Payment) -> str | None:
    """Our own address that leads on to the processor's page, for anybody who has it; None when nothing is due."""
    due = payment.state == PaymentState.PENDING and payment.card_id is None
    return f"{settings.BASE_URL}/top-ups/{payment.public_id}/pay/" if due else None


def settle_checkout(*, reference: str, gateway: Gateway, now: datetime) -> None:
    """
    Ask the processor for a checkout and settle the payment by the answer.

    :raises UnknownPayment, PaymentMismatch: see there; the mismatch is written on the payment
    :raises GatewayUnavailable: if the processor does not answer
    """
    checkout = gateway.checkout(reference)
    try:
        apply(checkout=checkout, now=now)
    except PaymentMismatch as mismatch:
        Payment.objects.filter(public_id=checkout.payment_id).update(error=str(mismatch)[:300])
        log.error("payment %s: %s", checkout.payment_id, mismatch)
        raise


@transaction.atomic
def apply(*, checkout: CheckoutState, now: datetime) -> None:
    """
    Bring our payment to where the checkout stands. Paid wins over everything, and is credited once.

    :raises UnknownPayment, PaymentMismatch: with nothing changed
    """
    payment = Payment.objects.select_related("organization").filter(public_id=checkout.payment_id).first()
    if payment is None:
        raise UnknownPayment(f"checkout {checkout.reference} names {checkout.payment_id or 'no payment'}")
    operations.lock_wallet(organization=payment.organization)
    payment.refresh_from_db(from_queryset=Payment.objects.select_for_update().select_related("organization"))
    if checkout.status == "expired":
        _pending(payment).update(state=PaymentState.EXPIRED, checkout_reference=checkout.reference)
    if checkout.status != "paid" or payment.state == PaymentState.PAID:
        return
    _check_reference(payment, checkout)
    check_taken(payment, amount_cents=checkout.amount_cents, currency=checkout.currency, livemode=checkout.livemode)
    payment.checkout_reference = checkout.reference
    credit(payment, charge_reference=checkout.charge_reference or "", now=now)
    if payment.keep_card and checkout.card is not None:
        cards.keep(organization=payment.organization, method=checkout.card, now=now)


def check_overdue(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Ask about payments whose message may never come. Returns what went wrong, by payment; none stops the rest."""
    _expire_unopened(now)
    failures: dict[str, Exception] = {}
    for payment in _claim_overdue(now):
        try:
            settle_checkout(reference=payment.checkout_reference or "", gateway=gateway, now=now)
        except Exception as error:  # noqa: BLE001 - reported to the caller, row by row
            failures[payment.public_id] = error
    return failures


@transaction.atomic
def _claim_overdue(now: datetime) -> list[Payment]:
    """Payments to ask about, each pushed back so that no other worker asks meanwhile."""
    opened = Payment.objects.filter(state=PaymentState.PENDING, checkout_reference__isnull=False)
    overdue = opened.filter(next_check_at__lte=now).order_by("next_check_at")
    rows = list(overdue.select_for_update(skip_locked=True)[:BATCH])
    for row in rows:
        row.checks += 1
        row.next_check_at = now + min(FIRST_CHECK * 2 ** min(row.checks, 10), LONGEST_WAIT)
    Payment.objects.bulk_update(rows, ["checks", "next_check_at"])
    return rows


def _expire_unopened(now: datetime) -> None:
    unopened = Payment.objects.filter(state=PaymentState.PENDING, card=None, checkout_reference=None)
    unopened.filter(created_at__lte=now - UNOPENED_LASTS).update(state=PaymentState.EXPIRED)


def _check_reference(payment: Payment, checkout: CheckoutState) -> None:
    if payment.checkout_reference not in (None, checkout.reference):
        raise PaymentMismatch(f"expected {payment.checkout_reference}, the processor says {checkout.reference}")


def check_taken(payment: Payment, *, amount_cents: int, currency: str, livemode: bool) -> None:
    """
    :raises PaymentMismatch: if this is not what was asked for
    """
    live = settings.STRIPE_API_KEY.startswith(("sk_live_", "rk_live_"))
    expected, found = (payment.amount_cents, CURRENCY, live), (amount_cents, currency, livemode)
    if found != expected:
        raise PaymentMismatch(f"expected {expected}, the processor says {found}")


def credit(payment: Payment, *, charge_reference: str, now: datetime) -> None:
    """The payment is paid and in the wallet, once. Under the wallet's lock, by whoever knows it from the processor."""
    payment.state, payment.settled_at, payment.error = PaymentState.PAID, now, ""
    payment.charge_reference = charge_reference
    payment.save()
    micros = payment.amount_cents * MICROS_PER_CENT
    operations.post(
        organization=payment.organization,
        kind=PostingKind.TOP_UP,
        key=f"top_up:{payment.public_id}",
        at=now,
        amounts={AccountKind.CLEARING: -micros, AccountKind.WALLET: micros},
        payment=payment,
        memo="Automatic top-up by card" if payment.automatic else "Top-up by card",
    )
    _record(payment, "payment.paid", "system:billing", now)


def _pending(payment: Payment) -> QuerySet[Payment]:
    return Payment.objects.filter(pk=payment.pk, state=PaymentState.PENDING)


def _record(payment: Payment, kind: str, actor: str, now: datetime) -> None:
    data = {"amount_cents": payment.amount_cents}
    record(organization=payment.organization, kind=kind, subject=payment.public_id, actor=actor, at=now, data=data)


def _dollars(cents: int) -> str:
    return format_micros(cents * MICROS_PER_CENT)
