"""Pages of the card processor that need to know the customer: it is made known first, at once, then the page opens."""

from datetime import datetime

from accounts.models import Organization
from billing import cards, customers, operations, sending, settlement
from billing.models import CallKind, CallState, CardPage, GatewayCall, Payment
from billing.payments.base import Gateway, GatewayUnavailable


def customer_of(*, organization: Organization, gateway: Gateway, now: datetime) -> str:
    """
    The processor's customer, made now if there is none yet. Calls the processor: never in a transaction.

    :raises GatewayUnavailable: if it does not answer, or is being told of the customer at this moment
    """
    account = customers.make_known(organization=organization, now=now)
    if account.customer_reference:
        return account.customer_reference
    wish = GatewayCall.objects.get(kind=CallKind.CUSTOMER, subject=organization.public_id)
    call = sending.take(now=now, pk=wish.pk)
    if call is not None and sending.send(call=call, gateway=gateway, now=now).state == CallState.DONE:
        account = operations.account_of(organization)
    if not account.customer_reference:
        raise GatewayUnavailable("the customer is being made known")
    return account.customer_reference


def top_up_page(*, payment: Payment, gateway: Gateway, now: datetime) -> str:
    """Where a top-up is paid. Raises as `settlement.open_checkout`, and GatewayUnavailable."""
    keep_for = ""
    if payment.keep_card and not payment.checkout_url:
        keep_for = customer_of(organization=payment.organization, gateway=gateway, now=now)
    return settlement.open_checkout(payment=payment, gateway=gateway, keep_for=keep_for)


def card_page(*, page: CardPage, gateway: Gateway, now: datetime) -> str:
    """Where a card is saved. Raises as `cards.open_page`, and GatewayUnavailable."""
    if page.url:
        return cards.open_page(page=page, customer="", gateway=gateway)
    customer = customer_of(organization=page.organization, gateway=gateway, now=now)
    return cards.open_page(page=page, customer=customer, gateway=gateway)
