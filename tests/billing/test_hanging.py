"""The card processor accepts and never answers: no sweep waits for more than one call, and what waits is not lost."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from accounts.clock import now
from accounts.models import Organization
from billing import (
    card_invoices,
    cards,
    charging,
    customers,
    inbox,
    operations,
    polling,
    refunds,
    retelling,
    sending,
    settlement,
    sweeping,
    taxing,
    tying_out,
)
from billing.models import (
    BillingAccount,
    CardPage,
    Export,
    ExportWay,
    GatewayCall,
    GatewayEvent,
    MeteredPrice,
    MeteredSubscription,
    Payment,
    Refund,
    RefundState,
    SavedCard,
    TaxIdState,
    TaxProfile,
)
from billing.payments.base import Gateway, GatewaySilent
from tests import factories
from tests.billing import cards_world
from tests.billing.conftest import READ_SECONDS
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
ROWS = 6
AGES = timedelta(days=3)
Sweeps = Callable[..., Mapping[str, Exception]]


def hang(stripe: StripeStandin) -> None:
    for method in ("GET", "POST"):
        stripe.faults(path="", method=method, mode="hang", times=1000, seconds=60)


def asked(stripe: StripeStandin) -> int:
    """How many requests have hung."""
    return sum(1000 - fault["times"] for fault in stripe.control("GET", "faults"))


def organizations() -> list[Organization]:
    return [factories.an_organization(f"Customer {number}") for number in range(ROWS)]


def a_payment(organization: Organization, **known: Any) -> Payment:
    when = now() - AGES
    return Payment.objects.create(
        organization=organization, amount_cents=5000, created_at=when, next_check_at=when, **known
    )


def a_card(organization: Organization) -> SavedCard:
    card = cards_world.a_card(organization)
    SavedCard.objects.filter(pk=card.pk).update(next_check_at=now() - AGES)
    return card


def known(organization: Organization) -> str:
    reference = f"cus_{organization.public_id}"
    operations.account_of(organization)
    BillingAccount.objects.filter(organization=organization).update(customer_reference=reference)
    return reference


def subscribed(organization: Organization) -> MeteredSubscription:
    known(organization)
    reference = f"sub_{organization.public_id}"
    return MeteredSubscription.objects.create(organization=organization, reference=reference, started_at=now() - AGES)


def payments_due() -> None:
    for organization in organizations():
        a_payment(organization, checkout_reference=f"cs_{organization.public_id}")


def charges_due() -> None:
    for organization in organizations():
        a_payment(organization, card=a_card(organization), intent_reference=f"pi_{organization.public_id}")


def cards_due() -> None:
    for organization in organizations():
        a_card(organization)


def pages_due() -> None:
    for organization in organizations():
        CardPage.objects.create(
            organization=organization,
            reference=f"cs_{organization.public_id}",
            created_at=now(),
            next_check_at=now() - AGES,
        )


def refunds_due() -> None:
    for organization in organizations():
        Refund.objects.create(
            payment=a_payment(organization),
            amount_cents=100,
            reference=f"re_{organization.public_id}",
            state=RefundState.SENT,
            created_at=now() - AGES,
            next_attempt_at=now() - AGES,
        )


def messages_due() -> None:
    for number in range(ROWS):
        GatewayEvent.objects.create(
            event_id=f"evt_{number}",
            kind="refund",
            object_reference=f"re_{number}",
            payload={},
            received_at=now(),
            next_attempt_at=now() - AGES,
        )


def calls_due() -> None:
    for organization in organizations():
        customers.make_known(organization=organization, now=now())


def subscriptions_due() -> None:
    MeteredPrice.objects.create(event_name="compute_usd_micros", meter_reference="mtr_x", price_reference="price_x")
    for organization in organizations():
        subscribed(organization)


def doubts_due() -> None:
    subscriptions_due()
    for subscription in MeteredSubscription.objects.order_by("pk"):
        Export.objects.create(
            organization=subscription.organization,
            hour=(now() - AGES).replace(minute=0, second=0, microsecond=0),
            identifier=subscription.organization.public_id,
            micros=1,
            carry_micros=0,
            value_micros=1,
            revision=1,
            way=ExportWay.EVENT,
            at=now() - AGES,
            written_at=now() - AGES,
            doubted_at=now() - AGES,
        )


def tax_ids_due() -> None:
    for organization in organizations():
        known(organization)
        TaxProfile.objects.create(
            organization=organization,
            version=1,
            legal_name="x",
            line1="x",
            city="x",
            country="DE",
            tax_id_kind="eu_vat",
            tax_id="DE123456789",
            tax_id_state=TaxIdState.PENDING,
            declared_at=now(),
            declared_by="user:us_tests",
        )


def nothing_more() -> None:
    """What is asked is always there."""


SWEEPS: dict[str, tuple[Callable[[], None], Sweeps]] = {
    "checkouts": (payments_due, settlement.check_overdue),
    "charges": (charges_due, charging.check_overdue),
    "cards": (cards_due, cards.check_due),
    "pages": (pages_due, cards.check_due),
    "refunds": (refunds_due, refunds.check_sent),
    "messages": (messages_due, inbox.settle_due),
    "calls": (calls_due, sending.send_due),
    "card invoices": (subscriptions_due, card_invoices.look),
    "tie-out": (subscriptions_due, tying_out.tie_out),
    "doubts": (doubts_due, retelling.look),
    "tax ids": (tax_ids_due, taxing.check_due),
    "objects": (nothing_more, polling.poll),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_waits_for_one_call_and_ends(stripe: StripeStandin, impatient: Gateway, name: str) -> None:
    prepare, sweep = SWEEPS[name]
    prepare()
    hang(stripe)
    began = time.monotonic()
    (error,) = sweep(gateway=impatient, now=now()).values()
    assert isinstance(error, GatewaySilent)
    assert asked(stripe) == 1
    assert time.monotonic() - began < 3 * READ_SECONDS


@pytest.mark.parametrize("name", ["checkouts", "charges", "cards", "pages", "refunds", "messages", "calls"])
def test_only_what_was_asked_about_waits_longer(stripe: StripeStandin, impatient: Gateway, name: str) -> None:
    prepare, sweep = SWEEPS[name]
    prepare()
    hang(stripe)
    sweep(gateway=impatient, now=now())
    stripe.heal()
    assert len(sweep(gateway=impatient, now=now())) == (0 if name == "calls" else ROWS - 1)  # the rest is not there
    assert not GatewayCall.objects.filter(in_flight_until__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_a_round_with_many_workers_waits_for_no_more_calls_than_it_has_workers(
    stripe: StripeStandin, impatient: Gateway
) -> None:
    calls_due()
    hang(stripe)
    assert len(sending.send_due(gateway=impatient, now=now(), workers=2)) == 2
    assert asked(stripe) == 2


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_that_is_answered_slowly_ends_when_its_time_is_over(
    stripe: StripeStandin, impatient: Gateway, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sweeping, "SWEEP_SECONDS", 0)
    monkeypatch.setattr(sweeping, "LONG_SECONDS", 0)
    prepare, sweep = SWEEPS[name]
    prepare()
    assert sweep(gateway=impatient, now=now()) == {}


def test_a_worker_that_is_over_its_time_is_not_taken_for_a_row_that_went_wrong() -> None:
    def over(_: int) -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        sweeping.ask_each([1, 2], over, now=now())


def test_nor_for_a_processor_that_does_not_answer(impatient: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def over(*_: object, **__: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("requests.Session.request", over)  # the SDK takes any error there for one of the network
    with pytest.raises(SoftTimeLimitExceeded):
        impatient.fetch("/v1/account")


def test_fifty_cards_that_are_not_there_hold_up_no_other(stripe: StripeStandin, impatient: Gateway) -> None:
    for number in range(50):
        a_card(factories.an_organization(f"Gone {number}"))
    other = a_card(factories.an_organization("There"))
    SavedCard.objects.filter(pk=other.pk).update(next_check_at=now() - timedelta(days=1))
    failures = cards.check_due(gateway=impatient, now=now())
    assert len(failures) == 51 and other.public_id in failures  # each was asked about
    assert cards.check_due(gateway=impatient, now=now()) == {}  # and none again at once
