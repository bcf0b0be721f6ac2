"""Holding nodes, all or none, and confirming."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from accounts.models import Organization, Stale
from leasing import operations, schedule
from leasing.models import Claim
from leasing.operations import NodesTaken
from leasing.states import LeaseState
from marketplace.models import NodeCalendar, PlanKind
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import hold, order

pytestmark = pytest.mark.django_db


def test_a_hold_takes_the_node_for_the_period_and_its_cleaning_time(acme: Organization) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    hold(acme, offer, ends_at=NOON + 2 * HOUR)
    claim = Claim.objects.get()
    assert (claim.period.lower, claim.period.upper) == (NOON, NOON + 2 * HOUR + timedelta(minutes=15))


def test_the_search_index_says_what_the_claims_say(acme: Organization) -> None:
    offer = factories.an_offer()
    hold(acme, offer, ends_at=NOON + HOUR)
    (busy,) = NodeCalendar.objects.get().busy
    assert busy == Claim.objects.get().period


def test_an_order_for_more_nodes_than_are_free_holds_none(acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=2))
    with pytest.raises(NodesTaken):
        hold(acme, offer, nodes=3)
    assert not Claim.objects.exists()


def test_a_taken_period_is_answered_with_the_next_free_windows(acme: Organization) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    hold(acme, offer, ends_at=NOON + 2 * HOUR)
    with pytest.raises(NodesTaken) as refused:
        hold(acme, offer, starts_at=NOON + HOUR, ends_at=NOON + 3 * HOUR)
    assert refused.value.windows[0].starts_at == NOON + 3 * HOUR  # a quarter of an hour of cleaning, then whole hours


def test_the_next_lease_may_begin_the_moment_cleaning_is_over(acme: Organization) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    hold(acme, offer, ends_at=NOON + 2 * HOUR)
    hold(acme, offer, starts_at=NOON + 2 * HOUR + timedelta(minutes=15), ends_at=NOON + 4 * HOUR)
    assert Claim.objects.count() == 2


def test_the_database_itself_refuses_two_live_claims_that_overlap(acme: Organization) -> None:
    lease = hold(acme, factories.an_offer())
    claim = Claim.objects.get()
    with pytest.raises(IntegrityError, match="claim_no_overlap"), transaction.atomic():
        Claim.objects.create(lease=lease, node_id=claim.node_id, period=DateTimeTZRange(NOON + HOUR, NOON + 2 * HOUR))


def test_an_unconfirmed_hold_expires_and_frees_its_nodes(acme: Organization) -> None:
    lease = hold(acme, factories.an_offer())
    schedule.run_due(now=NOON + timedelta(minutes=10))
    lease.refresh_from_db()
    assert lease.state == LeaseState.EXPIRED
    assert list(NodeCalendar.objects.get().busy) == []


def test_an_expired_hold_cannot_be_confirmed(acme: Organization) -> None:
    lease = hold(acme, factories.an_offer())
    read_earlier = type(lease).objects.get(pk=lease.pk)
    operations.expire(lease=lease, now=NOON + timedelta(minutes=10))
    with pytest.raises(Stale):
        operations.confirm(lease=read_earlier, actor="user:us_tests", now=NOON + timedelta(minutes=10))


def test_a_lease_ahead_is_scheduled_and_begins_when_its_time_comes(acme: Organization) -> None:
    offer = factories.an_offer(plan=factories.a_plan(PlanKind.RESERVED))
    lease = order(acme, offer, starts_at=NOON + DAY, ends_at=NOON + 2 * DAY)
    assert lease.state == LeaseState.SCHEDULED
    schedule.run_due(now=NOON + DAY - timedelta(seconds=1))
    lease.refresh_from_db()
    assert lease.state == LeaseState.SCHEDULED
    schedule.run_due(now=NOON + DAY)
    lease.refresh_from_db()
    assert lease.state == LeaseState.PROVISIONING


def test_an_open_ended_lease_is_guaranteed_for_the_plans_horizon(acme: Organization) -> None:
    assert order(acme, factories.an_offer()).guaranteed_until == NOON + 7 * DAY


def test_a_booking_ahead_limits_the_guarantee_of_a_lease_that_begins_now(acme: Organization) -> None:
    pool = factories.a_pool()
    ahead = factories.an_offer(pool, factories.a_plan(PlanKind.RESERVED))
    order(acme, ahead, starts_at=NOON + 2 * DAY, ends_at=NOON + 3 * DAY)
    lease = order(acme, factories.an_offer(pool))
    assert lease.guaranteed_until == NOON + 2 * DAY - timedelta(minutes=15)


def test_an_open_ended_lease_rather_takes_a_node_with_nothing_booked_behind(acme: Organization) -> None:
    pool = factories.a_pool(nodes=2)
    ahead = factories.an_offer(pool, factories.a_plan(PlanKind.RESERVED))
    order(acme, ahead, starts_at=NOON + 2 * DAY, ends_at=NOON + 3 * DAY)
    assert order(acme, factories.an_offer(pool)).guaranteed_until == NOON + 7 * DAY


def test_the_exclusion_constraint_is_in_the_database(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT contype FROM pg_constraint WHERE conname = 'claim_no_overlap'")
        assert cursor.fetchone() == ("x",)
