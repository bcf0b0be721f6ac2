"""
Charges of saved cards: asked for through the outbox, settled only by what the processor says of them, and confirmed by
the card's owner where the bank wants that. A charge is tried once; another try is another payment.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter

from django.conf import settings
from django.db import transaction

from accounts.models import Organization, User
from accounts.operations import record
from billing import automatic, operations, settlement, sweeping
from billing.models import CallKind, GatewayCall, Payment, PaymentState, SavedCard
from billing.payments import charges
from billing.payments.base import Facts, Gateway, GatewayRefused
from billing.payments.charges import Charge

OPEN = (PaymentState.PENDING, PaymentState.ACTION)
CONFIRM_WITHIN = timedelta(hours=23)  # the processor forgets idempotency keys after a day
FIRST_CHECK = timedelta(minutes=1)


class CardGone(Exception):
    """The card is not saved any more."""

    def __init__(self) -> None:
        super().__init__("This card is not saved any more. Choose another, or save it again.")


@transaction.atomic
def request_charge(
    *,
    organization: Organization,
    actor: str,
    created_by: User | None,
    card: SavedCard,
    amount_cents: int,
    now: datetime,
    by_itself: bool = False,
) -> Payment:
    """
    Top up by a saved card: the payment and the call that charges it, in one transaction. The card's owner is there,
    unless it happens `by_itself`.

    :raises settlement.BadAmount: outside $10.00 to $50,000.00
    :raises CardGone: if the card was removed
    """
    settlement.check_amount(amount_cents)
    operations.lock_wallet(organization=organization)
    if not SavedCard.objects.filter(pk=card.pk, organization=organization, removed_at=None).exists():
        raise CardGone
    payment = Payment.objects.create(
        organization=organization,
        created_by=created_by,
        amount_cents=amount_cents,
        card=card,
        automatic=by_itself,
        created_at=now,
        next_check_at=now + FIRST_CHECK,
    )
    call = charges.charge(
        payment_id=payment.public_id,
        organization_id=organization.public_id,
        customer=operations.account_of(organization).customer_reference or "",
        card=card.reference,
        amount_cents=amount_cents,
        back_url=None if by_itself else back_url(payment),
    )
    operations.ask(organization=organization, kind=CallKind.CHARGE, subject=payment.public_id, call=call, now=now)
    data = {"amount_cents": amount_cents, "card": card.public_id, "automatic": by_itself}
    _record(payment, "payment.requested", actor, now, data=data)
    return payment


def back_url(payment: Payment) -> str:
    """Where the card's owner comes back to from the bank."""
    return f"{settings.BASE_URL}/top-ups/{payment.public_id}/"


def answered(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor took the call."""
    apply(charge=charges.read(facts), now=now)


def refused(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """It did not: the bank declined, or wants the owner; or the call itself was wrong."""
    if refusal.facts is not None:
        apply(charge=charges.read(refusal.facts), now=now)
        return
    payment = Payment.objects.select_related("organization", "card").get(public_id=call.subject)
    if payment.state in OPEN:
        _fail(payment, refusal.code, now)


@transaction.atomic
def apply(*, charge: Charge, now: datetime) -> None:
    """
    Bring our payment to where the charge stands. Paid wins over everything, and is credited once.

    :raises settlement.UnknownPayment, settlement.PaymentMismatch: with nothing changed
    """
    payment = Payment.objects.select_related("organization", "card").filter(public_id=charge.payment_id).first()
    if payment is None:
        raise settlement.UnknownPayment(f"charge {charge.reference} names {charge.payment_id or 'no payment'}")
    if payment.card is None:  # of a checkout, which is settled by the checkout
        return
    operations.lock_wallet(organization=payment.organization)
    payment.refresh_from_db(from_queryset=Payment.objects.select_related("organization", "card"))
    if payment.state == PaymentState.PAID:
        return
    payment.intent_reference = charge.reference
    if charge.status == "paid":
        _paid(payment, charge, now)
    elif payment.state in OPEN and charge.status == "action":
        _await_owner(payment, charge, now)
    elif payment.state in OPEN and charge.status == "failed":
        _fail(payment, charge.code, now)
    else:
        payment.save(update_fields=["intent_reference"])


def _paid(payment: Payment, charge: Charge, now: datetime) -> None:
    settlement.check_taken(
        payment, amount_cents=charge.amount_cents, currency=charge.currency, livemode=charge.livemode
    )
    payment.bank_url, payment.decline_code = "", ""
    settlement.credit(payment, charge_reference=charge.charge_reference, now=now)
    if payment.automatic:
        automatic.succeeded(payment=payment, now=now)


def _await_owner(payment: Payment, charge: Charge, now: datetime) -> None:
    first = payment.state != PaymentState.ACTION
    payment.state, payment.bank_url = PaymentState.ACTION, charge.bank_url or payment.bank_url
    payment.save(update_fields=["intent_reference", "state", "bank_url"])
    if first and payment.automatic:
        automatic.ask_owner(payment=payment, until=payment.created_at + CONFIRM_WITHIN, now=now)


def _fail(payment: Payment, code: str, now: datetime) -> None:
    payment.state, payment.settled_at, payment.decline_code, payment.bank_url = PaymentState.FAILED, now, code[:80], ""
    why = charges.words(code)
    payment.error = f"{why[0].upper()}{why[1:]}."
    payment.save(update_fields=["intent_reference", "state", "settled_at", "decline_code", "bank_url", "error"])
    _record(payment, "payment.failed", "system:billing", now, data={"code": code})
    if payment.automatic:
        automatic.failed(payment=payment, now=now)


def settle_charge(*, reference: str, gateway: Gateway, now: datetime) -> None:
    """Ask the processor for a charge and settle its payment. Raises as `apply`, and GatewayUnavailable."""
    merge(facts=gateway.fetch(f"{charges.PATH}/{reference}"), now=now)


def merge(*, facts: Facts, now: datetime) -> None:
    """Settle the payment of a charge, as the processor gave it; one that names none of ours is not ours to settle."""
    charge = charges.read(facts)
    if charge.payment_id:
        apply(charge=charge, now=now)


@transaction.atomic
def ask_bank(*, payment: Payment, now: datetime) -> None:
    """Write the call that tries a charge again with the card's owner there, for the bank's page; once."""
    if payment.card and payment.intent_reference:
        call = charges.confirm(
            reference=payment.intent_reference, card=payment.card.reference, back_url=back_url(payment)
        )
        operations.ask(
            organization=payment.organization, kind=CallKind.CONFIRM, subject=payment.public_id, call=call, now=now
        )


@transaction.atomic
def call_off(*, payment: Payment, now: datetime) -> None:
    """Write the call after which a charge cannot succeed any more, once; the payment fails when that is known."""
    if payment.intent_reference:
        call = charges.cancel(reference=payment.intent_reference)
        operations.ask(
            organization=payment.organization, kind=CallKind.CALL_OFF, subject=payment.public_id, call=call, now=now
        )


def not_called_off(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """It has ended already; how, the next look at it says."""


def find(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """The charge of a call that tries it again or calls it off, if that has happened."""
    facts = gateway.fetch(call.path.rpartition("/")[0])
    charge = charges.read(facts)
    return facts if charge.status in ("paid", "failed") or charge.bank_url else None


def check_overdue(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """
    Ask about charges whose message may never come, and call off those that nobody confirmed. Returns what went wrong,
    by payment; none stops the rest.
    """
    known = Payment.objects.filter(state__in=OPEN, intent_reference__isnull=False, next_check_at__lte=now)
    return sweeping.ask_each(
        sweeping.claims(known.order_by("next_check_at"), lambda payment: settlement.later(payment, now)),
        lambda payment: _look(payment, gateway, now),
        name=attrgetter("public_id"),
        now=now,
    )


def _look(payment: Payment, gateway: Gateway, now: datetime) -> None:
    settle_charge(reference=payment.intent_reference or "", gateway=gateway, now=now)
    payment.refresh_from_db(fields=["state"])
    if payment.state == PaymentState.ACTION and now - payment.created_at >= CONFIRM_WITHIN:
        call_off(payment=payment, now=now)


def _record(payment: Payment, kind: str, actor: str, now: datetime, *, data: dict[str, object]) -> None:
    record(organization=payment.organization, kind=kind, subject=payment.public_id, actor=actor, at=now, data=data)
