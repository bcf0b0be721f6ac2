"""Top-ups: opened at the processor, and settled only by what the processor itself says when asked."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Organization, User
from accounts.operations import record
from billing import cards, customers, operations, sweeping
from billing.models import AccountKind, CallKind, GatewayCall, Payment, PaymentState, PostingKind
from billing.payments import checkouts
from billing.payments.base import Facts, Gateway, GatewayRefused
from billing.payments.checkouts import Checkout
from marketplace.money import MICROS_PER_CENT, format_cents

LEAST_CENTS, MOST_CENTS = 10_00, 50_000_00
UNOPENED_LASTS = timedelta(hours=23)  # a page that could not be opened in so long is not looked for any more
FIRST_CHECK, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
log = logging.getLogger(__name__)


class BadAmount(Exception):
    """The amount cannot be paid in; the message names the limits."""


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
    Write down the wish to pay in, and the call that opens a page for it. No money has moved, and the processor knows
    nothing yet. With `keep_card` the card that is used is saved for later.

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
    ask_page(payment=payment, now=now)
    _record(payment, "payment.requested", actor, now)
    return payment


def check_amount(amount_cents: int) -> None:
    """
    :raises BadAmount: outside $10.00 to $50,000.00
    """
    if not LEAST_CENTS <= amount_cents <= MOST_CENTS:
        raise BadAmount(
            f"Top up by {format_cents(LEAST_CENTS)} to {format_cents(MOST_CENTS)}, not {format_cents(amount_cents)}."
        )


@transaction.atomic
def ask_page(*, payment: Payment, now: datetime) -> None:
    """Write the call that opens the page, once. Cards are kept for customers: it waits until the processor knows it."""
    keep_for = ""
    if payment.keep_card:
        account = customers.make_known(organization=payment.organization, now=now)
        if account.customer_reference is None:
            return
        keep_for = account.customer_reference
    call = checkouts.top_up(
        payment_id=payment.public_id,
        amount_cents=payment.amount_cents,
        organization_id=payment.organization.public_id,
        customer_email=payment.created_by.email if payment.created_by else "",
        success_url=f"{settings.BASE_URL}/top-ups/{payment.public_id}/",
        cancel_url=f"{settings.BASE_URL}/wallet/",
        keep_for=keep_for,
    )
    operations.ask(
        organization=payment.organization, kind=CallKind.CHECKOUT, subject=payment.public_id, call=call, now=now
    )


def opened(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The page is open: whoever waits for it can pay."""
    page = checkouts.read(facts)
    _pending(public_id=call.subject).update(checkout_reference=page.reference, checkout_url=page.url)


def not_opened(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """There will be no page."""
    _pending(public_id=call.subject).update(state=PaymentState.FAILED, error=refusal.message[:300])


def pay_url(payment: Payment) -> str | None:
    """Our own address that leads on to the processor's page, for anybody who has it; None when nothing is due."""
    due = payment.state == PaymentState.PENDING and payment.card_id is None
    return f"{settings.BASE_URL}/top-ups/{payment.public_id}/pay/" if due else None


def settle_checkout(*, reference: str, gateway: Gateway, now: datetime) -> None:
    """
    Ask the processor for a checkout and settle the payment by the answer.

    :raises UnknownPayment, PaymentMismatch: see `merge`
    :raises GatewayUnavailable: if the processor does not answer
    """
    merge(facts=gateway.fetch(f"{checkouts.PATH}/{reference}", expand=checkouts.EXPAND), now=now)


def merge(*, facts: Facts, now: datetime) -> None:
    """
    Settle the payment by its checkout, as the processor gave it.

    :raises UnknownPayment, PaymentMismatch: see there; the mismatch is written on the payment
    """
    checkout = checkouts.read(facts)
    try:
        apply(checkout=checkout, now=now)
    except PaymentMismatch as mismatch:
        Payment.objects.filter(public_id=checkout.payment_id).update(error=str(mismatch)[:300])
        log.error("payment %s: %s", checkout.payment_id, mismatch)
        raise


@transaction.atomic
def apply(*, checkout: Checkout, now: datetime) -> None:
    """
    Bring our payment to where the checkout stands. Paid wins over everything, and is credited once.

    :raises UnknownPayment, PaymentMismatch: with nothing changed
    """
    payment = Payment.objects.select_related("organization").filter(public_id=checkout.payment_id).first()
    if payment is None:
        raise UnknownPayment(f"checkout {checkout.reference} names {checkout.payment_id or 'no payment'}")
    if payment.state == PaymentState.PAID or checkout.status == "open":
        return
    operations.lock_wallet(organization=payment.organization)
    payment.refresh_from_db(from_queryset=Payment.objects.select_for_update().select_related("organization"))
    if checkout.status == "expired":
        _pending(pk=payment.pk).update(state=PaymentState.EXPIRED, checkout_reference=checkout.reference)
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
    opened = Payment.objects.filter(state=PaymentState.PENDING, checkout_reference__isnull=False)
    return sweeping.ask_each(
        sweeping.claims(opened.filter(next_check_at__lte=now).order_by("next_check_at"), lambda row: later(row, now)),
        lambda row: settle_checkout(reference=row.checkout_reference or "", gateway=gateway, now=now),
        name=attrgetter("public_id"),
        now=now,
    )


def later(payment: Payment, now: datetime) -> Mapping[str, object]:
    """When to ask about it again."""
    checks = payment.checks + 1
    wait = sweeping.pause(checks, first=FIRST_CHECK, longest=LONGEST_WAIT)
    return {"checks": checks, "next_check_at": now + wait}


def _expire_unopened(now: datetime) -> None:
    unopened = Payment.objects.filter(state=PaymentState.PENDING, card=None, checkout_reference=None)
    unopened.filter(created_at__lte=now - UNOPENED_LASTS).update(state=PaymentState.EXPIRED)


def _check_reference(payment: Payment, checkout: Checkout) -> None:
    if payment.checkout_reference not in (None, checkout.reference):
        raise PaymentMismatch(f"expected {payment.checkout_reference}, the processor says {checkout.reference}")


def check_taken(payment: Payment, *, amount_cents: int, currency: str, livemode: bool) -> None:
    """
    :raises PaymentMismatch: if this is not what was asked for
    """
    live = settings.STRIPE_API_KEY.startswith(("sk_live_", "rk_live_"))
    expected, found = (payment.amount_cents, checkouts.CURRENCY, live), (amount_cents, currency, livemode)
    if found != expected:
        raise PaymentMismatch(f"expected {expected}, the processor says {found}")


def credit(payment: Payment, *, charge_reference: str, now: datetime) -> None:
    """The payment is paid and in the wallet, once. Under the wallet's lock, by whoever knows it from the processor."""
    payment.state, payment.settled_at, payment.error = PaymentState.PAID, now, ""
    payment.charge_reference = charge_reference
    own = ["checkout_reference", "intent_reference", "charge_reference", "bank_url", "decline_code"]
    payment.save(update_fields=["state", "settled_at", "error", *own])
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


def _pending(**which: object) -> QuerySet[Payment]:
    return Payment.objects.filter(**which, state=PaymentState.PENDING)


def _record(payment: Payment, kind: str, actor: str, now: datetime) -> None:
    data = {"amount_cents": payment.amount_cents}
    record(organization=payment.organization, kind=kind, subject=payment.public_id, actor=actor, at=now, data=data)
