"""Who may not order any more keeps its place in the line."""

import pytest

from accounts.models import Organization
from billing import suspending
from billing.models import Mode, Quote, StandingOrderState
from billing.suspending import SUSPENDED
from leasing.models import Lease
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import NOON
from tests.billing.test_standing_orders import ACTOR, MINUTE, join, state, sweep, told
from tests.factories import DAY

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("hold_seconds", [0, 600])
@pytest.mark.parametrize("mode", [Mode.BOOK, Mode.TELL])
def test_who_may_not_order_any_more_stays_in_line_and_hears_once_why_nothing_comes_of_it(
    acme: Organization, offer: Offer, mode: str, hold_seconds: int
) -> None:
    factories.the_terms(offer.plan, starts_at=NOON - DAY, hold_seconds=hold_seconds)
    order = join(acme, mode=mode)
    suspending.suspend(organization=acme, actor=ACTOR, reason="overdue", now=NOON)
    assert sweep() + sweep(NOON + MINUTE) == [False, False]
    assert (state(order), told(order)) == (StandingOrderState.WAITING, ["held_up"])
    assert order.held_up == SUSPENDED and not Lease.objects.exists() and not Quote.objects.exists()
    suspending.lift(organization=acme, reason="settled", actor=ACTOR, now=NOON + MINUTE)
    assert sweep(NOON + 2 * MINUTE) == [True]
