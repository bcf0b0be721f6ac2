"""A quote keeps its price; an order takes nodes and money together, or nothing."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Event, Organization
from billing import checkout, keeping
from billing.checkout import InsufficientFunds, QuoteRefused
from billing.models import Meter, Quote
from billing.quotes import QuoteExpired, QuoteUsed
from billing.receipts import receipt
from leasing.models import Claim, Lease
from leasing.operations import NodesTaken, end
from leasing.schedule import start_due
from leasing.states import LeaseState
from marketplace.models import Offer, PlanKind, Rate
from marketplace.queries import duration
from tests import factories
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, money, place
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db

IN_TWO_HOURS = NOON + 2 * HOUR
WEEK = 7 * 24 * HOUR


def test_an_on_demand_quote_holds_the_first_hour(acme: Organization, offer: Offer) -> None:
    quote = a_quote(acme, offer, nodes=2)
    assert (quote.starts_at, quote.ends_at, quote.total_micros) == (NOON, None, None)
    assert quote.micros_per_node_hour == 3_600_000
    assert quote.hold_micros == 7_200_000


def test_a_reserved_quote_prices_the_whole_window(acme: Organization, reserved: Offer) -> None:
    quote = a_quote(acme, reserved, nodes=2, starts_at=IN_TWO_HOURS, ends_at=IN_TWO_HOURS + 10 * HOUR)
    assert quote.total_micros == quote.hold_micros == 72_000_000


def test_a_quote_for_a_start_in_five_minutes_expires_with_it(acme: Organization, reserved: Offer) -> None:
    now = IN_TWO_HOURS - timedelta(minutes=5)
    quote = a_quote(acme, reserved, now=now, starts_at=IN_TWO_HOURS, ends_at=IN_TWO_HOURS + HOUR)
    assert quote.expires_at == IN_TWO_HOURS


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("starts_at", {"ends_at": IN_TWO_HOURS}),
        ("ends_at", {"starts_at": IN_TWO_HOURS}),
        ("starts_at", {"starts_at": NOON, "ends_at": IN_TWO_HOURS}),
        ("starts_at", {"starts_at": NOON + 61 * 24 * HOUR, "ends_at": NOON + 62 * 24 * HOUR}),
        ("starts_at", {"starts_at": NOON + 90 * 60 * SECOND, "ends_at": NOON + 3 * HOUR}),
        ("ends_at", {"starts_at": NOON + HOUR, "ends_at": NOON + 61 * 24 * HOUR + HOUR}),
        ("ends_at", {"starts_at": NOON + HOUR, "ends_at": NOON + HOUR}),
        ("nodes", {"starts_at": NOON + HOUR, "ends_at": IN_TWO_HOURS, "nodes": 0}),
        ("nodes", {"starts_at": NOON + HOUR, "ends_at": IN_TWO_HOURS, "nodes": 257}),
    ],
)
def test_a_wish_that_the_plan_forbids_names_its_field(
    acme: Organization, reserved: Offer, field: str, wish: dict[str, Any]
) -> None:
    with pytest.raises(QuoteRefused) as refused:
        a_quote(acme, reserved, **wish)
    assert refused.value.field == field


@pytest.mark.parametrize("field", ["starts_at", "ends_at"])
def test_an_on_demand_lease_takes_no_window(acme: Organization, offer: Offer, field: str) -> None:
    with pytest.raises(QuoteRefused, match="leave") as refused:
        a_quote(acme, offer, now=NOON, nodes=1, **{field: IN_TWO_HOURS})
    assert refused.value.field == field


def test_an_offer_that_is_withdrawn_or_has_no_rate_is_not_quoted(acme: Organization, offer: Offer) -> None:
    with pytest.raises(QuoteRefused, match="not for sale"):
        a_quote(acme, offer, now=NOON - 60 * 24 * HOUR)
    offer.listed = False
    with pytest.raises(QuoteRefused, match="not for sale"):
        a_quote(acme, offer)


def test_an_order_becomes_a_lease_that_starts(acme: Organization, offer: Offer) -> None:
    quote = a_quote(acme, offer)
    lease = place(quote)
    quote.refresh_from_db()
    assert quote.lease == lease
    assert Lease.objects.get().state == LeaseState.PROVISIONING
    assert Meter.objects.get(lease=lease).hold_micros == 3_600_000
    assert Event.objects.filter(kind="lease.ordered", subject=lease.public_id).count() == 1


def test_an_order_keeps_its_money_aside(acme: Organization, offer: Offer) -> None:
    place(a_quote(acme, offer, nodes=2))
    purse = money(acme)
    assert (purse.balance_micros, purse.held_micros, purse.available_micros) == (100_000_000, 7_200_000, 92_800_000)


def test_a_cancelled_order_frees_its_money_at_once(acme: Organization, reserved: Offer) -> None:
    lease = place(a_quote(acme, reserved, starts_at=IN_TWO_HOURS, ends_at=IN_TWO_HOURS + 10 * HOUR))
    assert money(acme).available_micros == 64_000_000
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    assert money(acme).available_micros == 100_000_000


def test_the_quoted_price_is_kept_after_the_rate_has_risen(acme: Organization, offer: Offer) -> None:
    quote = a_quote(acme, offer)
    Rate.objects.create(offer=offer, micros_per_node_hour=9_999_999, starts_at=NOON + SECOND)
    lease = place(quote, now=NOON + 60 * SECOND)
    assert Meter.objects.get(lease=lease).micros_per_node_hour == 3_600_000
    assert a_quote(acme, offer, now=NOON + 60 * SECOND).micros_per_node_hour == 9_999_999


def test_a_quote_is_used_once(acme: Organization, offer: Offer) -> None:
    quote = a_quote(acme, offer)
    lease = place(quote)
    with pytest.raises(QuoteUsed) as refused:
        place(quote)
    assert refused.value.lease == lease
    assert Lease.objects.count() == 1


def test_an_expired_quote_is_refused_from_the_very_second(acme: Organization, offer: Offer) -> None:
    quote = a_quote(acme, offer)
    with pytest.raises(QuoteExpired):
        place(quote, now=NOON + checkout.QUOTE_LASTS)
    place(quote, now=NOON + checkout.QUOTE_LASTS - SECOND)


def test_somebody_elses_quote_does_not_exist(acme: Organization, offer: Offer) -> None:
    quote = a_quote(acme, offer)
    quote.organization = funded(100, "Strangers")
    with pytest.raises(Quote.DoesNotExist):
        place(quote)


def test_an_order_without_funds_takes_no_node_and_says_how_much_is_missing(offer: Offer) -> None:
    poor = funded(3.5)
    with pytest.raises(InsufficientFunds) as refused:
        place(a_quote(poor, offer))
    assert (refused.value.needed_micros, refused.value.available_micros) == (3_600_000, 3_500_000)
    assert refused.value.missing_micros == 100_000
    assert not Claim.objects.exists()


def test_money_that_is_held_or_already_used_cannot_be_spent_again(offer: Offer) -> None:
    scarce = funded(7.1)
    place(a_quote(scarce, offer))
    with pytest.raises(InsufficientFunds):
        place(a_quote(scarce, offer))


def test_an_order_of_more_nodes_than_are_free_takes_no_money(acme: Organization, offer: Offer) -> None:
    quote = a_quote(acme, offer, nodes=4)
    with pytest.raises(NodesTaken):
        place(quote)
    assert money(acme).available_micros == 100_000_000
    quote.refresh_from_db()
    assert quote.lease is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(86_400, "1 day"), (900, "15 minutes"), (7_200, "2 hours"), (61, "61 seconds")]
)
def test_lengths_are_said_in_their_largest_whole_unit(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.fixture
def discounted() -> Offer:
    """Nodes at $3.60 per node-hour, 5 % less from a week on."""
    plan = factories.a_plan(PlanKind.RESERVED, discounts=[[604_800, 5]], max_seconds=60 * 86_400)
    return factories.an_offer(factories.a_pool(nodes=1), plan)


def test_a_long_commitment_is_cheaper_and_what_is_quoted_is_what_is_charged(discounted: Offer) -> None:
    acme, starts_at = funded(1000), NOON + HOUR
    quote = a_quote(acme, discounted, starts_at=starts_at, ends_at=starts_at + WEEK)
    assert (quote.list_micros_per_node_hour, quote.discount_percent) == (3_600_000, 5)
    assert (quote.micros_per_node_hour, quote.total_micros) == (3_420_000, 168 * 3_420_000)
    lease = place(quote)
    start_due(now=starts_at)
    work_all(discounted, now=starts_at)
    paper = receipt(lease=lease, now=starts_at + WEEK + HOUR)
    assert paper.charged_micros == quote.total_micros
    assert (paper.list_micros_per_node_hour, paper.discount_percent) == (3_600_000, 5)
    assert paper.micros_per_node_hour == 3_420_000


def test_an_hour_less_than_the_commitment_has_no_discount(acme: Organization, discounted: Offer) -> None:
    starts_at = NOON + HOUR
    quote = a_quote(acme, discounted, starts_at=starts_at, ends_at=starts_at + WEEK - HOUR)
    assert (quote.discount_percent, quote.micros_per_node_hour) == (0, 3_600_000)


def test_a_lease_without_an_end_has_no_discount(acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(discounts=[[0, 50]]))
    assert a_quote(acme, offer).micros_per_node_hour == 3_600_000


def test_an_order_at_once_begins_when_it_is_placed_and_keeps_its_end(acme: Organization) -> None:
    plan = factories.a_plan(PlanKind.RESERVED, may_start_now=True)
    offer = factories.an_offer(factories.a_pool(nodes=1), plan)
    quote = a_quote(acme, offer, ends_at=IN_TWO_HOURS)
    lease = place(quote, now=NOON + 300 * SECOND)
    assert (lease.starts_at, lease.ends_at) == (NOON + 300 * SECOND, IN_TWO_HOURS)
    assert Lease.objects.get().state == LeaseState.PROVISIONING


def test_a_quote_is_kept_no_longer_than_orders_for_its_start_are_taken(acme: Organization) -> None:
    plan = factories.a_plan(PlanKind.RESERVED, lead_seconds=3600)
    offer = factories.an_offer(factories.a_pool(nodes=1), plan)
    now = IN_TWO_HOURS - HOUR - 60 * SECOND
    quote = a_quote(acme, offer, now=now, starts_at=IN_TWO_HOURS, ends_at=IN_TWO_HOURS + HOUR)
    assert quote.expires_at == IN_TWO_HOURS - HOUR
    with pytest.raises(QuoteRefused, match="1 hour ahead"):
        a_quote(acme, offer, now=now + 60 * SECOND, starts_at=IN_TWO_HOURS, ends_at=IN_TWO_HOURS + HOUR)


@pytest.mark.parametrize("lead", [0, 30])
def test_a_quote_for_a_start_at_once_is_kept_while_something_of_its_window_is_left(
    acme: Organization, lead: int
) -> None:
    terms = {"min_seconds": 60, "granularity_seconds": 60, "hold_seconds": 1200, "lead_seconds": lead}
    plan = factories.a_plan(PlanKind.RESERVED, may_start_now=True, **terms)
    offer, last = factories.an_offer(factories.a_pool(), plan), NOON + (120 - lead) * SECOND
    quotes = [a_quote(acme, offer, ends_at=NOON + 120 * SECOND) for _ in range(3)]
    keeping.hold_nodes(quote=quotes[0], now=NOON)
    for quote in quotes[:2]:
        with pytest.raises(QuoteExpired):
            place(quote, now=last)
    lease = place(quotes[2], now=last - SECOND)
    assert (lease.starts_at, lease.ends_at) == (NOON + 119 * SECOND, NOON + 120 * SECOND)


def test_what_waits_for_its_start_is_kept_aside_and_costs_an_order_no_reading(
    acme: Organization, reserved: Offer
) -> None:
    for day in range(3):
        starts_at = NOON + day * 24 * HOUR + HOUR
        place(a_quote(acme, reserved, starts_at=starts_at, ends_at=starts_at + HOUR))
    purse = money(acme)
    assert (purse.held_micros, purse.readings) == (10_800_000, ())
