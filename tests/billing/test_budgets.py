"""A budget is a hard cap: checked where an order is booked, kept while leases burn, told at 50, 80 and 100 %."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Event, Organization
from billing import budgets, capping, handing_back, invariants, metering, standing
from billing.budgets import BudgetExceeded, BudgetExists
from billing.models import Budget, BudgetAlert, HandBack, Usage
from billing.queries import commitments, split
from billing.receipts import receipt
from leasing import schedule
from leasing.models import Lease
from leasing.operations import end
from leasing.states import LeaseState
from marketplace.models import Offer, PlanKind
from marketplace.money import MICROS, price
from tests import factories
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, give, money, place, running
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
MIDNIGHT = datetime(2026, 4, 1, tzinfo=UTC)  # between the two
MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)


def cap(organization: Organization, dollars: float, project: str = "", now: datetime = NOON) -> Budget:
    return budgets.create(
        organization=organization,
        actor="user:us_tests",
        created_by=None,
        project=project,
        limit_micros=round(dollars * MICROS),
        now=now,
    )


def committed(organization: Organization, now: datetime = NOON, month: date = MARCH, project: str = "") -> int:
    return commitments(organization=organization, now=now).total(project, month)


def committed_in_both(organization: Organization, now: datetime) -> list[int]:
    return [committed(organization, now, month) for month in (MARCH, APRIL)]


def shorter(lease: Lease, ends_at: datetime) -> dict[str, Any]:
    return {"lease": lease, "ends_at": ends_at, "actor": "user:us_tests"}


def enforce(organization: Organization, now: datetime) -> None:
    """As the clock's tasks do."""
    capping.enforce(organization=organization, now=now)
    for lease in metering.due(now=now):
        metering.meter(lease=lease, upto=metering.slice_end(now), now=now)
    standing.enforce(organization=organization, now=now)
    capping.enforce(organization=organization, now=now)


def state_of(lease: Lease) -> str:
    lease.refresh_from_db()
    return lease.state


def told(kind: str) -> int:
    return Event.objects.filter(kind=kind, notice__isnull=False).count()


def test_an_order_beyond_the_budget_is_refused_and_says_the_way_out(acme: Organization, reserved: Offer) -> None:
    budget = cap(acme, 7.2)
    place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR))
    with pytest.raises(BudgetExceeded) as refused:
        place(a_quote(acme, reserved, starts_at=NOON + 5 * HOUR, ends_at=NOON + 7 * HOUR))
    assert (refused.value.budget, refused.value.month) == (budget, MARCH)
    assert (refused.value.left_micros, refused.value.needed_micros) == (3_600_000, 7_200_000)
    assert "$3.60 are left, $7.20 are needed" in str(refused.value)
    place(a_quote(acme, reserved, starts_at=NOON + 5 * HOUR, ends_at=NOON + 6 * HOUR))  # what is left fits exactly
    assert committed(acme) == 7_200_000


def test_a_window_over_the_end_of_a_month_counts_in_each_by_the_second(acme: Organization, reserved: Offer) -> None:
    cap(acme, 10.8)
    late = MIDNIGHT - 10 * HOUR
    place(a_quote(acme, reserved, now=late, starts_at=MIDNIGHT - 2 * HOUR, ends_at=MIDNIGHT + 3 * HOUR), now=late)
    assert (committed(acme, late), committed(acme, late, APRIL)) == (7_200_000, 10_800_000)
    with pytest.raises(BudgetExceeded) as refused:
        place(a_quote(acme, reserved, now=late, starts_at=MIDNIGHT, ends_at=MIDNIGHT + HOUR), now=late)
    assert refused.value.month == APRIL
    assert Lease.objects.count() == 1


@pytest.mark.parametrize("rate", [3_600_000, 2_490_000, 1, 7, 23_920_001])
def test_the_parts_of_a_window_are_its_price(rate: int) -> None:
    begin, finish = MIDNIGHT - timedelta(hours=7, seconds=13), MIDNIGHT + timedelta(days=31, seconds=7)
    parts = split(micros_per_node_hour=rate, nodes=3, starts_at=begin, ends_at=finish, now=NOON)
    whole = price(micros_per_node_hour=rate, seconds=(finish - begin) // SECOND, nodes=3)
    assert set(parts) == {MARCH, APRIL, date(2026, 5, 1)}
    assert parts[MARCH] == price(micros_per_node_hour=rate, seconds=7 * 3600 + 13, nodes=3)
    assert whole <= sum(parts.values()) <= whole + 2


def test_a_project_is_held_to_its_own_budget_and_to_that_of_the_whole(acme: Organization, offer: Offer) -> None:
    cap(acme, 7.2)
    project = cap(acme, 3.6, "vision")
    place(a_quote(acme, offer), project="vision")
    with pytest.raises(BudgetExceeded) as refused:
        place(a_quote(acme, offer), project="vision")
    assert refused.value.budget == project
    place(a_quote(acme, offer), project="speech")
    with pytest.raises(BudgetExceeded, match="the whole organization"):
        place(a_quote(acme, offer), project="speech")


def test_what_is_returned_or_cancelled_can_be_ordered_again(acme: Organization, offer: Offer, reserved: Offer) -> None:
    cap(acme, 3.6)
    booked = place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR))
    end(lease=booked, reason="returned", actor="user:us_tests", now=NOON)
    lease = running(acme, offer)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 10 * SECOND)
    assert committed(acme, NOON + MINUTE) == 10_000
    metering.meter(lease=lease, upto=NOON, now=NOON + MINUTE)
    assert committed(acme, NOON + MINUTE) == 10_000  # the same once it is posted and closed
    assert committed(acme, MIDNIGHT, APRIL) == 0


def test_a_lease_that_runs_is_committed_for_its_kept_hour_then_for_five_minutes_ahead(offer: Offer) -> None:
    acme = funded(100)
    running(acme, offer)
    assert committed(acme, NOON + 10 * MINUTE) == 3_600_000
    assert committed(acme, NOON + 2 * HOUR) == 125 * 60_000


def test_before_the_limit_on_demand_leases_pause_and_are_told(offer: Offer) -> None:
    acme = funded(1000)
    cap(acme, 7.2)
    lease = running(acme, offer)
    enforce(acme, NOON + 114 * MINUTE)
    assert state_of(lease) == LeaseState.ACTIVE
    enforce(acme, NOON + 116 * MINUTE)
    assert state_of(lease) == LeaseState.PAUSED
    assert (lease.reason, told("lease.paused"), told("budget.reached_100")) == ("budget_reached", 1, 1)
    enforce(acme, NOON + 130 * MINUTE)
    assert committed(acme, NOON + 130 * MINUTE) == 116 * 60_000


def test_a_sweep_that_is_late_by_less_than_the_reach_still_keeps_the_cap(offer: Offer) -> None:
    acme = funded(1000)
    budget = cap(acme, 7.2)
    running(acme, offer)
    enforce(acme, NOON + 115 * MINUTE)  # all but the last five minutes are used: it may just go on
    enforce(acme, NOON + 120 * MINUTE)
    assert committed(acme, NOON + 150 * MINUTE) <= budget.limit_micros


def test_what_a_sweep_that_is_late_by_hours_lets_run_past_the_cap_is_not_charged(offer: Offer) -> None:
    acme = funded(1000)
    cap(acme, 9)  # two and a half hours of a node; 75 minutes of both
    first, second = (running(acme, offer) for _ in "ab")
    enforce(acme, NOON + HOUR)
    late = NOON + 5 * HOUR
    enforce(acme, late)
    assert (state_of(first), state_of(second)) == ("paused", "paused")
    enforce(acme, late + HOUR)
    assert sum(row.micros for row in Usage.objects.all()) == committed(acme, late + HOUR) == 9_000_000
    assert (told("lease.let_off"), told("lease.paused"), money(acme, late + HOUR).held_micros) == (2, 2, 0)
    shown = receipt(lease=first, now=late + HOUR)
    assert [(part.price.micros_per_node_hour, part.seconds) for part in shown.parts] == [
        (3_600_000, 75 * 60),
        (0, 225 * 60),
    ]
    work_all(offer, now=late + HOUR)
    assert list(invariants.broken(now=late + HOUR)) == []


def test_what_was_returned_before_the_late_sweep_is_not_charged_either(offer: Offer) -> None:
    acme = funded(1000)
    cap(acme, 7.2)
    lease = running(acme, offer)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 3 * HOUR)
    enforce(acme, NOON + 4 * HOUR)
    assert sum(row.micros for row in Usage.objects.all()) == 7_200_000


def test_a_sweep_that_is_late_in_the_next_month_keeps_the_cap_of_both(offer: Offer) -> None:
    acme = funded(1000)
    cap(acme, 7.2)
    lease = running(acme, offer, now=MIDNIGHT - 3 * HOUR)
    enforce(acme, MIDNIGHT + 4 * HOUR)
    assert state_of(lease) == "paused"
    enforce(acme, MIDNIGHT + 5 * HOUR)
    by_month = {month: sum(row.micros for row in Usage.objects.filter(from_at__month=month)) for month in (3, 4)}
    assert by_month == {3: 7_200_000, 4: 7_200_000}


def test_a_limit_below_what_is_used_gives_back_nothing_that_was_used_before(offer: Offer) -> None:
    acme = funded(1000)
    budget = cap(acme, 36)
    lease = running(acme, offer)
    at = NOON + 2 * HOUR
    budgets.change(budget=budget, limit_micros=1, actor="user:us_tests", now=at)
    enforce(acme, at + 15 * SECOND)
    enforce(acme, at + HOUR)
    assert (state_of(lease), committed(acme, at + HOUR)) == ("paused", 7_200_000)


def test_the_newest_lease_pauses_first_and_the_others_go_on(offer: Offer) -> None:
    acme = funded(1000)
    cap(acme, 3.6 * 3)
    first, second = running(acme, offer), running(acme, offer, now=NOON + MINUTE)
    enforce(acme, NOON + 88 * MINUTE)
    assert (state_of(first), state_of(second)) == (LeaseState.ACTIVE, LeaseState.PAUSED)


def test_a_raised_limit_resumes_them(offer: Offer) -> None:
    acme = funded(1000)
    budget = cap(acme, 7.2)
    lease = running(acme, offer)
    enforce(acme, NOON + 118 * MINUTE)
    work_all(offer, now=NOON + 118 * MINUTE)
    budgets.change(budget=budget, limit_micros=10 * MICROS, actor="user:us_tests", now=NOON + 2 * HOUR)
    enforce(acme, NOON + 2 * HOUR)
    assert state_of(lease) == LeaseState.PAUSED  # not enough for an hour
    budgets.change(budget=budget, limit_micros=11 * MICROS, actor="user:us_tests", now=NOON + 2 * HOUR)
    enforce(acme, NOON + 2 * HOUR)
    work_all(offer, now=NOON + 2 * HOUR)
    assert state_of(lease) == LeaseState.ACTIVE


def test_a_new_month_and_a_removed_budget_resume_them_too(offer: Offer) -> None:
    acme = funded(1000)
    budget = cap(acme, 3.6)
    begun = MIDNIGHT - 3 * HOUR
    lease = running(acme, offer, now=begun)
    enforce(acme, begun + HOUR)
    work_all(offer, now=begun + HOUR)
    enforce(acme, MIDNIGHT - SECOND)
    assert state_of(lease) == LeaseState.PAUSED
    enforce(acme, MIDNIGHT)
    work_all(offer, now=MIDNIGHT)
    assert state_of(lease) == LeaseState.ACTIVE
    enforce(acme, MIDNIGHT + 57 * MINUTE)
    work_all(offer, now=MIDNIGHT + 57 * MINUTE)
    assert state_of(lease) == LeaseState.PAUSED
    budgets.remove(budget=budget, actor="user:us_tests", now=MIDNIGHT + HOUR)
    assert acme in capping.at_stake()
    enforce(acme, MIDNIGHT + HOUR)
    work_all(offer, now=MIDNIGHT + HOUR)
    assert state_of(lease) == LeaseState.ACTIVE


def test_a_lease_never_runs_into_a_month_whose_budget_is_spoken_for(offer: Offer, reserved: Offer) -> None:
    acme = funded(1000)
    cap(acme, 7.2)
    begun = MIDNIGHT - 90 * MINUTE
    april = MIDNIGHT + 5 * HOUR
    lease = running(acme, offer, now=begun)
    place(a_quote(acme, reserved, now=begun, starts_at=april, ends_at=april + 2 * HOUR), now=begun)
    enforce(acme, MIDNIGHT - 6 * MINUTE)
    assert state_of(lease) == LeaseState.ACTIVE
    enforce(acme, MIDNIGHT - 4 * MINUTE)
    assert state_of(lease) == LeaseState.PAUSED


def test_a_lease_without_money_resumes_only_where_its_budget_has_room(offer: Offer) -> None:
    acme = funded(3.6)
    budget = cap(acme, 5)
    lease = running(acme, offer)
    standing.enforce(organization=acme, now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    give(acme, 100)
    enforce(acme, NOON + 2 * HOUR)
    work_all(offer, now=NOON + 2 * HOUR)
    assert (state_of(lease), lease.reason) == (LeaseState.PAUSED, "out_of_funds")
    budgets.change(budget=budget, limit_micros=100 * MICROS, actor="user:us_tests", now=NOON + 2 * HOUR)
    enforce(acme, NOON + 2 * HOUR)
    work_all(offer, now=NOON + 2 * HOUR)
    assert state_of(lease) == LeaseState.ACTIVE


def test_each_share_is_told_once_a_month(acme: Organization, reserved: Offer) -> None:
    cap(acme, 7.2)
    enforce(acme, NOON)
    assert told("budget.reached_50") == 0
    place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR))
    for _ in range(2):
        enforce(acme, NOON)
    assert told("budget.reached_50") == 1
    place(a_quote(acme, reserved, starts_at=NOON + 3 * HOUR, ends_at=NOON + 4 * HOUR))
    enforce(acme, NOON)
    assert (told("budget.reached_80"), told("budget.reached_100")) == (0, 1)  # two at once are one letter
    assert [alert.percent for alert in BudgetAlert.objects.all()] == [50, 80, 100]


def test_a_raised_limit_is_told_of_again_where_less_of_it_is_reached(acme: Organization, reserved: Offer) -> None:
    budget = cap(acme, 7.2)
    place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 3 * HOUR))
    enforce(acme, NOON)
    raised: dict[str, Any] = {"budget": budget, "actor": "user:us_tests", "now": NOON}
    budgets.change(limit_micros=14_400_000, **raised)  # half of it
    enforce(acme, NOON)
    assert [alert.percent for alert in BudgetAlert.objects.all()] == [50] and told("budget.reached_50") == 0
    place(a_quote(acme, reserved, starts_at=NOON + 4 * HOUR, ends_at=NOON + 6 * HOUR))
    enforce(acme, NOON)
    assert [alert.percent for alert in BudgetAlert.objects.all()] == [50, 80, 100] and told("budget.reached_100") == 2
    budgets.change(limit_micros=14_300_000, **raised)
    enforce(acme, NOON)
    assert told("budget.reached_100") == 2  # a lower one is reached as the higher was


def test_there_is_one_budget_for_a_tag_and_a_new_one_after_it_was_removed(acme: Organization) -> None:
    first = cap(acme, 1)
    with pytest.raises(BudgetExists):
        cap(acme, 2)
    cap(acme, 2, "vision")
    budgets.remove(budget=first, actor="user:us_tests", now=NOON)
    budgets.remove(budget=first, actor="user:us_tests", now=NOON)
    cap(acme, 3)
    assert Event.objects.filter(kind="budget.removed").count() == 1


def test_a_late_sweep_of_the_meter_puts_use_into_the_month_it_was_in(offer: Offer) -> None:
    acme = funded(1000)
    begun = MIDNIGHT - HOUR
    lease = running(acme, offer, now=begun)
    end(lease=lease, reason="returned", actor="user:us_tests", now=MIDNIGHT + 10 * SECOND)
    later = MIDNIGHT + 5 * HOUR
    before = committed(acme, later, APRIL)
    metering.meter(lease=lease, upto=later, now=later)
    assert before - 1 <= committed(acme, later, APRIL) == 10_000 <= before
    assert Usage.objects.count() == 2


def test_the_invariants_name_a_month_that_passed_its_budget(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=MIDNIGHT)
    end(lease=lease, reason="returned", actor="user:us_tests", now=MIDNIGHT + HOUR)
    metering.meter(lease=lease, upto=MIDNIGHT, now=MIDNIGHT + HOUR)
    budget = cap(acme, 3.6)
    assert list(invariants.broken(now=MIDNIGHT + HOUR)) == []
    Budget.objects.update(limit_micros=3_599_999)
    (found,) = invariants.broken(now=MIDNIGHT + HOUR)
    assert f"budget {budget.public_id} in 2026-04-01" in found


@pytest.mark.parametrize("kept", [1, 50, 100])
@pytest.mark.parametrize("rate", [3_600_000, 7_000_001])
def test_handing_back_raises_no_month_however_much_is_kept(kept: int, rate: int) -> None:
    back: dict[str, Any] = {"cancel_refunds": [[0, 100 - kept]], "return_refund_percent": 100 - kept}
    acme = funded(1000)
    plan = factories.a_plan(PlanKind.RESERVED, min_seconds=60, granularity_seconds=1, **back)
    offer = factories.an_offer(factories.a_pool(nodes=2), plan, micros=rate)
    begin, finish = MIDNIGHT - 2 * HOUR, MIDNIGHT + 3 * HOUR + SECOND
    lease, later = (place(a_quote(acme, offer, starts_at=begin + n * SECOND, ends_at=finish)) for n in (0, 1))
    for at, act in (
        (NOON, lambda at: handing_back.hand_back(lease=later, actor="user:us_tests", now=at)),
        (begin + HOUR + 500 * MILLISECOND, lambda at: None),
        (begin + HOUR + 7 * SECOND, lambda at: handing_back.shorten(**shorter(lease, MIDNIGHT + HOUR), now=at)),
        (begin + HOUR + 7500 * MILLISECOND, lambda at: handing_back.hand_back(lease=lease, actor="x", now=at)),
    ):
        schedule.run_due(now=at)
        work_all(offer, now=at)
        before = committed_in_both(acme, at)
        act(at)
        assert all(was >= now > 0 for was, now in zip(before, committed_in_both(acme, at), strict=True)), at
    fees = sum(row.fee_micros for row in HandBack.objects.all())
    assert committed(acme, MIDNIGHT - HOUR) + committed(acme, MIDNIGHT - HOUR, APRIL) >= fees > 0
