"""
Pages where somebody pays, saves a card or talks to the bank, opened while they wait for them: for BRIEF_SECONDS at
most. What was not answered by then stays in the outbox, and is made by the workers, or when they try again.
"""

from datetime import datetime

from accounts.models import Organization
from billing import cards, charging, sending, settlement
from billing.models import CallKind, CardPage, CardPageState, GatewayCall, Payment, PaymentState
from billing.payments.base import Gateway, GatewayUnavailable


class PageOver(Exception):
    """Nothing is left to do on the page: it was paid or saved there, it expired, or it failed."""


def open_checkout(*, payment: Payment, gateway: Gateway, now: datetime) -> str:
    """
    The address of the page where a payment is made, the same each time. Calls the processor: never in a transaction.

    :raises PageOver: if there is nothing left to pay there
    :raises GatewayUnavailable: if the processor does not answer in time, or other calls are in front: ask again later
    """
    gateway, by_page = gateway.brief(), payment.card_id is None
    if by_page and payment.state == PaymentState.PENDING and not payment.checkout_url:
        if payment.keep_card:
            _know(payment.organization, gateway, now)
            settlement.ask_page(payment=payment, now=now)
        _send(CallKind.CHECKOUT, payment.public_id, gateway, now)
        payment.refresh_from_db()
    if not by_page or payment.state != PaymentState.PENDING:
        raise PageOver(payment.error or payment.get_state_display())
    return _there(payment.checkout_url)


def card_page(*, page: CardPage, gateway: Gateway, now: datetime) -> str:
    """
    The address of the page where a card is typed, as for a payment.

    :raises PageOver: if the card is saved, or the page has expired
    :raises GatewayUnavailable: as for a payment
    """
    gateway = gateway.brief()
    if page.state == CardPageState.OPEN and not page.url:
        _know(page.organization, gateway, now)
        cards.ask_page(page=page, now=now)
        _send(CallKind.CARD_PAGE, page.public_id, gateway, now)
        page.refresh_from_db()
    if page.state != CardPageState.OPEN:
        raise PageOver(page.get_state_display())
    return _there(page.url)


def bank_page(*, payment: Payment, gateway: Gateway, now: datetime) -> str:
    """
    The address of the bank's page on which a card's owner confirms a charge, as for a payment.

    :raises PageOver: if there is nothing to confirm
    :raises GatewayUnavailable: as for a payment
    """
    if payment.state == PaymentState.ACTION and not payment.bank_url:
        charging.ask_bank(payment=payment, now=now)
        _send(CallKind.CONFIRM, payment.public_id, gateway.brief(), now)
        payment.refresh_from_db()
    if payment.state != PaymentState.ACTION:
        raise PageOver(payment.error or payment.get_state_display())
    return _there(payment.bank_url)


def _know(organization: Organization, gateway: Gateway, now: datetime) -> None:
    """Cards are kept for a customer that the processor knows: it is told of it first."""
    _send(CallKind.CUSTOMER, organization.public_id, gateway, now)


def _send(kind: CallKind, subject: str, gateway: Gateway, now: datetime) -> None:
    if GatewayCall.objects.filter(kind=kind, subject=subject).exists():
        sending.send_now(kind=kind, subject=subject, gateway=gateway, now=now)


def _there(url: str) -> str:
    if not url:
        raise GatewayUnavailable("the page is not open yet")
    return url
