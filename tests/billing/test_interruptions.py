"""Time that is paused for power is free: on the meter, in the intervals, on the receipt, and counted a second time."""

from datetime import date

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Organization
from billing import metering
from billing.invariants import broken
from billing.queries.intervals import IntervalKind, Stream, intervals
from billing.queries.rebuilt import owed
from billing.receipts import receipt
from leasing import operations
from leasing.models import Interruption, Lease
from leasing.states import LeaseState
from tests.billing.conftest import HOUR, NOON, money, running
from tests.leasing.interrupted import MINUTE, announced, pass_to, surplus

pytestmark = pytest.mark.django_db
K = IntervalKind


@pytest.fixture
def lease(acme: Organization) -> Lease:
    """Two nodes at $3.60: paused from 12:40, when the tenant was ready, until 14:00; given back at 15:00."""
    lease = running(acme, surplus(nodes=2), nodes=2)
    row = announced(lease)
    operations.ready(interruption=row, actor="user:us_tests", now=NOON + 40 * MINUTE)
    pass_to(lease, NOON + 40 * MINUTE)
    operations.power_back(interruption=row, actor="user:us_dispatcher", now=NOON + 2 * HOUR)
    pass_to(lease, NOON + 2 * HOUR)
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 3 * HOUR)
    pass_to(lease, NOON + 3 * HOUR)
    metering.meter(lease=lease, upto=NOON + 4 * HOUR, now=NOON + 4 * HOUR)
    return lease


def test_the_pause_is_free_by_both_counts_and_says_why(lease: Lease, acme: Organization) -> None:
    found = intervals(lease=lease, at=NOON + 4 * HOUR)
    assert found.due_micros == found.charged_micros == 2 * 100 * 60 * 1000
    (kept, again) = [row for row in found.of(Stream.ALLOCATION) if row.kind == K.POWER_PAUSE]
    assert (kept.since, kept.until, kept.free) == (NOON + 40 * MINUTE, NOON + 2 * HOUR, True)
    assert again.seconds == 80 * 60
    assert kept.why == "Free: paused for want of power, as announced, with data and address kept."
    (row,) = owed(organization=acme, month=date(2026, 3, 1))
    assert (row.owed_micros, row.posted_micros) == (12_000_000, 12_000_000)


def test_what_the_notice_was_short_is_a_fact_that_credits_are_written_from(lease: Lease) -> None:
    row = Interruption.objects.get()
    assert (row.short_seconds, row.paused_at, row.over_at) == (20 * 60, NOON + 40 * MINUTE, NOON + 2 * HOUR)
    (shown,) = receipt(lease=lease, now=NOON + 4 * HOUR).interruptions
    assert shown == row


def test_receipt_and_usage_show_it(lease: Lease, browser: Client) -> None:
    page = browser.get(f"/leases/{lease.public_id}/receipt/").content.decode()
    assert "Paused for power, not charged" in page and "1,200 s" in page
    assert "Paused for power" in browser.get(f"/leases/{lease.public_id}/usage/").content.decode()


def test_the_promise_is_among_the_rules_that_are_looked_after(lease: Lease, acme: Organization) -> None:
    assert not [words for words in broken(now=NOON + 4 * HOUR) if words.startswith(("I10", "I11"))]
    other = running(acme, surplus())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE leasing_transition DISABLE TRIGGER USER")
    other.move_to(LeaseState.PAUSED, at=NOON, reason="power", deadline=NOON + HOUR)
    (words,) = [words for words in broken(now=NOON) if words.startswith("I11")]
    assert f"of lease {other.pk}" in words


def test_a_machine_that_stands_still_in_a_lease_that_is_charged_breaks_a_rule(acme: Organization) -> None:
    lease = running(acme, surplus())
    assert not [words for words in broken(now=NOON) if words.startswith("I9")]
    lease.machines.update(state="paused")
    (words,) = [words for words in broken(now=NOON) if words.startswith("I9c")]
    assert "is paused, its lease active" in words


def test_a_surplus_lease_draws_on_the_wallet_only_while_it_runs(acme: Organization) -> None:
    lease = running(acme, surplus())
    assert money(acme).burn_micros_per_hour == 3_600_000
    row = announced(lease)
    pass_to(lease, row.begins_at)
    assert money(acme, row.begins_at).burn_micros_per_hour == 0
