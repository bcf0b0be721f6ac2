"""A node with a thousand claims ahead of it, or behind it, is booked like any other."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from billing import extending, handing_back
from billing.invariants import broken
from leasing import schedule
from leasing.models import Claim
from leasing.operations import BookedBehind, NodesTaken, calendar
from marketplace.models import NodeCalendar, Offer, PlanKind
from marketplace.queries import HORIZON, Window, free_windows, terms_of
from tests import factories
from tests.billing.conftest import a_quote, funded, place, world
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import work_all

__all__ = ["world"]
pytestmark = pytest.mark.django_db

CLAIMS = 1_000
CLEANING = timedelta(minutes=15)
ACTOR = "user:us_tests"


@pytest.fixture
def offer() -> Offer:
    return factories.an_offer(factories.a_pool(), factories.a_plan(PlanKind.RESERVED))


@pytest.fixture
def claimed(offer: Offer) -> list[Window]:
    """An hour taken, an hour free, five times; then three hours free; and so on, for a hundred days."""
    starts = [NOON + (12 * (number // 5) + 2 * (number % 5)) * HOUR for number in range(CLAIMS)]
    windows = [Window(start + DAY, start + DAY + HOUR) for start in starts]
    claim_all(offer, windows)
    return windows


def claim_all(offer: Offer, windows: list[Window], *, released: bool = False) -> None:
    """Write the claims in one statement, as if each had been made in its time."""
    node = offer.pool.nodes.get()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO leasing_claim (node_id, period, released_at)
            SELECT %s, tstzrange(starts_at, ends_at), CASE WHEN %s THEN ends_at END
              FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS window_ (starts_at, ends_at)
            """,
            [node.pk, released, [window.starts_at for window in windows], [window.ends_at for window in windows]],
        )
    calendar.refresh([node.pk])


def busy() -> list[Window]:
    return [Window(period.lower, period.upper) for period in NodeCalendar.objects.get().busy]


def order(offer: Offer, starts_at: Any, hours: int) -> Any:
    quote = a_quote(funded(100), offer, starts_at=starts_at, ends_at=starts_at + hours * HOUR)
    return place(quote)


def test_every_gap_that_is_long_enough_is_a_window(offer: Offer, claimed: list[Window]) -> None:
    terms, since = terms_of(plan=offer.plan, at=NOON), NOON + DAY
    shown = free_windows(offer=offer, terms=terms, nodes=1, starts_at=since, until=since + HORIZON, now=NOON)
    gaps = [NOON + DAY + (12 * number + 9) * HOUR for number in range(HORIZON // (12 * HOUR))]
    assert shown == [Window(gap, gap + 3 * HOUR - CLEANING) for gap in gaps]


def test_it_is_ordered_around_extended_up_to_the_next_claim_and_given_back(offer: Offer, claimed: list[Window]) -> None:
    assert busy() == claimed
    gap = NOON + DAY + 9 * HOUR
    with pytest.raises(NodesTaken) as taken:
        order(offer, gap - HOUR, hours=2)
    assert taken.value.windows[0] == Window(gap, gap + 2 * HOUR)
    lease = order(offer, gap, hours=1)
    extending.extend(lease=lease, ends_at=gap + 2 * HOUR, actor=ACTOR, now=NOON)
    with pytest.raises(BookedBehind) as behind:
        extending.extend(lease=lease, ends_at=gap + 3 * HOUR, actor=ACTOR, now=NOON)
    assert behind.value.reach.ends_at == gap + 2 * HOUR
    joined = Window(claimed[4].starts_at, gap + 2 * HOUR + CLEANING)  # the last one before the gap, and the lease
    assert busy() == [*claimed[:4], joined, *claimed[5:]]
    handing_back.hand_back(lease=lease, actor=ACTOR, now=NOON)
    assert busy() == claimed and list(broken(now=NOON)) == []


@pytest.mark.parametrize("late", [timedelta(), 40 * DAY], ids=["at once", "forty days late"])
def test_a_lease_that_is_over_leaves_the_calendar_with_the_wipe_of_its_node(offer: Offer, late: timedelta) -> None:
    """No sweep trims the calendar: until the node is clean nobody else can have it, and then the claim is released."""
    lease, ended = order(offer, NOON + DAY, hours=2), NOON + DAY + 2 * HOUR
    pass_time(offer, NOON + DAY)
    schedule.run_due(now=ended + late)
    assert [window.ends_at for window in busy()] == [ended + late + CLEANING]
    for _ in range(2):
        pass_time(offer, ended + late + timedelta(minutes=1))
        lease.refresh_from_db()
        assert (lease.state, busy()) == ("ended", [])
    assert list(broken(now=ended + late)) == []


def test_a_claim_that_outlives_its_lease_is_found(offer: Offer) -> None:
    lease = order(offer, NOON + DAY, hours=2)
    handing_back.hand_back(lease=lease, actor=ACTOR, now=NOON)
    assert list(broken(now=NOON)) == []
    Claim.objects.filter(lease=lease).update(released_at=None)
    calendar.refresh([offer.pool.nodes.get().pk])
    assert [what[:3] for what in broken(now=NOON)] == ["I1c"]


def test_a_node_that_no_sweep_comes_to_is_booked_ahead_all_the_same(offer: Offer) -> None:
    order(offer, NOON + DAY, hours=2)
    long_after = NOON + 30 * DAY
    quote = a_quote(funded(100), offer, now=long_after, starts_at=long_after + DAY, ends_at=long_after + DAY + HOUR)
    place(quote, now=long_after)
    assert len(busy()) == 2 and list(broken(now=long_after)) == []


def pass_time(offer: Offer, now: datetime) -> None:
    """All that is due at a moment, and the work that comes of it."""
    schedule.run_due(now=now)
    work_all(offer, now=now)


def test_what_is_past_is_neither_kept_in_the_calendar_nor_read_to_write_it(offer: Offer) -> None:
    """Ten times the history, and the same rows are looked at."""
    past = [NOON - number * HOUR for number in range(1, 10 * CLAIMS)]
    claim_all(offer, [Window(start, start + HOUR) for start in past], released=True)
    ahead = [Window(NOON + DAY, NOON + DAY + HOUR)]
    claim_all(offer, ahead)
    assert busy() == ahead
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE leasing_claim")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {written_by_refresh()}", [[offer.pool.nodes.get().pk]])
        plan = cursor.fetchone()[0]
    scans = scans_of(json.loads(plan) if isinstance(plan, str) else plan)
    assert [scan["Actual Rows"] for scan in scans] == [len(ahead)]
    assert not [scan for scan in scans if scan.get("Rows Removed by Filter")]


def written_by_refresh() -> str:
    """The statement in the function that `calendar.refresh` calls."""
    functions = Path(calendar.__file__).with_name("booking.sql").read_text()
    found = re.search(r"FUNCTION leasing_write_calendars\(.*?BEGIN\n(.*?);\nEND", functions, re.DOTALL)
    assert found and "ANY (nodes)" in found[1]
    return found[1].replace("(nodes)", "(%s)")


def scans_of(plan: Any) -> list[dict[str, Any]]:
    """Every part of a plan that reads claims."""
    if isinstance(plan, list):
        return [scan for part in plan for scan in scans_of(part)]
    inner = [*plan.get("Plans", []), *([plan["Plan"]] if "Plan" in plan else [])]
    return [*([plan] if plan.get("Relation Name") == "leasing_claim" else []), *scans_of(inner)]
