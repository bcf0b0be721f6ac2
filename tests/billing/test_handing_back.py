"""What handing back costs is known beforehand, kept once, and the rest of the money is free at once."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Event, Organization
from billing import handing_back, invariants, metering
from billing.models import HandBack, Meter, Posting, PostingKind
from billing.queries import Price, price_at, price_of_windows
from leasing import schedule
from leasing.models import ChangeKind, Lease, LeaseChange, Outage, OutageCause
from leasing.operations import WindowRefused, end, fail_start, pause
from leasing.states import LeaseState
from marketplace.models import Offer
from marketplace.queries import Window
from tests.billing.conftest import HOUR, NOON, SECOND, agree, assert_books_balance, balance, money, running
from tests.billing.reserving import ACTOR, DOLLARS, START, an_offer, begun, booked, settled
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db
MICROS_PER_HOUR = 3_600_000
START_DEADLINE = 600 * SECOND


@pytest.fixture
def reserved(db: None) -> Offer:
    return an_offer()


def returned(lease: Lease, at: datetime) -> Lease:
    return handing_back.hand_back(lease=lease, actor=ACTOR, now=at)


def shortened(lease: Lease, ends_at: datetime, at: datetime) -> None:
    handing_back.shorten(lease=lease, ends_at=ends_at, actor=ACTOR, now=at)


def all_holds(offer: Offer, now: datetime) -> None:
    work_all(offer, now=now)
    assert_books_balance()
    assert list(invariants.broken(now=now)) == []


def test_returning_early_keeps_the_fee_that_was_shown_and_frees_the_rest_at_once(
    acme: Organization, reserved: Offer
) -> None:
    lease, at = begun(acme, reserved), START + 2 * HOUR
    shown = handing_back.value(lease=lease, now=at)
    assert (shown.kind, shown.price_micros, shown.fee_micros) == (ChangeKind.RETURNED, 28_800_000, 7_200_000)
    assert (shown.refund_micros, shown.resale_micros) == (21_600_000, 5_760_000)
    assert money(acme, at).available_micros == 64 * DOLLARS
    assert returned(lease, at).state == LeaseState.RECLAIMING
    row = settled(lease)
    assert (row.price_micros, row.fee_micros, row.most_credit_micros) == (28_800_000, 7_200_000, 5_760_000)
    assert money(acme, at).available_micros == (100 - 36) * DOLLARS + shown.refund_micros
    metering.meter(lease=lease, upto=at, now=at + HOUR)
    assert balance(acme) == 100 * DOLLARS - 2 * MICROS_PER_HOUR - shown.fee_micros
    assert Posting.objects.get(kind=PostingKind.EARLY_RETURN).lease == lease
    all_holds(reserved, at + HOUR)


def test_returning_twice_costs_once(acme: Organization, reserved: Offer) -> None:
    lease = begun(acme, reserved)
    returned(lease, START + HOUR), returned(lease, START + 2 * HOUR)
    work_all(reserved, now=START + 2 * HOUR)
    assert returned(lease, START + 3 * HOUR).state == LeaseState.ENDED
    assert Posting.objects.filter(kind=PostingKind.EARLY_RETURN).count() == LeaseChange.objects.count() == 1
    assert Event.objects.filter(kind="lease.handed_back", notice__isnull=False).count() == 1


def test_returning_late_costs_nothing(acme: Organization, reserved: Offer) -> None:
    lease = begun(acme, reserved, hours=2)
    returned(lease, START + 2 * HOUR)
    assert not LeaseChange.objects.exists() and not HandBack.objects.exists()


def test_an_on_demand_lease_is_handed_back_for_nothing(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    assert handing_back.value(lease=lease, now=NOON + HOUR).price_micros == 0
    returned(lease, NOON + HOUR)
    assert not LeaseChange.objects.exists()
    assert money(acme, NOON + HOUR).available_micros == 100 * DOLLARS - MICROS_PER_HOUR


@pytest.mark.parametrize(
    ("before", "fee"),
    [
        (25 * HOUR, 0),
        (24 * HOUR, 0),
        (24 * HOUR - SECOND, 3_600_000),
        (timedelta(microseconds=1), 3_600_000),
    ],
)
def test_cancelling_costs_by_the_time_left_before_the_start(
    acme: Organization, reserved: Offer, before: timedelta, fee: int
) -> None:
    begin = NOON + 48 * HOUR
    lease = booked(acme, reserved, begin=begin)
    assert handing_back.value(lease=lease, now=begin - before).fee_micros == fee
    assert returned(lease, begin - before).state == LeaseState.CANCELLED
    assert settled(lease).price_micros == 36 * DOLLARS
    assert money(acme, begin).available_micros == balance(acme) == 100 * DOLLARS - fee
    assert Posting.objects.filter(kind=PostingKind.CANCELLATION).count() == bool(fee)
    all_holds(reserved, begin)


def starting(organization: Organization, offer: Offer) -> Lease:
    """Its start is under way, and no worker has done anything yet."""
    lease = booked(organization, offer)
    schedule.start_due(now=START)
    lease.refresh_from_db()
    assert lease.state == LeaseState.PROVISIONING
    return lease


@pytest.mark.parametrize(
    ("come_to", "waited", "ended"),
    [
        (booked, SECOND, LeaseState.CANCELLED),
        (booked, START_DEADLINE - SECOND, LeaseState.CANCELLED),
        (starting, SECOND, LeaseState.RECLAIMING),
        (starting, START_DEADLINE - SECOND, LeaseState.RECLAIMING),
    ],
)
def test_waiting_for_the_start_saves_no_fee(
    acme: Organization,
    reserved: Offer,
    come_to: Callable[[Organization, Offer], Lease],
    waited: timedelta,
    ended: LeaseState,
) -> None:
    lease, at = come_to(acme, reserved), START + waited
    shown = handing_back.value(lease=lease, now=at)
    left = 36_000 - (waited // SECOND if ended == LeaseState.RECLAIMING else 0)
    assert (shown.price_micros, shown.fee_micros) == (1000 * left, 100 * left)
    assert returned(lease, at).state == ended
    assert settled(lease).fee_micros == shown.fee_micros
    metering.meter(lease=lease, upto=at, now=at)
    assert money(acme, at).available_micros == balance(acme) == 100 * DOLLARS - shown.fee_micros
    all_holds(reserved, at)


@pytest.mark.parametrize("come_to", [booked, starting])
def test_a_start_past_its_deadline_is_called_off_for_nothing(
    acme: Organization, reserved: Offer, come_to: Callable[[Organization, Offer], Lease]
) -> None:
    lease, at = come_to(acme, reserved), START + START_DEADLINE
    assert handing_back.value(lease=lease, now=at).fee_micros == 0
    returned(lease, at)
    assert settled(lease).fee_micros == 0 and settled(lease).closed_at == at


def test_a_start_in_which_a_machine_failed_is_called_off_for_nothing(acme: Organization) -> None:
    lease, at = starting(acme, an_offer(nodes=2)), START + SECOND
    fail_start(machine=lease.machines.get(), reason="no_answer", now=at)
    lease.refresh_from_db()
    assert (lease.state, lease.replacements) == (LeaseState.PROVISIONING, 1)
    assert handing_back.value(lease=lease, now=at).fee_micros == 0
    returned(lease, at)
    assert settled(lease).fee_micros == 0


def test_nothing_is_kept_of_a_lease_that_is_paused(acme: Organization, reserved: Offer) -> None:
    lease, at = begun(acme, reserved), START + HOUR
    pause(lease=lease, reason="out_of_funds", until=at + HOUR, actor="system:billing", now=at)
    lease.refresh_from_db()
    assert lease.state == LeaseState.PAUSED and handing_back.value(lease=lease, now=at).fee_micros == 0
    returned(lease, at)
    assert settled(lease).fee_micros == 0 and settled(lease).closed_at == at


def test_time_at_several_prices_is_handed_back_at_each(acme: Organization, reserved: Offer) -> None:
    lease, at = begun(acme, reserved), START + 2 * HOUR
    agree(lease, 2 * MICROS_PER_HOUR, from_at=START + 4 * HOUR, now=START)
    assert handing_back.value(lease=lease, now=at).price_micros == (2 + 6 * 2) * MICROS_PER_HOUR
    shortened(lease, START + 6 * HOUR, at)
    agree(lease, 10 * MICROS_PER_HOUR, from_at=START + 5 * HOUR, now=at + SECOND)  # moves nothing that is settled
    returned(lease, at + HOUR)
    first, second = HandBack.objects.order_by("pk")
    assert first.price_micros == 4 * 2 * MICROS_PER_HOUR
    assert second.price_micros == (1 + 2 + 10) * MICROS_PER_HOUR
    metering.meter(lease=lease, upto=at + HOUR, now=at + HOUR)
    all_holds(reserved, at + HOUR)


@pytest.mark.parametrize("number", [0, 1])
def test_a_price_above_what_was_agreed_is_found(acme: Organization, reserved: Offer, number: int) -> None:
    lease, at = begun(acme, reserved), START + 2 * HOUR
    agree(lease, 2 * MICROS_PER_HOUR, from_at=START + 4 * HOUR, now=START)
    shortened(lease, START + 6 * HOUR, at)
    agree(lease, 10 * MICROS_PER_HOUR, from_at=START + 3 * HOUR, now=at + SECOND)
    returned(lease, at + SECOND)
    HandBack.objects.filter(pk=HandBack.objects.order_by("pk")[number].pk).update(price_micros=F("price_micros") + 1)
    assert [what[:2] for what in invariants.broken(now=at + SECOND)] == ["I7"]


def test_nothing_is_kept_while_a_machine_is_down(acme: Organization) -> None:
    offer = an_offer(nodes=2)
    lease, at = begun(acme, offer, nodes=2, hours=5), START + HOUR
    down = lease.machines.first()
    assert down
    Outage.objects.create(machine=down, began_at=at - SECOND, cause=OutageCause.UNREACHABLE, recorded_at=at)
    assert handing_back.value(lease=lease, now=at).fee_micros == 0
    shortened(lease, START + 3 * HOUR, at)
    returned(lease, at + SECOND)
    assert set(HandBack.objects.values_list("fee_micros", flat=True)) == {0}
    assert not Outage.objects.filter(ended_at=None).exists()


def test_the_fee_is_due_again_once_all_machines_serve_again(acme: Organization, reserved: Offer) -> None:
    lease, at = begun(acme, reserved), START + HOUR
    Outage.objects.create(
        machine=lease.machines.get(), began_at=START, ended_at=at - SECOND, cause=OutageCause.GPU_LOST, recorded_at=at
    )
    assert handing_back.value(lease=lease, now=at).fee_micros > 0


@pytest.mark.parametrize("reason", ["period_over", "out_of_funds", "node_failed"])
def test_what_the_operator_ends_costs_nothing(acme: Organization, reserved: Offer, reason: str) -> None:
    lease = begun(acme, reserved)
    end(lease=lease, reason=reason, actor="system:leasing", now=START + HOUR)
    assert not LeaseChange.objects.exists() and not HandBack.objects.exists()


def test_shortening_frees_money_at_once_and_the_lease_goes_on(acme: Organization, reserved: Offer) -> None:
    lease, at = begun(acme, reserved), START + HOUR
    ends_at = START + 4 * HOUR
    shown = handing_back.value(lease=lease, ends_at=ends_at, now=at)
    assert (shown.kind, shown.price_micros, shown.fee_micros) == (ChangeKind.SHORTENED, 21_600_000, 5_400_000)
    shortened(lease, ends_at, at)
    shortened(lease, ends_at, at + SECOND)
    assert Meter.objects.get().hold_micros == 4 * MICROS_PER_HOUR
    assert money(acme, at).available_micros == 64 * DOLLARS + shown.refund_micros
    lease.refresh_from_db()
    assert (lease.state, lease.ends_at) == (LeaseState.ACTIVE, ends_at)
    end(lease=lease, reason="period_over", actor="system:leasing", now=ends_at)
    metering.meter(lease=lease, upto=ends_at, now=ends_at + HOUR)
    assert balance(acme) == 100 * DOLLARS - 4 * MICROS_PER_HOUR - shown.fee_micros
    all_holds(reserved, ends_at + HOUR)


def test_shortened_then_returned_each_hour_is_handed_back_once(acme: Organization, reserved: Offer) -> None:
    lease = begun(acme, reserved)
    shortened(lease, START + 6 * HOUR, START + HOUR)
    returned(lease, START + 2 * HOUR)
    first, second = HandBack.objects.order_by("pk")
    assert (first.price_micros, second.price_micros) == (4 * MICROS_PER_HOUR, 4 * MICROS_PER_HOUR)
    now = START + 3 * HOUR
    metering.meter(lease=lease, upto=now, now=now)
    assert money(acme, now).available_micros == balance(acme) == 100 * DOLLARS - (2 + 1 + 1) * MICROS_PER_HOUR
    all_holds(reserved, now)


def test_shortening_before_the_start_costs_as_cancelling_does(acme: Organization, reserved: Offer) -> None:
    lease = booked(acme, reserved)
    shortened(lease, START + 5 * HOUR, NOON)
    assert settled(lease).fee_micros == 5 * MICROS_PER_HOUR // 10


def test_a_refused_shortening_changes_nothing(acme: Organization, reserved: Offer) -> None:
    lease = begun(acme, reserved)
    for ends_at in (START + 11 * HOUR, START + HOUR, START + 150 * 60 * SECOND):
        with pytest.raises(WindowRefused):
            handing_back.value(lease=lease, ends_at=ends_at, now=START + HOUR)
        with pytest.raises(WindowRefused):
            shortened(lease, ends_at, START + HOUR)
    assert not LeaseChange.objects.exists() and not HandBack.objects.exists()
    assert Meter.objects.get().hold_micros == 36 * DOLLARS


@pytest.fixture
def ten_hours(acme: Organization, reserved: Offer) -> Lease:
    return begun(acme, reserved)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.integers(0, 36_000 - 1), percent=st.integers(0, 100), micros=st.integers(1, 10**7))
def test_what_comes_back_and_what_is_kept_are_the_price_of_the_freed_time(
    ten_hours: Lease, seconds: int, percent: int, micros: int
) -> None:
    terms = ten_hours.terms
    terms.return_refund_percent, terms.resale_percent = percent, 100 - percent
    Meter.objects.update(micros_per_node_hour=micros)
    worth = handing_back.value(lease=ten_hours, now=START + seconds * SECOND)
    assert worth.price_micros == micros * (36_000 - seconds) // 3600
    assert worth.fee_micros + worth.refund_micros == worth.price_micros
    assert 0 <= worth.resale_micros <= worth.fee_micros
    assert worth.refund_micros >= worth.price_micros * percent // 100


@given(
    since=st.lists(st.integers(0, 100), max_size=3, unique=True).map(sorted),
    rates=st.lists(st.integers(0, 10**7), min_size=4, max_size=4),
    windows=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 60)), max_size=3),
    nodes=st.integers(1, 9),
)
def test_windows_at_several_prices_cost_what_each_of_their_seconds_does(
    since: list[int], rates: list[int], windows: list[tuple[int, int]], nodes: int
) -> None:
    prices = [Price(START + n * SECOND, rate) for n, rate in zip([0, *since], rates, strict=False)]
    whole = price_of_windows(
        prices, windows=[Window(START + n * SECOND, START + (n + long) * SECOND) for n, long in windows], nodes=nodes
    )
    seconds = [START + (n + second) * SECOND for n, long in windows for second in range(long)]
    assert whole == sum(price_at(prices, second) * nodes for second in seconds) // 3600
