"""A wallet that fills itself: once for each want, never past its ceiling, told of each failure, off when hopeless."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.clock import now
from accounts.models import Event, Organization
from billing import automatic, charging, opening, operations, payments, sending, topping_up
from billing.automatic import BadRule, Rules
from billing.models import AutoTopUp, BillingAccount, GatewayCall, Level, Payment, PaymentState, Standing
from tests import factories
from tests.billing.cards_world import ASKS_ALWAYS, DECLINES, a_card, saved, switched_on
from tests.billing.conftest import balance
from tests.billing.papers import on_account
from tests.stripe_standin import StripeStandin
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def poor(db: None) -> Organization:
    return factories.an_organization()


def sweep(at: datetime | None = None) -> None:
    moment = at or now()
    for organization in topping_up.due(now=moment):
        topping_up.top_up(organization=organization, now=moment)


def swept_and_sent(at: datetime | None = None) -> None:
    moment = at or now()
    sweep(moment)
    assert sending.send_due(gateway=payments.gateway(), now=max(moment, now()) + timedelta(seconds=1)) == {}


def rules(organization: Organization) -> AutoTopUp:
    return AutoTopUp.objects.get(organization=organization)


def told(kind: str) -> list[str]:
    notices = Event.objects.filter(kind=kind, notice__isnull=False).order_by("id").values_list("notice", flat=True)
    return [notice["text"] for notice in notices if notice]


def test_a_low_wallet_is_topped_up_until_it_is_not_low_or_the_ceiling_is_reached(
    stripe: StripeStandin, poor: Organization
) -> None:
    saved(stripe, poor)
    switched_on(poor, threshold_cents=20000)  # $50 at a time, $120 a month
    moment = now().replace(day=15)
    for dollars in (50, 100, 100, 100):
        swept_and_sent(moment)
        assert balance(poor) == dollars * 1_000_000
    (text,) = told("wallet.auto_top_up_ceiling")
    assert "Another $50.00 would pass the $120.00" in text
    Payment.objects.update(created_at=moment)
    swept_and_sent(moment + 20 * DAY)  # the month after
    assert balance(poor) == 150_000_000
    assert Payment.objects.filter(automatic=True, state=PaymentState.PAID).count() == 3


def test_it_waits_for_want_and_for_nobody_twice(poor: Organization) -> None:
    a_card(poor)
    switched_on(poor)
    operations.grant(organization=poor, amount_micros=20_000_000, key="k", memo="gift", now=now())
    sweep()
    assert not Payment.objects.exists()  # exactly the threshold is enough
    Standing.objects.create(organization=poor, level=Level.LOW_24H, since=now())
    sweep()
    sweep()
    payment = Payment.objects.get()  # a day of money left is too little whatever the threshold, and one is under way
    assert payment.automatic and GatewayCall.objects.get(kind="charge").body["off_session"] is True


def test_nothing_is_charged_to_a_card_of_who_pays_invoices_by_transfer(poor: Organization) -> None:
    a_card(poor)
    switched_on(poor)
    on_account(poor)
    Standing.objects.create(organization=poor, level=Level.EMPTY, since=now())
    assert topping_up.due(now=now()) == []
    assert topping_up.top_up(organization=poor, now=now()) is None
    BillingAccount.objects.update(mode="prepaid", credit_micros=0)
    assert topping_up.top_up(organization=poor, now=now())


def test_a_bank_that_asks_is_told_of_with_a_link_and_answered_there(stripe: StripeStandin, poor: Organization) -> None:
    saved(stripe, poor, ASKS_ALWAYS)
    switched_on(poor)
    swept_and_sent()
    payment = Payment.objects.get()
    assert payment.state == PaymentState.ACTION
    event = Event.objects.get(kind="payment.confirm")
    assert event.notice and event.notice["path"] == f"/top-ups/{payment.public_id}/"
    sweep()
    assert Payment.objects.count() == 1  # one at a time
    url = opening.bank_page(payment=payment, gateway=payments.gateway(), now=now())
    assert url and opening.bank_page(payment=payment, gateway=payments.gateway(), now=now()) == url
    stripe.answer_the_bank(url)
    charging.settle_charge(reference=payment.intent_reference or "", gateway=payments.gateway(), now=now())
    assert balance(poor) == 50_000_000


def test_a_decline_is_told_and_tried_again_after_an_hour_a_day_and_three_days_then_it_is_off(
    stripe: StripeStandin, poor: Organization
) -> None:
    saved(stripe, poor, DECLINES)
    switched_on(poor)
    moment = now()
    for number, wait in enumerate(automatic.RETRIES, start=1):
        swept_and_sent(moment)
        assert rules(poor).failures == number and Payment.objects.count() == number
        due = rules(poor).next_attempt_at
        assert due and abs(due - moment - wait) < timedelta(minutes=1)
        sweep(due - timedelta(seconds=1))
        assert Payment.objects.count() == number
        moment = due
    swept_and_sent(moment)
    row = rules(poor)
    assert (row.active, row.off_reason) == (
        False,
        "Visa ending in 0341 was declined: the bank refused it without a reason.",
    )
    assert "tried again at" in told("payment.declined")[0] and "switched off" in told("payment.declined")[-1]
    sweep(moment + 30 * DAY)
    assert Payment.objects.count() == 4 and balance(poor) == 0


def test_a_card_reported_lost_is_not_tried_again(poor: Organization) -> None:
    card = a_card(poor)
    switched_on(poor)
    sweep()
    payment = Payment.objects.get(card=card)
    charging._fail(payment, "lost_card", now())
    assert not rules(poor).active and "reported lost" in told("payment.declined")[0]


def test_success_forgets_failures_and_switching_on_begins_anew(stripe: StripeStandin, poor: Organization) -> None:
    saved(stripe, poor)
    switched_on(poor)
    AutoTopUp.objects.update(failures=2)
    swept_and_sent()
    assert rules(poor).failures == 0 and balance(poor) == 50_000_000
    AutoTopUp.objects.update(active=False, failures=4, off_reason="x")
    switched_on(poor)
    assert (rules(poor).active, rules(poor).failures, rules(poor).off_reason) == (True, 0, "")
    automatic.switch_off(organization=poor, actor="user:us_tests", now=now())
    assert topping_up.due(now=now()) == []


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Rules(amount_cents=999), "amount_cents"),
        (Rules(amount_cents=50_000_01, ceiling_cents=60_000_00), "amount_cents"),
        (Rules(threshold_cents=-1), "threshold_cents"),
        (Rules(amount_cents=10000, ceiling_cents=9999), "ceiling_cents"),
        (Rules(ceiling_cents=automatic.MOST_CEILING_CENTS + 1), "ceiling_cents"),
    ],
)
def test_rules_have_limits(poor: Organization, wanted: Rules, field: str) -> None:
    with pytest.raises(BadRule) as none:
        automatic.switch_on(organization=poor, rules=Rules(), actor="user:us_tests", now=now())
    assert none.value.field == "active"
    a_card(poor)
    with pytest.raises(BadRule) as bad:
        automatic.switch_on(organization=poor, rules=wanted, actor="user:us_tests", now=now())
    assert bad.value.field == field


def a_wallet_with_room_for_one() -> Organization:
    organization = factories.an_organization()
    a_card(organization)
    switched_on(organization, ceiling_cents=5000)
    return organization


def test_twenty_sweeps_at_once_charge_once_and_stay_below_the_ceiling() -> None:
    poor = a_wallet_with_room_for_one()
    results = together(20, lambda _: topping_up.top_up(organization=poor, now=now()))
    assert sum(isinstance(result, Payment) for result in results) == 1
    assert [result for result in results if isinstance(result, Exception)] == []


def test_without_the_lock_and_the_constraint_they_pass_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the race is real."""
    poor, charged = a_wallet_with_room_for_one(), 0
    operations.lock_wallet(organization=poor)
    monkeypatch.setattr(operations, "lock_wallet", lambda *, organization: organization.ledger_accounts.first())
    constraint = next(c for c in Payment._meta.constraints if c.name == "payment_one_automatic_under_way")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Payment, constraint)
    try:
        for _ in range(5):  # one round may be quick enough to pass one by one
            results = together(20, lambda _: topping_up.top_up(organization=poor, now=now()))
            charged = max(charged, sum(isinstance(result, Payment) for result in results))
            Payment.objects.all().delete()
    finally:
        with connection.schema_editor() as editor:
            editor.add_constraint(Payment, constraint)
    assert charged > 1


def test_the_month_is_that_of_utc(poor: Organization) -> None:
    card = a_card(poor)
    last = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
    for moment, state in ((last, "paid"), (last + timedelta(seconds=1), "failed")):
        made = charging.request_charge(
            organization=poor, actor="", created_by=None, card=card, amount_cents=5000, by_itself=True, now=moment
        )
        Payment.objects.filter(pk=made.pk).update(state=state, settled_at=moment)
    assert automatic.used_cents(organization=poor, now=last) == 5000
    assert automatic.used_cents(organization=poor, now=last + timedelta(seconds=1)) == 0
