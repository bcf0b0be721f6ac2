"""More time on the same machines: priced at the rate in force, up to who has booked behind, and as long as money is."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from accounts.models import Event, Organization
from billing import budgets, checkout, extending, keeping, metering
from billing.models import Meter, MeterPrice, Quote
from billing.queries import cost_so_far
from leasing import schedule
from leasing.models import Claim, Lease, LeaseChange
from leasing.operations import BookedBehind, WindowRefused, end, service
from leasing.operations.maintaining import plan_maintenance
from leasing.operations.servicing import REFRESH
from leasing.queries.extension import reach
from leasing.states import LeaseState
from marketplace.models import NodeCalendar, Offer, Plan, PlanKind, Pool, Rate
from tests import factories
from tests.billing.agreed import ACTOR, END, START, active, behind, costs_from_now_on, extend, scheduled
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, assert_books_balance, funded, money, running
from tests.factories import DAY
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db


def test_the_same_lease_goes_on_on_the_same_machines(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved, nodes=2)
    before = {machine.pk: (machine.node_id, machine.host, machine.port) for machine in lease.machines.all()}
    version = lease.setup_version
    extend(lease, END + 2 * HOUR, now=END - SECOND)  # asked in the last second
    assert (lease.ends_at, lease.guaranteed_until, lease.state) == (END + 2 * HOUR, END + 2 * HOUR, LeaseState.ACTIVE)
    assert {machine.pk: (machine.node_id, machine.host, machine.port) for machine in lease.machines.all()} == before
    assert {claim.period.upper for claim in lease.claims.all()} == {END + 2 * HOUR + timedelta(minutes=15)}
    assert lease.setup_version == version + 1  # so that the hosts learn of the new deadline
    change = LeaseChange.objects.get()
    assert (change.kind, change.old_ends_at, change.new_ends_at) == ("extended", END, END + 2 * HOUR)
    assert sorted(change.nodes) == sorted(node for node, _, _ in before.values())
    event = Event.objects.get(kind="lease.extended")
    assert event.notice and "goes on until 2026-03-02 17:00 UTC" in event.notice["title"]
    schedule.end_due(now=END)
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE


def test_hosts_get_the_new_deadline(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    extend(lease, END + HOUR)
    schedule.refresh_machines(now=START)
    work_all(reserved, now=START)
    machine = lease.machines.get()
    assert machine.setup_applied == lease.setup_version
    service(machine=machine, what=REFRESH, actor=ACTOR, now=START)  # and it can be serviced as ever


def test_added_time_costs_the_rate_in_force_and_the_time_before_what_was_agreed(
    acme: Organization, reserved: Offer
) -> None:
    lease = active(acme, reserved)
    held = money(acme, START).held_micros
    costs_from_now_on(reserved, 7_200_000)
    asked = extending.price(lease=lease, ends_at=END + HOUR, now=START)
    assert (asked.micros_per_node_hour, asked.price_micros) == (7_200_000, 7_200_000)
    extend(lease, END + HOUR)
    assert money(acme, START).held_micros == held + 7_200_000
    end(lease=lease, reason="period_over", actor="system:leasing", now=END + HOUR)
    metering.meter(lease=lease, upto=END + 2 * HOUR, now=END + 2 * HOUR)
    assert Meter.objects.get().charged_micros == 2 * 3_600_000 + 7_200_000 == Meter.objects.get().hold_micros
    assert_books_balance()


def test_what_is_held_is_to_the_micro_dollar_what_is_due(acme: Organization, single: Offer) -> None:
    Rate.objects.create(offer=single, micros_per_node_hour=3_333_333, starts_at=NOON)
    factories.the_terms(single.plan, starts_at=NOON - DAY, granularity_seconds=1, min_seconds=1)
    lease = scheduled(acme, single, ends_at=START + 1801 * SECOND)
    for at, seconds, micros in ((1, 1, 7_777_777), (2, 1, 1), (3, 7, 3_333_332)):
        Rate.objects.create(offer=single, micros_per_node_hour=micros, starts_at=NOON + at * SECOND)
        assert lease.ends_at
        extend(lease, lease.ends_at + seconds * SECOND, now=NOON + at * SECOND)
    schedule.start_due(now=START)
    work_all(single, now=START)
    assert lease.ends_at
    assert cost_so_far(lease=lease, now=lease.ends_at) == Meter.objects.get().hold_micros


def test_the_organizations_own_rate_goes_first(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    costs_from_now_on(reserved, 1_800_000, organization=acme)
    assert extending.price(lease=lease, ends_at=END + HOUR, now=START).price_micros == 1_800_000


def test_the_whole_length_counts_for_the_discount_of_what_is_added(acme: Organization, reserved: Offer) -> None:
    factories.the_terms(reserved.plan, starts_at=NOON - DAY, discounts=[[4 * 3600, 25]])
    lease = active(acme, reserved)
    assert extending.price(lease=lease, ends_at=END + HOUR, now=START).discount_percent == 0
    asked = extending.price(lease=lease, ends_at=END + 2 * HOUR, now=START)
    assert (asked.discount_percent, asked.micros_per_node_hour) == (25, 2_700_000)
    assert asked.price_micros == 2 * 2_700_000


def test_asking_twice_extends_once(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    extend(lease, END + HOUR)
    available = money(acme, START).available_micros
    extend(lease, END + HOUR)
    assert (MeterPrice.objects.count(), money(acme, START).available_micros) == (1, available)


def test_it_goes_up_to_who_booked_behind_and_says_so(acme: Organization, single: Offer) -> None:
    lease = active(acme, single)
    behind(single, END + 3 * HOUR)
    found = reach(lease, now=START)
    node = lease.machines.get().node.name
    assert found.ends_at == END + 2 * HOUR  # a quarter of an hour is needed to clean, and ends are full hours
    assert [(row.node, row.starts_at) for row in found.behind] == [(node, END + 3 * HOUR)]
    assert f"Somebody has booked {node} from 2026-03-02 18:00 UTC" in found.why
    with pytest.raises(BookedBehind) as refused:
        extend(lease, END + 3 * HOUR)
    assert refused.value.reach == found
    assert not MeterPrice.objects.exists() and Lease.objects.get(pk=lease.pk).ends_at == END
    extend(lease, found.ends_at)
    assert reach(lease, now=START).ends_at == lease.ends_at  # and no further


def test_what_a_quote_holds_behind_is_not_taken_from_it(acme: Organization, single: Offer) -> None:
    factories.the_terms(single.plan, starts_at=NOON - DAY, hold_seconds=600)
    lease = scheduled(acme, single)
    quote = a_quote(funded(1000, "Behind Ltd"), single, starts_at=END + 2 * HOUR, ends_at=END + 3 * HOUR)
    held = keeping.hold_nodes(quote=quote, now=NOON)
    with pytest.raises(BookedBehind, match="Somebody is ordering"):
        extend(lease, END + 2 * HOUR, now=NOON)
    assert held.holds_until
    assert extend(lease, END + 2 * HOUR, now=held.holds_until).ends_at == END + 2 * HOUR


def test_what_its_own_organizations_quote_holds_behind_is_free_for_it_and_used_up(
    acme: Organization, reserved: Offer
) -> None:
    factories.the_terms(reserved.plan, starts_at=NOON - DAY, hold_seconds=600)
    lease = scheduled(acme, reserved)
    wish = a_quote(acme, reserved, nodes=3, starts_at=END + 2 * HOUR, ends_at=END + 3 * HOUR)
    held = keeping.hold_nodes(quote=wish, now=NOON)
    assert extending.ahead(lease=lease, now=NOON).reach.behind == ()
    extend(lease, END + HOUR, now=NOON)  # not in its way
    assert NodeCalendar.objects.filter(held_for=held.public_id).count() == 3
    assert extending.ahead(lease=lease, now=NOON).given_up(END + 2 * HOUR) == [held]
    assert extend(lease, END + 2 * HOUR, now=NOON).ends_at == END + 2 * HOUR
    held.refresh_from_db()
    assert held.holds_until is None  # so no pause follows
    assert not NodeCalendar.objects.filter(held_for=held.public_id).exists()


def three_plans(pool: Pool) -> list[Offer]:
    """Offers of the same nodes that each let a quote hold some."""
    plans = [Plan.objects.create(slug=name, name=name, summary="", kind=PlanKind.RESERVED) for name in "abc"]
    for plan in plans:
        factories.the_terms(plan, hold_seconds=600)
    return [factories.an_offer(pool, plan) for plan in plans]


def test_what_its_organization_holds_of_its_nodes_on_other_plans_gives_way_too(acme: Organization) -> None:
    offers = three_plans(factories.a_pool(nodes=2))
    lease = scheduled(acme, offers[0], nodes=2)
    begins = (END + 2 * HOUR, END + 3 * HOUR)
    wishes = [
        a_quote(acme, offer, starts_at=at, ends_at=at + HOUR) for offer, at in zip(offers[1:], begins, strict=True)
    ]
    early, late = (keeping.hold_nodes(quote=wish, now=NOON) for wish in wishes)  # a node each
    seen = extending.ahead(lease=lease, now=NOON)
    assert seen.reach.behind == ()
    assert (seen.given_up(END + HOUR), seen.given_up(END + 2 * HOUR)) == ([], [early])
    assert {*seen.given_up(END + 3 * HOUR)} == {early, late}
    extend(lease, END + 2 * HOUR, now=NOON)
    assert {*NodeCalendar.objects.exclude(held_for="").values_list("held_for", flat=True)} == {late.public_id}
    assert extend(lease, END + 3 * HOUR, now=NOON).ends_at == END + 3 * HOUR
    assert not Quote.objects.filter(holds_until__isnull=False).exists()


def test_what_it_holds_before_the_lease_is_left_alone(acme: Organization, single: Offer) -> None:
    factories.the_terms(single.plan, starts_at=NOON - DAY, hold_seconds=600)
    lease = scheduled(acme, single, starts_at=START + 5 * HOUR, ends_at=END + 5 * HOUR)
    held = keeping.hold_nodes(quote=a_quote(acme, single, starts_at=START, ends_at=END), now=NOON)
    assert extending.ahead(lease=lease, now=NOON).given_up(END + 6 * HOUR) == []
    extend(lease, END + 6 * HOUR, now=NOON)
    assert NodeCalendar.objects.get().held_for == held.public_id


def test_it_takes_its_own_organizations_hold_and_stops_at_what_another_has_behind_that(
    acme: Organization, single: Offer
) -> None:
    factories.the_terms(single.plan, starts_at=NOON - DAY, hold_seconds=600)
    lease = scheduled(acme, single)
    behind(single, END + 4 * HOUR)
    wish = a_quote(acme, single, starts_at=END + 2 * HOUR, ends_at=END + 3 * HOUR)
    held = keeping.hold_nodes(quote=wish, now=NOON)
    with pytest.raises(BookedBehind, match="Somebody has booked"):
        extend(lease, END + 4 * HOUR, now=NOON)
    held.refresh_from_db()
    assert held.holds_until and NodeCalendar.objects.filter(held_for=held.public_id).exists()  # nothing was changed
    assert extending.ahead(lease=lease, now=NOON).reach.ends_at == END + 3 * HOUR


def test_planned_work_stops_it_too(acme: Organization, single: Offer) -> None:
    lease = scheduled(acme, single)
    node = lease.machines.get().node
    plan_maintenance(
        node=node,
        starts_at=END + 2 * HOUR,
        ends_at=END + 3 * HOUR,
        kind="hardware",
        reason="Fans",
        actor=ACTOR,
        now=NOON,
    )
    with pytest.raises(BookedBehind, match="Maintenance is planned"):
        extend(lease, END + 2 * HOUR, now=NOON)


def test_what_the_terms_of_its_order_forbid_is_refused_with_the_limit(acme: Organization, reserved: Offer) -> None:
    factories.the_terms(reserved.plan, starts_at=NOON - DAY, max_seconds=4 * 3600)
    lease = active(acme, reserved)
    factories.the_terms(reserved.plan, starts_at=NOON + SECOND, max_seconds=3 * 3600)  # later terms are not its own
    for ends_at, words in (
        (END + 30 * 60 * SECOND, "multiples of 1 hour"),
        (END - HOUR, "after 2026-03-02 15:00 UTC"),
        (END + 3 * HOUR, "1 hour to 4 hours"),
    ):
        with pytest.raises(WindowRefused, match=words) as refused:
            extend(lease, ends_at)
        assert refused.value.field == "ends_at"
    assert reach(lease, now=START).ends_at == END + 2 * HOUR
    assert "lasts 4 hours at most" in reach(lease, now=START).why


@pytest.mark.parametrize(
    ("terms", "at", "words"),
    [
        ({"extend_until_seconds": 3600}, END - HOUR + SECOND, "had to be asked for until 2026-03-02 14:00"),
        ({"extend_from_seconds": 3600}, END - HOUR - SECOND, "can be asked for from 2026-03-02 14:00"),
        ({}, END, "The lease is over"),
    ],
)
def test_it_is_asked_for_when_the_terms_let_one(
    acme: Organization, reserved: Offer, terms: dict[str, int], at: datetime, words: str
) -> None:
    factories.the_terms(reserved.plan, starts_at=NOON - DAY, **terms)
    lease = active(acme, reserved)
    with pytest.raises(WindowRefused, match=words):
        extend(lease, END + HOUR, now=at)
    if terms:
        edge = END - HOUR
        assert extend(lease, END + HOUR, now=edge).ends_at == END + HOUR


def test_a_lease_that_is_over_or_has_no_end_is_not_extended(acme: Organization, offer: Offer, reserved: Offer) -> None:
    open_ended = running(acme, offer)
    with pytest.raises(WindowRefused, match="has no end"):
        extend(open_ended, END, now=NOON)
    lease = active(acme, reserved)
    end(lease=lease, reason="returned", actor=ACTOR, now=START + SECOND)
    with pytest.raises(WindowRefused, match="over"):
        extend(lease, END + HOUR, now=START + 2 * SECOND)


def test_an_agreed_lease_can_be_extended_before_its_start(acme: Organization, reserved: Offer) -> None:
    lease = extend(scheduled(acme, reserved), END + HOUR, now=NOON)
    assert (lease.state, lease.ends_at) == (LeaseState.SCHEDULED, END + HOUR)


def test_without_the_money_nothing_changes(reserved: Offer) -> None:
    poor = funded(8)
    lease = active(poor, reserved)
    with pytest.raises(checkout.InsufficientFunds) as refused:
        extend(lease, END + HOUR)
    assert (refused.value.needed_micros, refused.value.available_micros) == (3_600_000, 800_000)
    assert not LeaseChange.objects.exists()


def test_a_price_above_the_one_that_is_taken_is_refused(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    costs_from_now_on(reserved, 3_600_001)
    with pytest.raises(extending.PriceTooHigh, match=r"\$3.600001 per node-hour now, and you take \$3.600000"):
        extend(lease, END + HOUR, max_micros_per_node_hour=3_600_000)
    extend(lease, END + HOUR, max_micros_per_node_hour=3_600_001)


def test_the_sweep_ends_no_lease_that_was_extended_after_it_looked(acme: Organization, reserved: Offer) -> None:
    stale = active(acme, reserved)
    extend(Lease.objects.get(pk=stale.pk), END + HOUR, now=END - SECOND)
    schedule._end(stale, now=END)
    assert Lease.objects.get().state == LeaseState.ACTIVE
    schedule.end_due(now=END + HOUR)
    assert Lease.objects.get().state == LeaseState.RECLAIMING


def test_no_claim_overlaps_afterwards(acme: Organization, single: Offer) -> None:
    lease = active(acme, single)
    behind(single, END + 3 * HOUR)
    extend(lease, END + 2 * HOUR)
    periods = sorted(Claim.objects.filter(released_at=None).values_list("period", flat=True))
    assert all(one.upper <= other.lower for one, other in pairwise(periods))


def test_an_extension_that_a_budget_does_not_allow_is_refused_and_changes_nothing(
    acme: Organization, reserved: Offer
) -> None:
    lease = scheduled(acme, reserved)
    budgets.create(organization=acme, actor="", created_by=None, project="", limit_micros=10_000_000, now=NOON)
    with pytest.raises(budgets.BudgetExceeded, match="are needed"):
        extend(lease, END + HOUR, now=NOON)
    lease.refresh_from_db()
    assert lease.ends_at == END
