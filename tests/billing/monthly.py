"""Organizations that pay by the month through the real stand-in, which lives by the time of the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import stripe as sdk
from django.conf import settings

from accounts.models import Organization
from billing import cards, customers, exporting, metered, operations, paying, payments, sending
from billing.models import (
    AccountKind,
    BillingAccount,
    BillingMode,
    MeteredSubscription,
    Posting,
    PostingKind,
    TrustLevel,
)
from billing.paying import Decision
from billing.payments import meters
from leasing.models import Lease
from marketplace.money import MICROS
from tests.stripe_standin import KEY, StripeStandin

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MARCH = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
APRIL, MAY = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
_serial = count(1)


@contextmanager
def at(stripe: StripeStandin, moment: datetime) -> Iterator[None]:
    """The stand-in's time is the test's until the end."""
    to(stripe, moment)
    try:
        yield
    finally:
        stripe.heal()


def to(stripe: StripeStandin, moment: datetime) -> datetime:
    """Move the stand-in's time: what is due there happens."""
    stripe.clock(int(moment.timestamp()))
    return moment


def processor() -> sdk.StripeClient:
    """The processor, asked directly."""
    return sdk.StripeClient(KEY, base_addresses={"api": settings.STRIPE_API_BASE})


def a_card(organization: Organization, number: str = "4242424242424242") -> None:
    """The organization's default card: saved at the processor, and known here."""
    reference = BillingAccount.objects.get(organization=organization).customer_reference or ""
    client = processor()
    card: Any = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = client.v1.payment_methods.create({"type": "card", "card": card})
    client.v1.payment_methods.attach(method.id, {"customer": reference})
    facts = payments.gateway().fetch(f"/v1/payment_methods/{method.id}")
    cards.keep(organization=organization, method=facts, now=MARCH)


def decided(
    organization: Organization, now: datetime, *, mode: str = "metered", trust: str = "trusted", **more: Any
) -> BillingAccount:
    """Staff have decided how it pays, with a card or without."""
    said = {"credit_micros": None, "reason": "tests", "override": True, **more}
    wanted = Decision(BillingMode(mode), TrustLevel(trust), **said)
    return paying.decide(organization=organization, decision=wanted, actor="user:us_staff", now=now)


def monthly(organization: Organization, now: datetime, *, card: str = "4242424242424242") -> MeteredSubscription:
    """It pays by the month: customer, card, meter, price and subscription are there."""
    customers.make_known(organization=organization, now=now)
    sweep(now)
    a_card(organization, card)
    decided(organization, now)
    for _ in range(4):  # card, meter, price, subscription, each once what it needs is known
        sweep(now)
    return MeteredSubscription.objects.get(organization=organization)


def sweep(now: datetime) -> dict[str, Exception]:
    """What the sweeps do: ask for what is missing, write what was charged, make the calls."""
    gateway = payments.gateway()
    metered.prepare(gateway=gateway, now=now)
    for organization in exporting.due():
        exporting.export(organization=organization, now=now)
    return dict(sending.send_due(gateway=gateway, now=now))


def charge(organization: Organization, micros: int, at: datetime, *, lease: Lease | None = None) -> Posting:
    """The ledger says that it used something; less than nothing is a correction."""
    kind = PostingKind.USAGE if micros > 0 else PostingKind.CORRECTION
    return operations.post(
        organization=organization,
        kind=kind,
        key=f"tests:{next(_serial)}:{organization.public_id}",
        at=at,
        amounts={AccountKind.WALLET: -micros, AccountKind.REVENUE: micros},
        lease=lease,
    )


def metered_micros(organization: Organization, since: datetime, until: datetime) -> int:
    """What the processor's meter says."""
    meter = meters.find_meter(payments.gateway())
    assert meter
    reference = BillingAccount.objects.get(organization=organization).customer_reference or ""
    return meters.counted(payments.gateway(), meter=meter["id"], customer=reference, since=since, until=until)


def invoices(organization: Organization) -> list[Any]:
    """The processor's invoices of it, newest first."""
    reference = BillingAccount.objects.get(organization=organization).customer_reference or ""
    return list(processor().v1.invoices.list({"customer": reference, "limit": 100}).auto_paging_iter())


__all__ = ["MICROS"]
