"""Usage is counted a second time by one statement; what differs is found, told and listed."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Event, Organization
from accounts.notices import staff_for
from billing import metering, recounting
from billing.invariants import broken
from billing.models import Difference, MonthUse, Recount, Usage
from billing.queries.months import month_of, start_of
from billing.queries.rebuilt import STATEMENT, owed
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, place, running
from tests.billing.test_outages import Life, live, lives, out
from tests.factories import DAY

pytestmark = pytest.mark.django_db
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
MIDNIGHT = datetime(2026, 4, 1, tzinfo=UTC)


def both(organization: Organization, month: date) -> list[tuple[int, int]]:
    """Owed and posted of each settled lease."""
    rows = owed(organization=organization, month=month)
    return [(row.owed_micros, row.posted_micros) for row in rows if row.settled]


@pytest.fixture
def over(acme: Organization, offer: Offer) -> Lease:
    """600 s with an outage of one minute, charged and closed."""
    lease = running(acme, offer)
    out(lease, NOON + 100 * SECOND, NOON + 160 * SECOND)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 600 * SECOND)
    metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR)
    return lease


def miscount(lease: Lease, micros: int = 1) -> None:
    """A row of usage that nothing stands behind."""
    row = Usage.objects.get(lease=lease)
    Usage.objects.create(
        lease=lease,
        from_at=row.until_at,
        until_at=row.until_at,
        seconds=0,
        micros_per_node_hour=0,
        nodes=1,
        micros=micros,
    )


def test_both_ways_agree_month_by_month(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=MIDNIGHT - HOUR)
    metering.meter(lease=lease, upto=MIDNIGHT + HOUR, now=MIDNIGHT + HOUR)
    out(lease, MIDNIGHT - 60 * SECOND, MIDNIGHT + 30 * SECOND, known=MIDNIGHT + HOUR)
    end(lease=lease, reason="returned", actor="user:us_tests", now=MIDNIGHT + HOUR + SECOND)
    assert both(acme, MARCH) == []  # the meter has not heard of the end yet
    metering.meter(lease=lease, upto=MIDNIGHT + 2 * HOUR, now=MIDNIGHT + 2 * HOUR)
    assert both(acme, MARCH) == [(3_540_000, 3_540_000)]  # although the correction is dated in April
    assert both(acme, APRIL) == [(3_571_000, 3_571_000)]


def test_news_that_the_meter_has_not_heard_of_is_no_difference(over: Lease, acme: Organization) -> None:
    out(over, NOON + 300 * SECOND, NOON + 310 * SECOND, known=NOON + 2 * HOUR)
    assert both(acme, MARCH) == []
    metering.correct(lease=over, now=NOON + 2 * HOUR)
    assert both(acme, MARCH) == [(530_000, 530_000)]


def test_a_difference_is_told_to_staff_once_listed_and_closed_when_it_is_gone(over: Lease, acme: Organization) -> None:
    assert recounting.recount(organization=acme, now=NOON + DAY) == []
    miscount(over)
    for hours in (1, 2):
        (found,) = recounting.recount(organization=acme, now=NOON + DAY + hours * HOUR)
    assert (found.lease, found.month, found.owed_micros, found.posted_micros) == (over, MARCH, 540_000, 540_001)
    told = Event.objects.get(kind="ledger.difference")
    assert (told.organization, told.subject) == (None, over.public_id)
    assert told.notice and "$0.540001 was charged" in told.notice["text"]
    assert [line for line in broken(now=NOON + DAY) if line.startswith("I5d")]
    miscount_back = Usage.objects.filter(lease=over).order_by("pk")[0]
    Usage.objects.create(
        lease=over, kind="correction", corrects=miscount_back, from_at=NOON + DAY, until_at=NOON + DAY, seconds=0,
        micros_per_node_hour=0, nodes=1, micros=-1,
    )  # fmt: skip
    assert recounting.recount(organization=acme, now=NOON + 2 * DAY) == []
    assert Difference.objects.get().gone_at == NOON + 2 * DAY


def test_staff_that_may_see_differences_is_told() -> None:
    chief = factories.a_user("chief@example.com", is_staff=True, is_superuser=True)
    assert staff_for("ledger.difference") == [chief.email]


def test_those_who_were_counted_the_longest_ago_are_next(over: Lease, acme: Organization) -> None:
    other = funded(100, "Other Ltd")
    running(other, over.offer)
    assert recounting.due() == [acme]  # two a day each: one of two in a minute is enough
    recounting.recount(organization=acme, now=NOON)
    assert recounting.due() == [other]
    recounting.recount(organization=other, now=NOON + SECOND)
    assert recounting.due() == [acme]
    assert Recount.objects.count() == 2


def test_what_was_over_before_the_month_is_not_read_to_count_it(over: Lease, acme: Organization) -> None:
    """A hundred times the history, and the same rows are looked at."""
    with connection.cursor() as cursor:
        for way in ("seqscan", "hashjoin", "mergejoin"):  # tables so small are read whole, and large ones are not
            cursor.execute(f"SET LOCAL enable_{way} = off")
    before = looked_at(acme)
    history(over, leases=100)
    assert looked_at(acme) == before


def history(model: Lease, *, leases: int) -> None:
    """Leases like it that were over a year ago."""
    past = {"starts_at": "2025-03-02", "ends_at": "2025-03-03", "guaranteed_until": "2025-03-03"}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH made AS (
                INSERT INTO leasing_lease
                SELECT filled.* FROM generate_series(1, %s) AS n, leasing_lease AS model,
                       jsonb_populate_record(model, %s::jsonb || jsonb_build_object(
                           'id', nextval('leasing_lease_id_seq'), 'public_id', 'ls_past' || n)) AS filled
                 WHERE model.id = %s
                RETURNING id)
            INSERT INTO billing_meter
            SELECT filled.* FROM made, billing_meter AS model, jsonb_populate_record(model, jsonb_build_object(
                       'id', nextval('billing_meter_id_seq'), 'lease_id', made.id, 'closed_at', '2025-03-03')) AS filled
             WHERE model.lease_id = %s
            """,
            [leases, json.dumps(past), model.pk, model.pk],
        )
        cursor.execute("ANALYZE leasing_lease, billing_meter")


def looked_at(organization: Organization) -> int:
    """How many rows of leases and meters it takes to count March."""
    span = {"month": MARCH, "since": start_of(MARCH), "until": start_of(APRIL)}
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {STATEMENT}", {"organization": organization.pk, **span})
        plan = cursor.fetchone()[0]
    return sum(_rows(json.loads(plan) if isinstance(plan, str) else plan))


def _rows(plan: Any) -> Iterator[int]:
    for part in plan if isinstance(plan, list) else [*plan.get("Plans", []), plan.get("Plan", {})]:
        yield from _rows(part) if part else ()
    if isinstance(plan, dict) and plan.get("Relation Name") in {"leasing_lease", "billing_meter"}:
        yield int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])


def test_an_agreed_end_is_counted_the_same(acme: Organization, reserved: Offer) -> None:
    lease = place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR))
    lease.move_to("provisioning", at=NOON + HOUR)
    lease.move_to("active", at=NOON + HOUR + timedelta(seconds=60.5))
    end(lease=lease, reason="ended", actor="system", now=NOON + 2 * HOUR + 5 * SECOND)
    metering.meter(lease=lease, upto=NOON + 3 * HOUR, now=NOON + 3 * HOUR)
    assert both(acme, MARCH) == [(3_539_000, 3_539_000)]


def test_whole_hours_at_a_price_of_no_whole_seconds_are_not_more_than_they_cost(acme: Organization) -> None:
    lease = running(acme, factories.an_offer(factories.a_pool(nodes=2), micros=15_000_000), nodes=2)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 2 * HOUR)
    assert metering.meter(lease=lease, upto=NOON + 2 * HOUR, now=NOON + 2 * HOUR) == 60_000_000
    assert not [line for line in broken(now=NOON + 2 * HOUR) if line.startswith("I5 ")]


class AnyLife(TestCase):
    """
    However a life is metered, across the end of a month too, the statement comes to the same for each month, and what
    is kept of a month is the sum of its usage.
    """

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(life=lives(), before=st.integers(0, 9_000))
    def test_the_second_count_is_the_first(self, life: Life, before: int) -> None:
        def agrees(organization: Organization, _: datetime) -> None:
            for month in (MARCH, APRIL):
                assert all(not row.differs for row in owed(organization=organization, month=month))
            used = Counter[date]()
            for row in Usage.objects.filter(lease__organization=organization):
                used[month_of(row.from_at)] += row.micros
            assert dict(MonthUse.objects.filter(organization=organization).values_list("month", "micros")) == used

        lease = live(life, noon=MIDNIGHT - before * SECOND, then=agrees)
        sums = [row for month in (MARCH, APRIL) for row in both(lease.organization, month)]
        assert all(owes == charged for owes, charged in sums)
        assert sum(owes for owes, _ in sums) == life.due()
