"""Orders that wait for their nodes: booked or told of once they are free, in fair order, once, and never too dear."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from accounts.models import Event, Organization
from billing import filling, waiting
from billing.models import Mode, Quote, StandingOrder, StandingOrderState
from billing.waiting import CannotWait, NotWaiting, TooManyWait, Wish
from leasing.models import Lease
from leasing.operations import Setup, end
from leasing.states import LeaseState
from marketplace.models import NodeCalendar, Offer, Plan, PlanKind, Region, Site
from tests import factories
from tests.billing.conftest import HOUR, NOON, a_quote, assert_books_balance, funded, give, money, place
from tests.factories import DAY
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
CEILING = 4_000_000  # $4.00 per node-hour; a node costs $3.60
TWO_DAYS: Mapping[str, Any] = {"length_seconds": 48 * 3600, "latest_at": NOON + 7 * DAY}
ACTOR = "user:us_tests"


@pytest.fixture
def offer(db: None) -> Offer:
    """One on-demand node that a quote can hold for ten minutes."""
    return factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(hold_seconds=600))


@pytest.fixture
def reserved(offer: Offer) -> Offer:
    """The same node, ahead."""
    return factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED, hold_seconds=600))


@pytest.fixture
def acme(db: None) -> Organization:
    return funded(1000)


@pytest.fixture
def other(db: None) -> Organization:
    return funded(1000, "Other Ltd")


def join(
    organization: Organization, *, mode: str = Mode.BOOK, now: Any = NOON, name: str = "run", **wish: Any
) -> StandingOrder:
    book = mode == Mode.BOOK
    setup = Setup(name, [factories.a_key(organization)], factories.an_image(), "", {"HF_TOKEN": "hf_secret"})
    wanted: dict[str, Any] = {"nodes": 1, "max_micros_per_node_hour": CEILING if book else None, **wish}
    return waiting.join(
        organization=organization,
        actor=ACTOR,
        created_by=organization.members.get(),
        wish=Wish(mode=mode, **wanted),
        name=name,
        setup=setup if book else None,
        now=now,
    )


def sweep(now: Any = NOON) -> list[bool]:
    return [filling.fill(order=order, now=now) for order in filling.in_line()]


def state(order: StandingOrder) -> str:
    order.refresh_from_db()
    return order.state


def told(order: StandingOrder) -> list[str]:
    """Kinds of what was mailed about it."""
    events = Event.objects.filter(subject=order.public_id, notice__isnull=False).order_by("id")
    return [event.kind.partition(".")[2] for event in events]


def taken(organization: Organization, offer: Offer, now: Any = NOON) -> Lease:
    """Somebody's lease of the node."""
    return place(a_quote(organization, offer, now=now), now=now)


def give_back(lease: Lease, now: Any) -> None:
    """Returned, and its node wiped."""
    end(lease=Lease.objects.get(pk=lease.pk), reason="returned", actor=ACTOR, now=now)
    work_all(lease.offer, now=now)


def test_nodes_that_are_free_are_booked_at_once_with_what_the_lease_needs(acme: Organization, reserved: Offer) -> None:
    order = join(acme, project="vision", **TWO_DAYS)
    assert sweep() == [True]
    lease = Lease.objects.get()
    assert (state(order), order.lease, told(order)) == (StandingOrderState.FILLED, lease, ["filled"])
    assert (lease.starts_at, lease.ends_at) == (NOON + HOUR, NOON + HOUR + 2 * DAY)
    assert (lease.name, lease.project, lease.created_by) == ("run", "vision", acme.members.get())
    assert lease.environment_names == ["HF_TOKEN"]
    assert (order.environment, lease.environment != "") == ("", True)
    assert money(acme).held_micros == 48 * 3_600_000
    assert_books_balance()


def test_an_order_waits_until_somebody_gives_the_node_back(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    lease = taken(other, offer)
    order = join(acme)
    assert sweep() == [False]
    assert (state(order), told(order)) == (StandingOrderState.WAITING, [])
    give_back(lease, NOON + HOUR)
    assert sweep(NOON + HOUR) == [True]
    assert Lease.objects.get(organization=acme).ends_at is None


def test_the_ceiling_is_for_the_price_that_is_agreed_and_so_is_the_cheapest(acme: Organization) -> None:
    pool, long = factories.a_pool(nodes=2), Plan.objects.create(slug="long", name="Long", kind=PlanKind.RESERVED)
    factories.the_terms(long, discounts=[[48 * 3600, 25]])
    factories.an_offer(pool, factories.a_plan(PlanKind.RESERVED), micros=3_800_000)
    cut = factories.an_offer(pool, long, micros=4_800_000)
    order = join(acme, **TWO_DAYS)
    assert sweep() == [True]
    assert (order_lease(order).offer, order_lease(order).meter.micros_per_node_hour) == (cut, 3_600_000)


def test_a_length_that_no_steps_allow_is_refused(acme: Organization) -> None:
    steps: dict[str, Any] = {"length_steps": [[14 * 86_400, 7 * 86_400]], "granularity_seconds": 86_400}
    factories.an_offer(factories.a_pool(), factories.a_plan(PlanKind.RESERVED, **steps))
    with pytest.raises(CannotWait, match="length_seconds"):
        join(acme, length_seconds=15 * 86_400, latest_at=NOON + 40 * DAY)


def order_lease(order: StandingOrder) -> Lease:
    order.refresh_from_db()
    assert order.lease
    return order.lease


def test_older_orders_are_served_first(acme: Organization, other: Organization, offer: Offer) -> None:
    first, second = join(acme), join(other)
    assert sweep() == [True, False]
    assert (state(first), state(second)) == (StandingOrderState.FILLED, StandingOrderState.WAITING)


def test_an_order_that_cannot_be_served_does_not_hold_up_a_smaller_one_behind_it(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    factories.a_node(offer.pool)
    lease = taken(funded(100, "Third Ltd"), offer)
    big, small = join(acme, nodes=2), join(other)
    assert sweep() == [False, True]
    assert (state(big), state(small), lease.node_count) == (StandingOrderState.WAITING, StandingOrderState.FILLED, 1)


def test_all_nodes_are_booked_or_none_and_at_one_site(acme: Organization, offer: Offer) -> None:
    elsewhere = factories.an_offer(factories.a_pool(site=factories.a_site("tulsa")), offer.plan)
    order = join(acme, nodes=2)
    assert sweep() == [False]
    assert not Lease.objects.exists()
    factories.a_node(elsewhere.pool)
    assert sweep() == [True]
    assert Lease.objects.get().offer == elsewhere and state(order) == StandingOrderState.FILLED


def test_the_cheapest_is_booked_and_of_equal_ones_the_earliest(
    acme: Organization, reserved: Offer, offer: Offer
) -> None:
    plan = reserved.plan
    dear = factories.an_offer(factories.a_pool(site=factories.a_site("tulsa")), plan, micros=3_900_000)
    cheap = factories.an_offer(factories.a_pool(site=factories.a_site("athens")), plan, micros=3_000_000)
    place(a_quote(funded(1000, "Third Ltd"), cheap, starts_at=NOON + HOUR, ends_at=NOON + DAY))
    join(acme, **TWO_DAYS)
    sweep()
    assert Lease.objects.get(organization=acme).offer == cheap  # later, and cheaper
    join(acme, **{**TWO_DAYS, "latest_at": NOON + HOUR + 2 * DAY})
    sweep()
    assert Lease.objects.filter(organization=acme).latest("id").offer == reserved != dear


@pytest.mark.parametrize(("ceiling", "filled"), [(3_600_000, True), (3_599_999, False)])
def test_nothing_is_booked_above_the_ceiling(acme: Organization, offer: Offer, ceiling: int, filled: bool) -> None:  # noqa: FBT001
    join(acme, max_micros_per_node_hour=ceiling)
    assert sweep() == [filled]


def test_only_offers_that_match_will_do(acme: Organization, offer: Offer) -> None:
    Site.objects.update(region=Region.EAST_AFRICA)
    order = join(acme, criteria={"region": Region.NORTH_AMERICA, "gpu_model": "h100-sxm", "gpus": 8})
    assert sweep() == [False]
    Site.objects.update(region=Region.NORTH_AMERICA)
    assert sweep() == [True]
    assert state(order) == StandingOrderState.FILLED


def test_a_lease_lies_within_the_period_up_to_its_very_borders(
    acme: Organization, other: Organization, reserved: Offer
) -> None:
    place(a_quote(other, reserved, starts_at=NOON + HOUR, ends_at=NOON + 3 * HOUR))  # with its cleaning until 15:15
    fits: dict[str, Any] = {"length_seconds": 2 * 3600, "earliest_at": NOON + 2 * HOUR}
    late = join(acme, **fits, latest_at=NOON + 6 * HOUR - MINUTE)
    order = join(acme, **fits, latest_at=NOON + 6 * HOUR)
    assert sweep() == [False, True]
    assert order.pk == StandingOrder.objects.get(state="filled").pk and state(late) == StandingOrderState.WAITING
    lease = Lease.objects.get(organization=acme)
    assert (lease.starts_at, lease.ends_at) == (NOON + 4 * HOUR, NOON + 6 * HOUR)


def test_an_on_demand_order_for_later_waits_for_its_time(acme: Organization, offer: Offer) -> None:
    join(acme, earliest_at=NOON + HOUR)
    assert sweep(NOON + HOUR - MINUTE) == [False]
    assert sweep(NOON + HOUR) == [True]


def test_it_expires_by_the_clock_and_its_customer_is_told(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    lease = taken(other, offer)
    order = join(acme, expires_at=NOON + HOUR)
    assert sweep(NOON + HOUR - MINUTE) == [False]
    give_back(lease, NOON + HOUR - MINUTE)
    assert sweep(NOON + HOUR) == [True]  # free by then, and too late
    assert (state(order), order.ended_at, told(order)) == (StandingOrderState.EXPIRED, NOON + HOUR, ["expired"])
    assert (order.environment, Lease.objects.filter(organization=acme).count()) == ("", 0)
    assert sweep(NOON + 2 * HOUR) == []
    words = Event.objects.get(kind="standing_order.expired").notice
    assert words and "per node-hour at most, were not free in time" in words["text"]  # it may have been the price


def test_it_expires_when_it_could_not_start_any_more(acme: Organization, reserved: Offer) -> None:
    order = join(acme, length_seconds=3600, latest_at=NOON + DAY)
    assert order.expires_at == NOON + DAY - HOUR


def test_who_only_wants_to_be_told_gets_a_quote_that_holds_the_nodes(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    order, behind = join(acme, mode=Mode.TELL, name="eight"), join(other)
    assert sweep() == [True, False]
    quote = Quote.objects.get(organization=acme)
    assert (state(order), order.quote, quote.holds_until) == (StandingOrderState.FILLED, quote, NOON + 10 * MINUTE)
    notice = Event.objects.get(kind="standing_order.filled").notice
    assert notice and quote.public_id in notice["path"] and "held for you until 12:10:00 UTC" in notice["text"]
    assert place(quote, now=NOON + 5 * MINUTE).state == LeaseState.PROVISIONING
    assert state(behind) == StandingOrderState.WAITING


def test_nodes_that_were_held_in_vain_go_to_who_waits_behind(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    join(acme, mode=Mode.TELL), join(other)
    sweep()
    assert sweep(NOON + 9 * MINUTE) == [False]
    assert sweep(NOON + 10 * MINUTE) == [True]
    assert Lease.objects.get().organization == other


def test_who_holds_nodes_of_the_offer_now_is_told_later(acme: Organization, offer: Offer) -> None:
    factories.a_node(offer.pool)
    join(acme, mode=Mode.TELL), join(acme, mode=Mode.TELL)
    assert sweep() == [True, False]
    assert Quote.objects.filter(holds_until__isnull=False).count() == 1
    assert sweep(NOON + 10 * MINUTE) == [False]  # what lapsed is for others first
    assert sweep(NOON + 20 * MINUTE) == [True]


def test_who_holds_nodes_of_the_offer_keeps_them_beside_what_is_booked(acme: Organization, offer: Offer) -> None:
    factories.a_node(offer.pool)
    join(acme, mode=Mode.TELL), join(acme)
    assert sweep() == [True, True]
    assert Quote.objects.filter(holds_until=NOON + 10 * MINUTE, lease=None).count() == 1
    assert NodeCalendar.objects.exclude(held_for="").count() == Lease.objects.count() == 1


def test_on_a_plan_that_holds_nothing_the_price_is_kept(acme: Organization) -> None:
    factories.an_offer(factories.a_pool(), factories.a_plan(hold_seconds=0))
    join(acme, mode=Mode.TELL)
    assert sweep() == [True]
    assert Quote.objects.get().holds_until is None


def test_missing_money_is_told_once_and_the_order_stays_in_line(other: Organization, offer: Offer) -> None:
    poor = funded(1)
    order, behind = join(poor), join(other)
    assert sweep() == [False, True]
    give_back(Lease.objects.get(), NOON)
    assert sweep(NOON + MINUTE) == [False]
    assert (state(order), told(order)) == (StandingOrderState.WAITING, ["held_up"])
    assert "available" in order.held_up and state(behind) == StandingOrderState.FILLED
    give(poor, 100)
    assert sweep(NOON + 2 * MINUTE) == [True]
    assert Quote.objects.filter(organization=poor).count() == 1  # those of the vain tries are not kept


def test_an_order_whose_keys_were_removed_says_so(acme: Organization, offer: Offer) -> None:
    order = join(acme)
    acme.ssh_keys.update(removed_at=NOON)
    assert sweep() == [False]
    assert state(order) == StandingOrderState.WAITING and "SSH keys" in order.held_up


def test_cancelling_leaves_the_line_and_twice_does_nothing(acme: Organization, offer: Offer) -> None:
    order = join(acme)
    waiting.cancel(order=order, actor=ACTOR, now=NOON)
    waiting.cancel(order=order, actor=ACTOR, now=NOON + HOUR)
    assert (state(order), order.ended_at, order.environment) == (StandingOrderState.CANCELLED, NOON, "")
    assert Event.objects.filter(subject=order.public_id, kind="standing_order.cancelled").count() == 1
    assert sweep() == []


def test_what_is_filled_cannot_be_cancelled(acme: Organization, offer: Offer) -> None:
    order = join(acme)
    sweep()
    with pytest.raises(NotWaiting, match="filled"):
        waiting.cancel(order=StandingOrder.objects.get(pk=order.pk), actor=ACTOR, now=NOON)


def test_the_database_ends_an_order_once(acme: Organization, offer: Offer) -> None:
    order = join(acme)
    waiting.cancel(order=order, actor=ACTOR, now=NOON)
    with pytest.raises(DatabaseError, match="Invalid transition"), transaction.atomic():
        StandingOrder.objects.filter(pk=order.pk).update(state=StandingOrderState.WAITING, ended_at=None)


def test_a_private_plan_serves_only_who_has_access(acme: Organization, other: Organization, offer: Offer) -> None:
    Plan.objects.filter(pk=offer.plan.pk).update(slug="acme", private=True)
    acme.private_plans.create(plan=offer.plan)
    factories.a_plan()  # for everybody, and without nodes
    assert sweep() == [] and join(other) and join(acme)
    assert sweep() == [False, True]


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("max_micros_per_node_hour", {"max_micros_per_node_hour": None}),
        ("earliest_at", {"earliest_at": NOON + 61 * DAY}),
        ("expires_at", {"expires_at": NOON}),
        ("latest_at", {"length_seconds": 3600}),
        ("latest_at", {"length_seconds": 7200, "latest_at": NOON + HOUR}),
        ("latest_at", {"length_seconds": 3600, "latest_at": NOON - HOUR}),
        ("latest_at", {"length_seconds": 3600, "earliest_at": NOON + 90 * MINUTE, "latest_at": NOON + 150 * MINUTE}),
        ("length_seconds", {"latest_at": NOON + DAY}),
        ("length_seconds", {"length_seconds": 5400, "latest_at": NOON + DAY}),
        ("length_seconds", {"length_seconds": 61 * 86_400, "latest_at": NOON + 90 * DAY}),
        ("length_seconds", {"criteria": {"plan": "reserved"}}),
        ("length_seconds", {"criteria": {"plan": "on_demand"}, "length_seconds": 3600, "latest_at": NOON + DAY}),
    ],
)
def test_a_wish_that_could_never_be_filled_is_refused_with_its_field(
    acme: Organization, reserved: Offer, field: str, wish: dict[str, Any]
) -> None:
    with pytest.raises(CannotWait) as refused:
        join(acme, **wish)
    assert refused.value.field == field
    assert not StandingOrder.objects.exists()


def test_at_most_twenty_wait_for_one_organization(acme: Organization, other: Organization, offer: Offer) -> None:
    orders = [join(acme, mode=Mode.TELL) for _ in range(20)]
    with pytest.raises(TooManyWait, match="At most 20"):
        join(acme, mode=Mode.TELL)
    join(other, mode=Mode.TELL)
    waiting.cancel(order=orders[0], actor=ACTOR, now=NOON)
    join(acme, mode=Mode.TELL)


def test_a_surplus_lease_is_taken_only_where_the_order_says_that_it_will_do(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    cheaper = factories.an_offer(offer.pool, factories.a_plan(PlanKind.SURPLUS), micros=1_000_000)
    careful = join(acme, max_micros_per_node_hour=2_000_000)
    assert sweep() == [False]
    brave = join(other, max_micros_per_node_hour=2_000_000, accepts_surplus=True)
    assert sweep() == [False, True] and state(careful) == "waiting"
    assert brave.lease is None and Lease.objects.get(standing_order=brave).offer == cheaper
    for wish, words in (
        ({"accepts_surplus": True, **TWO_DAYS}, "has no length"),
        ({"criteria": {"plan": cheaper.plan.slug}}, "may be paused"),
    ):
        with pytest.raises(CannotWait, match=words) as refused:
            join(acme, **wish)
        assert refused.value.field == "accepts_surplus"
    with pytest.raises(DatabaseError, match="takes_surplus_without_a_length"), transaction.atomic():
        StandingOrder.objects.update(accepts_surplus=True, length_seconds=1, latest_at=NOON + DAY)
