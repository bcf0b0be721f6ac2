"""How an organization pays, and how far it is trusted: staff decide, and the same figures hold everywhere."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Event, Organization
from billing import cards, checkout, customers, limits, paying, payments, standing
from billing.models import BillingAccount, BillingMode, CallKind, GatewayCall, Level, MeteredSubscription
from billing.paying import ChangeRefused
from billing.queries import refundable_cents
from leasing.states import LeaseState
from marketplace.models import Offer, PlanKind
from marketplace.money import MICROS
from tests import factories
from tests.billing.conftest import HOUR, NOON, a_quote, funded, money, place, running
from tests.billing.monthly import a_card, charge, decided, monthly, sweep
from tests.billing.papers import DUE, owing
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db


@pytest.fixture
def poor(db: None) -> Organization:
    """A customer without a cent."""
    return funded(0, "Poor Ltd")


def test_credit_counts_like_money_for_orders_and_for_the_ladder(poor: Organization, offer: Offer) -> None:
    with pytest.raises(checkout.InsufficientFunds):
        place(a_quote(poor, offer))
    decided(poor, NOON, credit_micros=5 * MICROS)
    lease = running(poor, offer)  # $3.60 an hour
    purse = money(poor, NOON + HOUR)
    assert (purse.credit_micros, purse.available_micros, purse.credit_used_micros) == (5_000_000, 1_400_000, 3_600_000)
    assert purse.seconds_left == 1400
    assert standing.enforce(organization=poor, now=NOON + HOUR) == Level.LOW_1H
    assert refundable_cents(organization=poor, now=NOON + HOUR) == 0  # credit is not money
    assert standing.enforce(organization=poor, now=NOON + 2 * HOUR) == Level.EMPTY
    lease.refresh_from_db()
    assert lease.state == LeaseState.PAUSED


@pytest.mark.parametrize(("mode", "credit"), [("metered", 0), ("invoiced", 10_000 * MICROS)])
def test_a_suspension_ends_the_credit_of_who_pays_by_card_and_of_nobody_else(
    poor: Organization, offer: Offer, mode: str, credit: int
) -> None:
    decided(poor, NOON, mode=mode)
    quote = a_quote(poor, offer)
    BillingAccount.objects.update(suspended_at=NOON, suspended_reason="tests")
    with pytest.raises(limits.OrderingBlocked):
        place(quote)
    assert money(poor, NOON).available_micros == credit


@pytest.mark.parametrize(
    ("trust", "credit", "nodes"),
    [("new", 0, 2), ("known", 1_000, 3), ("trusted", 10_000, 6), ("enterprise", 100_000, 12)],
)
def test_trust_gives_credit_and_nodes(poor: Organization, trust: str, credit: int, nodes: int) -> None:
    plan = factories.a_plan(PlanKind.ON_DEMAND, nodes_at_once=3, nodes_at_once_new=2)
    account = decided(poor, NOON, trust=trust)
    assert account.credit_micros == credit * MICROS
    (allowed,) = limits.nodes_allowed(organization=poor, now=NOON)
    assert (allowed.plan, allowed.limit) == (plan, nodes)


def test_a_decision_is_kept_with_its_reason_and_told(poor: Organization) -> None:
    decided(poor, NOON, credit_micros=7 * MICROS, reason="audited accounts seen")
    decided(poor, NOON, credit_micros=7 * MICROS, reason="again")  # nothing changes
    told, kept = Event.objects.filter(kind="payment.terms_changed").order_by("pk")
    after = {"mode": "metered", "trust": "trusted", "credit_micros": 7_000_000}
    assert told.organization == poor and told.notice and "$7.00" in told.notice["text"]
    assert told.data.keys() == {"before", "after"} and told.data["after"] == after, "the reason is for staff"
    assert (kept.organization, kept.data["reason"], kept.data["without_card"]) == (None, "audited accounts seen", True)
    assert kept.data["after"] == after and kept.actor == "user:us_staff" and not kept.notice


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"credit_micros": -1}, "credit"),
        ({"credit_micros": paying.MOST_CREDIT_MICROS + 1}, "credit"),
        ({"override": False}, "mode"),
    ],
)
def test_what_cannot_be_decided_is_refused_and_changes_nothing(
    poor: Organization, wanted: dict[str, object], field: str
) -> None:
    with pytest.raises(ChangeRefused) as refused:
        decided(poor, NOON, **wanted)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert not BillingAccount.objects.exclude(mode="prepaid").exists()


def test_staff_may_let_one_without_a_card_pay_later(poor: Organization) -> None:
    assert decided(poor, NOON, override=True).mode == BillingMode.METERED


def test_whoever_owes_cannot_go_back_to_paying_before(poor: Organization) -> None:
    decided(poor, NOON)
    charge(poor, 1, NOON)
    with pytest.raises(ChangeRefused, match="owes"):
        decided(poor, NOON, mode="prepaid")
    assert decided(poor, NOON, credit_micros=0).credit_micros == 0  # less credit is always possible


def test_money_that_it_had_is_taken_off_what_is_billed(acme: Organization) -> None:
    decided(acme, NOON)
    assert MeteredSubscription.objects.get().carry_micros == -100 * MICROS
    assert decided(acme, NOON, mode="prepaid").credit_micros == 0  # and nothing is owed


def test_the_database_gives_no_credit_to_whoever_pays_before(poor: Organization) -> None:
    decided(poor, NOON)
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingAccount.objects.update(mode=BillingMode.PREPAID)


def test_whoever_pays_by_transfer_settles_its_invoices_before_it_pays_in_another_way(
    poor: Organization, offer: Offer
) -> None:
    decided(poor, NOON, mode="invoiced", trust="enterprise")
    owing(poor, offer)
    with pytest.raises(ChangeRefused, match="by transfer"):
        decided(poor, DUE)


def test_a_card_works_until_it_expires_and_the_last_one_stays_while_months_are_charged_to_it(
    stripe: StripeStandin, poor: Organization
) -> None:
    assert not paying.card_works(organization=poor, now=NOON)
    customers.make_known(organization=poor, now=NOON)
    sweep(NOON)
    a_card(poor)  # until December 2040
    assert paying.card_works(organization=poor, now=NOON)
    assert not paying.card_works(organization=poor, now=NOON + timedelta(days=366 * 15))
    assert decided(poor, NOON, override=False).mode == BillingMode.METERED
    with pytest.raises(cards.CardNeeded, match="Your months"):
        cards.remove(card=poor.cards.get(), actor="tests", now=NOON)


def test_months_are_charged_to_the_default_card_of_the_moment(stripe: StripeStandin, poor: Organization) -> None:
    monthly(poor, NOON)
    a_card(poor, "5555555555554444")
    first, second = poor.cards.order_by("pk")
    for card in (second, first, first):
        cards.make_default(card=card, actor="tests", now=NOON)
        sweep(NOON)
        customer = payments.gateway().fetch(f"/v1/customers/{poor.billing_account.customer_reference}")
        assert customer["invoice_settings"]["default_payment_method"] == card.reference
    assert GatewayCall.objects.filter(kind=CallKind.BILLED_CARD).count() == 3
