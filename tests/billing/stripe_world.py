"""Top-ups through the real stand-in, its signed webhooks arriving at a real web server."""

from datetime import datetime
from typing import Any

from accounts.clock import now
from accounts.models import Organization
from billing import opening, payments, settlement
from billing.models import GatewayEvent, Payment, PaymentState
from tests.stripe_standin import StripeStandin
from tests.waiting import until


def a_payment(organization: Organization, cents: int = 5000, at: datetime | None = None) -> Payment:
    """A top-up as requested; nothing is open at the processor yet."""
    return settlement.request_top_up(
        organization=organization,
        actor="user:us_tests",
        created_by=organization.members.first(),
        amount_cents=cents,
        now=at or now(),
    )


def opened(organization: Organization, cents: int = 5000) -> Payment:
    """A top-up with its page open."""
    payment = a_payment(organization, cents)
    opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now())
    payment.refresh_from_db()
    return payment


def pay(stripe: StripeStandin, payment: Payment, **typed: str) -> None:
    """The customer fills in the card form."""
    assert stripe.pay(payment.checkout_url, **typed).status == 303


def paid(stripe: StripeStandin, organization: Organization, cents: int = 5000) -> Payment:
    """A top-up that was paid and settled."""
    payment = opened(organization, cents)
    pay(stripe, payment)
    settlement.settle_checkout(reference=payment.checkout_reference or "", gateway=payments.gateway(), now=now())
    payment.refresh_from_db()
    assert payment.state == PaymentState.PAID
    return payment


def arrived(count: int = 1, **wanted: Any) -> list[GatewayEvent]:
    """The stored messages, once there are `count`."""
    rows = GatewayEvent.objects.filter(**wanted).order_by("id")
    return until(lambda: list(rows) if rows.count() >= count else [], seconds=20, what=f"{count} messages")
