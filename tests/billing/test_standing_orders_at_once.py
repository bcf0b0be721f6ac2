"""Standing orders on a plan whose leases may start at once, off the steps on which they end."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Organization
from billing import filling
from billing.models import Mode, Quote
from leasing.models import Lease
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.billing.conftest import HOUR, NOON, place
from tests.billing.test_standing_orders import MINUTE, join, sweep

pytestmark = pytest.mark.django_db
NOW = NOON + timedelta(minutes=20, seconds=35)


@pytest.fixture
def offer(db: None) -> Offer:
    """One node, by the hour, at once or ahead; a quarter off from two and a half hours on."""
    terms: dict[str, Any] = {"may_start_now": True, "hold_seconds": 600, "discounts": [[9000, 25]]}
    return factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(PlanKind.RESERVED, **terms))


def test_it_starts_at_once_and_lasts_until_the_first_end_that_the_terms_allow(acme: Organization, offer: Offer) -> None:
    join(acme, now=NOW, length_seconds=2 * 3600, latest_at=NOON + 3 * HOUR)
    assert sweep(NOW) == [True]
    lease = Lease.objects.get()
    assert (lease.starts_at, lease.ends_at) == (NOW, NOON + 3 * HOUR)


def test_no_lease_ends_after_the_latest_end_that_is_wished(acme: Organization, offer: Offer) -> None:
    join(acme, now=NOW, length_seconds=2 * 3600, latest_at=NOON + 3 * HOUR + 30 * MINUTE)
    assert sweep(NOON + HOUR + MINUTE) == [False]  # it would last until 16:00
    assert sweep(NOON + HOUR) == [True]


def test_its_price_is_that_of_the_length_that_is_booked(acme: Organization, offer: Offer) -> None:
    late = NOON + HOUR - MINUTE
    join(acme, now=NOW, length_seconds=2 * 3600, latest_at=NOON + 5 * HOUR, max_micros_per_node_hour=2_700_000)
    assert sweep(late) == [False]  # until 15:00 it is two hours and a minute
    assert sweep(NOW) == [True]
    assert Lease.objects.get().meter.micros_per_node_hour == 2_700_000


def test_who_only_wants_to_be_told_orders_it_at_once_too(acme: Organization, offer: Offer) -> None:
    join(acme, now=NOW, mode=Mode.TELL, length_seconds=2 * 3600, latest_at=NOON + 3 * HOUR)
    assert sweep(NOW) == [True]
    quote = Quote.objects.get()
    assert (quote.starts_at, quote.ends_at) == (NOW, NOON + 3 * HOUR)
    assert "starts_at" not in filling.order_path(quote) and "ends_at=2026-03-02T15%3A00" in filling.order_path(quote)
    lease = place(quote, now=NOW + 5 * MINUTE)
    assert (lease.starts_at, lease.ends_at) == (NOW + 5 * MINUTE, NOON + 3 * HOUR)
