"""Saved cards through the real stand-in, as a customer saves them."""

from datetime import datetime, timedelta
from typing import Any

from accounts.clock import now
from accounts.models import Organization
from billing import automatic, cards, charging, opening, operations, payments, sending
from billing.models import CardPage, Payment, SavedCard
from tests.stripe_standin import StripeStandin

ASKS_ALWAYS, DECLINES, LOST = "4000002760003184", "4000000000000341", "4000000000009987"


def a_card(organization: Organization) -> SavedCard:
    """A card without a processor behind it."""
    operations.account_of(organization)
    return SavedCard.objects.create(
        organization=organization,
        reference=f"pm_{organization.public_id}",
        brand="visa",
        last4="4242",
        exp_year=2040,
        exp_month=12,
        is_default=True,
        created_at=now(),
        next_check_at=now(),
    )


def a_card_page(organization: Organization) -> CardPage:
    """A page that was opened before: nobody asks the processor."""
    page = cards.request_page(organization=organization, actor="", created_by=None, now=now())
    page.url = "https://checkout.stripe.com/c/pay/cs_tests"
    page.save()
    return page


def opened_page(organization: Organization) -> CardPage:
    """The wish to save a card, with the processor's page open."""
    page = cards.request_page(organization=organization, actor="user:us_tests", created_by=None, now=now())
    opening.card_page(page=page, gateway=payments.gateway(), now=now())
    page.refresh_from_db()
    return page


def saved(stripe: StripeStandin, organization: Organization, card: str = "4242424242424242") -> SavedCard:
    """A card that was typed on the processor's page and, where its bank asked, confirmed."""
    page = opened_page(organization)
    answer = stripe.pay(page.url, card=card)
    if "/3ds/" in (answer.location or ""):
        stripe.answer_the_bank(answer.location or "")
    cards.settle_page(reference=page.reference or "", gateway=payments.gateway(), now=now())
    page.refresh_from_db()
    assert page.card
    return page.card


def charge(organization: Organization, card: SavedCard, cents: int = 5000, **more: Any) -> Payment:
    """A top-up by a saved card, as asked for: nothing has been sent yet."""
    return charging.request_charge(
        organization=organization,
        actor="user:us_tests",
        created_by=None,
        card=card,
        amount_cents=cents,
        **{"now": now(), **more},
    )


def send(at: datetime | None = None) -> None:
    """The outbox is swept."""
    assert sending.send_due(gateway=payments.gateway(), now=(at or now()) + timedelta(seconds=1)) == {}


def charged(organization: Organization, card: SavedCard, cents: int = 5000, **more: Any) -> Payment:
    """The same, and what came of it."""
    payment = charge(organization, card, cents, **more)
    send()
    payment.refresh_from_db()
    return payment


def switched_on(organization: Organization, **rules: int) -> None:
    """Automatic top-up by $50 below $20, at most $120 a month, unless said otherwise."""
    wanted = {"threshold_cents": 2000, "amount_cents": 5000, "ceiling_cents": 12000, **rules}
    automatic.switch_on(organization=organization, rules=automatic.Rules(**wanted), actor="user:us_tests", now=now())
