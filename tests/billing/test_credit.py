"""Promotional credit: spent first, what ends first before all; never paid out; gone at its end, not a second later."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, transaction
from django.db.models import Sum

from accounts.models import Event, Organization
from billing import granting, metering, operations, tasks
from billing.granting import BadGrant
from billing.models import AccountKind, CreditGrant, CreditUse, Entry, Payment, PaymentState, Posting, PostingKind
from billing.queries import refundable_cents, wallet
from marketplace.models import Offer
from marketplace.money import MICROS
from tests import factories
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, assert_books_balance, balance, place, running

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
RATE = 3_600_000  # micro-dollars an hour


@pytest.fixture
def poor(db: None) -> Organization:
    return factories.an_organization()


def give(organization: Organization, dollars: float, days: float | None = None, key: str = "") -> CreditGrant:
    return granting.give(
        organization=organization,
        amount_micros=round(dollars * MICROS),
        reason="Welcome",
        expires_at=None if days is None else NOON + days * DAY,
        actor="user:us_staff",
        key=key or f"{dollars}/{days}",
        now=NOON,
    )


def pay_in(organization: Organization, dollars: int) -> Payment:
    """A top-up by card that was paid."""
    payment = Payment.objects.create(
        organization=organization,
        amount_cents=dollars * 100,
        state=PaymentState.PAID,
        created_at=NOON,
        settled_at=NOON,
        next_check_at=NOON,
    )
    amounts = {AccountKind.CLEARING: -dollars * MICROS, AccountKind.WALLET: dollars * MICROS}
    operations.post(
        organization=organization,
        kind=PostingKind.TOP_UP,
        key=f"top_up:{payment.public_id}",
        at=NOON,
        amounts=amounts,
        payment=payment,
    )
    return payment


def meter(organization: Organization, hours: float) -> None:
    now = NOON + hours * HOUR + 61 * SECOND
    for lease in metering.due(now=now):
        metering.meter(lease=lease, upto=metering.slice_end(now), now=now)


def left(grant: CreditGrant) -> int:
    grant.refresh_from_db()
    return grant.remaining_micros


def test_what_ends_first_is_spent_first_and_paid_money_last(poor: Organization, offer: Offer) -> None:
    pay_in(poor, 10)
    for_ever, late, soon = give(poor, 5), give(poor, 4, days=9), give(poor, 6, days=3)
    running(poor, offer)
    meter(poor, 1)
    assert (left(soon), left(late), left(for_ever)) == (6 * MICROS - RATE, 4 * MICROS, 5 * MICROS)
    meter(poor, 4)  # $14.40 of $15.00
    assert (left(soon), left(late), left(for_ever)) == (0, 0, 600_000)
    meter(poor, 5)
    assert left(for_ever) == 0 and balance(poor) == 25 * MICROS - 5 * RATE
    assert CreditUse.objects.aggregate(micros=Sum("micros"))["micros"] == 15 * MICROS
    assert_books_balance()


def test_it_is_never_paid_out(poor: Organization, offer: Offer) -> None:
    pay_in(poor, 10)
    give(poor, 20, days=30)
    assert refundable_cents(organization=poor, now=NOON) == 1000
    running(poor, offer)
    assert wallet(organization=poor, now=NOON + 2 * HOUR).promotional_micros == 20 * MICROS - 2 * RATE
    assert refundable_cents(organization=poor, now=NOON + 5 * HOUR) == 1000  # credit is used first
    meter(poor, 7)
    assert refundable_cents(organization=poor, now=NOON + 7 * HOUR + 61 * SECOND) < 480  # $4.80 of it are used or kept


def test_orders_may_count_on_it(poor: Organization, offer: Offer) -> None:
    give(poor, 3.6, days=1)
    assert running(poor, offer).meter.hold_micros == RATE
    assert wallet(organization=poor, now=NOON).available_micros == 0


def test_what_was_not_used_in_time_is_taken_back_once_and_said_in_the_ledger(poor: Organization) -> None:
    pay_in(poor, 10)
    grant = give(poor, 20, days=1)
    assert granting.due(now=NOON + DAY - SECOND) == [] and granting.due(now=NOON + DAY) == [poor]
    assert wallet(organization=poor, now=NOON + DAY).balance_micros == 10 * MICROS  # even before it is swept
    assert operations.lapse(organization=poor, now=NOON + DAY) == 20 * MICROS
    assert operations.lapse(organization=poor, now=NOON + DAY) == 0
    assert (balance(poor), balance(poor, AccountKind.PROMOTIONS), left(grant)) == (10 * MICROS, 0, 0)
    posting = Posting.objects.get(kind=PostingKind.CREDIT_LAPSED)
    assert posting.memo == f"Credit that could be spent before {NOON + DAY:%Y-%m-%d %H:%M} UTC"
    assert_books_balance()


@pytest.mark.parametrize("first", ["meter", "lapse"])
@pytest.mark.parametrize("late", [0, 5, 40])
def test_use_before_the_end_is_paid_by_it_however_late_anything_is_swept(
    poor: Organization, offer: Offer, first: str, late: int
) -> None:
    pay_in(poor, 500)
    grant = give(poor, 100, days=0.25)  # until 18:00
    CreditGrant.objects.update(expires_at=NOON + 5.5 * HOUR)  # not on the hour: half a slice is before it
    running(poor, offer)
    if first == "lapse":
        meter(poor, 3)
        operations.lapse(organization=poor, now=NOON + (6 + late) * HOUR)
    meter(poor, 6 + late)
    operations.lapse(organization=poor, now=NOON + (7 + late) * HOUR)
    used = CreditUse.objects.aggregate(micros=Sum("micros"))["micros"]
    assert used == RATE * 11 // 2
    assert left(grant) == 0
    assert (
        -Entry.objects.get(posting__kind="credit_lapsed", account__kind="wallet").amount_micros == 100 * MICROS - used
    )
    assert balance(poor) == 500 * MICROS - RATE * (6 + late) + used
    assert_books_balance()


def test_what_is_kept_aside_for_an_order_does_not_lapse(poor: Organization, reserved: Offer) -> None:
    grant = give(poor, 10, days=1)
    place(a_quote(poor, reserved, starts_at=NOON + 2 * DAY, ends_at=NOON + 2 * DAY + 2 * HOUR))  # $7.20
    assert operations.lapse(organization=poor, now=NOON + DAY) == 10 * MICROS - 2 * RATE
    assert left(grant) == 2 * RATE and wallet(organization=poor, now=NOON + DAY).available_micros == 0


def test_staff_give_it_with_a_reason_once_and_the_customer_is_told(poor: Organization) -> None:
    one, again = give(poor, 20, days=30, key="same"), give(poor, 20, days=30, key="same")
    assert one == again and balance(poor) == 20 * MICROS
    event = Event.objects.get(kind="credit.given")
    assert event.notice and event.notice["text"].startswith("Welcome: $20.00 of promotional credit is in your wallet.")
    assert event.actor == one.given_by == "user:us_staff"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"amount_micros": 0}, "amount_micros"),
        ({"amount_micros": granting.MOST_MICROS + 1}, "amount_micros"),
        ({"expires_at": NOON}, "expires_at"),
        ({"expires_at": NOON + 2000 * DAY}, "expires_at"),
    ],
)
def test_it_has_limits(poor: Organization, wrong: dict[str, object], field: str) -> None:
    wanted: dict[str, object] = {"amount_micros": MICROS, "reason": "r", "expires_at": None, **wrong}
    with pytest.raises(BadGrant) as bad:
        granting.give(organization=poor, actor="user:us_staff", key="k", now=NOON, **wanted)  # type: ignore[arg-type]
    assert bad.value.field == field and not Posting.objects.exists()


def test_a_grant_without_an_end_is_a_lot_too_and_the_sweep_leaves_it(poor: Organization) -> None:
    operations.grant(organization=poor, amount_micros=5, key="k", memo="gift", now=NOON)
    assert CreditGrant.objects.get().expires_at is None
    tasks.lapse_credit()
    assert balance(poor) == 5


def test_the_database_keeps_what_was_taken(poor: Organization, offer: Offer) -> None:
    grant = give(poor, 20)
    running(poor, offer)
    meter(poor, 1)
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        CreditUse.objects.update(micros=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditGrant.objects.filter(pk=grant.pk).update(remaining_micros=-1)
