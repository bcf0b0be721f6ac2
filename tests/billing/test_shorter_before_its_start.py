"""A lease that is made shorter before its start costs what one of its new length would, and never more in all."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Organization
from billing import handing_back, invariants
from billing.models import HandBack, Meter, MeterPrice
from billing.receipts import receipt
from leasing import schedule
from leasing.models import Lease
from marketplace.models import Offer
from marketplace.money import discounted, price_of
from tests.billing.conftest import HOUR, NOON, assert_books_balance, balance, money
from tests.billing.reserving import ACTOR, DOLLARS, an_offer, begun, booked, settled, start
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db
BEGIN = NOON + timedelta(days=3)
LIST = 3_600_000
DISCOUNTS = [[4 * 3600, 5], [8 * 3600, 10]]


@pytest.fixture
def reserved(db: None) -> Offer:
    """$3.60 per node-hour; 5 % off from 4 hours on, 10 % from 8."""
    return an_offer(discounts=DISCOUNTS)


@pytest.fixture
def lease(acme: Organization, reserved: Offer) -> Lease:
    """Ten hours for $32.40, in three days."""
    return booked(acme, reserved, begin=BEGIN)


def shortened(lease: Lease, hours: int, at: datetime = NOON) -> HandBack:
    ends_at = lease.starts_at + hours * HOUR
    shown = handing_back.value(lease=lease, ends_at=ends_at, now=at)
    handing_back.shorten(lease=lease, ends_at=ends_at, actor=ACTOR, now=at)
    lease.refresh_from_db()
    row = HandBack.objects.latest("pk")
    assert (row.price_micros, row.fee_micros, row.repriced_micros) == (
        shown.price_micros,
        shown.fee_micros,
        shown.repriced_micros,
    )
    return row


def test_the_discount_is_that_of_the_new_length(acme: Organization, lease: Lease) -> None:
    row = shortened(lease, 3)
    assert (row.price_micros, row.fee_micros, row.repriced_micros) == (7 * 3_240_000, 0, 3 * 360_000)
    assert row.refund_micros == 21_600_000
    assert Meter.objects.get().hold_micros == 3 * LIST
    assert money(acme, NOON).available_micros == (100 * DOLLARS) - 3 * LIST


def test_what_is_charged_in_the_end_is_what_was_said(acme: Organization, reserved: Offer, lease: Lease) -> None:
    shortened(lease, 3)
    start(lease, BEGIN)
    over = BEGIN + 3 * HOUR
    schedule.end_due(now=over)
    work_all(reserved, now=over)
    shown = receipt(lease=Lease.objects.get(), now=over + HOUR)
    assert (shown.total_micros, shown.discount_percent) == (3 * LIST, 0)
    assert_books_balance()
    assert list(invariants.broken(now=over)) == []


def test_by_way_of_another_length_it_costs_the_same(lease: Lease) -> None:
    assert shortened(lease, 6).repriced_micros == 6 * (3_420_000 - 3_240_000)
    assert shortened(lease, 3).repriced_micros == 3 * (LIST - 3_420_000)
    assert Meter.objects.get().hold_micros == 3 * LIST


def test_with_the_discount_that_it_had_nothing_changes(lease: Lease) -> None:
    assert shortened(lease, 9).repriced_micros == 0
    assert not MeterPrice.objects.exists()


def test_a_fee_is_kept_besides(lease: Lease) -> None:
    row = shortened(lease, 3, at=BEGIN - HOUR)
    assert (row.fee_micros, row.repriced_micros) == (7 * 324_000, 3 * 360_000)


def test_in_use_the_price_stays(acme: Organization, reserved: Offer) -> None:
    running = begun(acme, reserved)
    assert shortened(running, 3, at=running.starts_at).repriced_micros == 0
    assert settled(running).fee_micros == 7 * 3_240_000 // 4


def test_cancelling_afterwards_frees_all_that_is_kept_aside_by_then(acme: Organization, lease: Lease) -> None:
    shortened(lease, 3)
    assert handing_back.value(lease=lease, now=NOON).price_micros == 3 * LIST
    handing_back.hand_back(lease=lease, actor=ACTOR, now=NOON)
    assert money(acme, NOON).available_micros == balance(acme) == 100 * DOLLARS


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(percent=st.integers(0, 100), hours=st.integers(1, 9), before=st.integers(0, 60))
def test_no_discount_makes_less_time_dearer_in_all(lease: Lease, percent: int, hours: int, before: int) -> None:
    terms = lease.terms
    terms.discounts = [[10 * 3600, percent]]
    agreed = discounted(micros_per_node_hour=LIST, percent=percent)
    Meter.objects.update(micros_per_node_hour=agreed)
    at = BEGIN - before * HOUR - timedelta(seconds=1)
    worth = handing_back.value(lease=lease, ends_at=BEGIN + hours * HOUR, now=at)
    rest = price_of([(worth.micros_per_node_hour or agreed, hours * 3600)])
    assert worth.refund_micros >= 0
    assert rest + worth.fee_micros <= 10 * agreed
    assert rest <= hours * LIST
    assert worth.repriced_micros == rest - hours * agreed
