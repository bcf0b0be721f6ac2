"""The page where somebody pays, opened while they wait for it."""

from datetime import datetime

from billing import sending
from billing.models import CallKind, Payment, PaymentState
from billing.payments.base import Gateway, GatewayUnavailable


class CheckoutOver(Exception):
    """The payment is no longer waiting for a card: it was paid, it expired, or it failed."""


def open_checkout(*, payment: Payment, gateway: Gateway, now: datetime) -> str:
    """
    The address of the page where a payment is made, the same each time. Calls the processor: never in a transaction.

    :raises CheckoutOver: if there is nothing left to pay
    :raises GatewayUnavailable: if the processor does not answer, or other calls are in front: ask again later
    """
    if payment.state == PaymentState.PENDING and not payment.checkout_url:
        sending.send_now(kind=CallKind.CHECKOUT, subject=payment.public_id, gateway=gateway, now=now)
        payment.refresh_from_db()
    if payment.state != PaymentState.PENDING:
        raise CheckoutOver(payment.error or payment.get_state_display())
    if not payment.checkout_url:
        raise GatewayUnavailable("the page is not open yet")
    return payment.checkout_url
