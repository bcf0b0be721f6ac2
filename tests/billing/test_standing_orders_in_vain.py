"""A wish that could never be filled is refused: nobody waits in vain, nor hears of what others have."""

from typing import Any

import pytest

from accounts.models import Organization
from billing.waiting import CannotWait
from marketplace.models import Offer, Plan, PlanKind
from tests import factories
from tests.billing.conftest import HOUR, NOON, funded
from tests.billing.test_standing_orders import MINUTE, join, state, sweep
from tests.factories import DAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db: None) -> Organization:
    return funded(1000)


@pytest.fixture
def reserved(db: None) -> Offer:
    return factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(PlanKind.RESERVED))


def test_a_period_without_a_whole_lease_between_its_multiples_is_refused_with_the_first_end(
    acme: Organization, reserved: Offer
) -> None:
    """Nobody waits in vain: from 13:30 on a lease of an hour starts at 14:00."""
    odd: dict[str, Any] = {"length_seconds": 3600, "earliest_at": NOON + 90 * MINUTE}
    with pytest.raises(CannotWait, match="ends at 2026-03-02 15:00 UTC then, or later"):
        join(acme, **odd, latest_at=NOON + 3 * HOUR - MINUTE)
    order = join(acme, **odd, latest_at=NOON + 3 * HOUR)
    assert sweep() == [True] and state(order) == "filled"


def test_a_plan_of_others_is_neither_named_nor_counted_on(acme: Organization, reserved: Offer) -> None:
    other, mine = funded(1000, "Other Ltd"), reserved.plan
    theirs = Plan.objects.create(slug="frame", name="Secret frame", summary="", kind=mine.kind, private=True)
    factories.the_terms(theirs, max_seconds=90 * 86_400)
    other.private_plans.create(plan=theirs)
    long: dict[str, Any] = {"length_seconds": 61 * 86_400, "latest_at": NOON + 90 * DAY}
    with pytest.raises(CannotWait) as refused:
        join(acme, **long)
    assert refused.value.field == "length_seconds" and "Secret frame" not in refused.value.message
    assert join(other, **long)
