"""What a lease is committed to once it was extended at another price, handed back in part, or tagged anew."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Event, Organization
from billing import budgets, handing_back, tagging
from billing.budgets import BudgetExceeded
from leasing import schedule
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.billing.agreed import ACTOR, END, active, costs_from_now_on, extend
from tests.billing.conftest import HOUR, NOON, a_quote, funded, place, running
from tests.billing.test_budgets import APRIL, MARCH, MIDNIGHT, cap, committed, enforce
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db


def test_an_extension_at_another_price_is_committed_whole_before_and_after_it_has_begun(
    acme: Organization, reserved: Offer
) -> None:
    lease = active(acme, reserved)
    costs_from_now_on(reserved, 1_800_000)
    extend(lease, END + 2 * HOUR)
    whole = 2 * 3_600_000 + 2 * 1_800_000
    assert [committed(acme, END + n * HOUR / 2) for n in range(-3, 5)] == [whole] * 8
    cap(acme, (whole + 3_599_999) / 1_000_000)
    late = END + HOUR
    with pytest.raises(BudgetExceeded):
        place(a_quote(acme, reserved, now=late, starts_at=late + HOUR, ends_at=late + 3 * HOUR), now=late)


def test_a_fee_for_added_time_that_has_begun_lies_in_its_months_by_its_price() -> None:
    acme = funded(1000)
    offer = factories.an_offer(factories.a_pool(), factories.a_plan(PlanKind.RESERVED, return_refund_percent=0))
    border = MIDNIGHT - 29 * HOUR
    lease = place(a_quote(acme, offer, starts_at=border - HOUR, ends_at=border))
    schedule.start_due(now=border - HOUR)
    work_all(offer, now=border - HOUR)
    costs_from_now_on(offer, 3_420_000)
    extend(lease, border + 39 * HOUR, now=border - HOUR)
    shorter: dict[str, Any] = {"lease": lease, "ends_at": MIDNIGHT - 10 * HOUR, "actor": ACTOR}
    handing_back.shorten(**shorter, now=border + timedelta(minutes=1))
    april = 10 * 3_420_000
    assert committed(acme, border + HOUR, APRIL) == april
    assert committed(acme, border + HOUR, MARCH) == 3_600_000 + 29 * 3_420_000


def test_a_fee_counts_for_the_project_that_its_lease_is_tagged_with_only_if_it_fits(offer: Offer) -> None:
    acme = funded(1000)
    kept = factories.a_plan(PlanKind.RESERVED, cancel_refunds=[[0, 0]])
    reserved = factories.an_offer(offer.pool, kept)
    budget = cap(acme, 8.99, "vision")
    running(acme, offer, project="vision")
    lease = place(a_quote(acme, reserved, starts_at=NOON + 2 * HOUR, ends_at=NOON + 4 * HOUR))
    later = NOON + HOUR / 2
    handing_back.hand_back(lease=lease, actor=ACTOR, now=later)
    with pytest.raises(BudgetExceeded) as refused:
        tagging.tag(lease=lease, project="vision", actor=ACTOR, now=later)
    assert (refused.value.needed_micros, refused.value.left_micros) == (7_200_000, 8_990_000 - 3_600_000)
    enforce(acme, later)
    assert committed(acme, later, project="vision") == 3_600_000
    assert not Event.objects.filter(kind="lease.let_off").exists()
    budgets.change(budget=budget, limit_micros=10_800_000, actor=ACTOR, now=later)
    tagging.tag(lease=lease, project="vision", actor=ACTOR, now=later)
    assert committed(acme, later, project="vision") == 10_800_000


def test_a_fee_of_an_earlier_month_asks_nothing_of_the_months_to_come() -> None:
    acme = funded(1000)
    offer = factories.an_offer(factories.a_pool(), factories.a_plan(PlanKind.RESERVED, cancel_refunds=[[0, 0]]))
    lease = place(a_quote(acme, offer, starts_at=MIDNIGHT - 2 * HOUR, ends_at=MIDNIGHT + HOUR))
    handing_back.hand_back(lease=lease, actor=ACTOR, now=NOON)
    cap(acme, 3.6, "vision", now=MIDNIGHT)
    tagging.tag(lease=lease, project="vision", actor=ACTOR, now=MIDNIGHT)
    assert committed(acme, MIDNIGHT, APRIL, project="vision") == 3_600_000
