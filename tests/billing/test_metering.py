"""Charges follow the transitions to the second, whatever the slices, the order, the repetitions."""

from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Organization
from billing import invoicing, metering
from billing.models import AccountKind, Meter, MeterPrice, Posting, PostingKind, Usage
from billing.queries import cost_so_far
from billing.queries.meters import LAG
from billing.receipts import receipt
from leasing import schedule
from leasing.models import Lease
from leasing.operations import end, fail_start, pause
from leasing.states import LeaseState
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import (
    HOUR,
    NOON,
    SECOND,
    a_quote,
    agree,
    assert_books_balance,
    balance,
    funded,
    invoiced,
    money,
    place,
    running,
)
from tests.factories import DAY

pytestmark = pytest.mark.django_db
ACTOR = "user:us_tests"


def meter(lease: Lease, upto: datetime, now: datetime | None = None) -> int:
    return metering.meter(lease=lease, upto=upto, now=now or upto)


def give_back(lease: Lease, at: datetime) -> None:
    end(lease=lease, reason="returned", actor=ACTOR, now=at)


def test_the_meter_runs_from_ready_to_return(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    give_back(lease, NOON + 90 * SECOND)
    assert meter(lease, NOON + HOUR) == 90_000
    row = Meter.objects.get()
    assert (row.seconds, row.charged_micros, row.metered_until) == (90, 90_000, NOON + 90 * SECOND)
    assert row.closed_at is not None
    assert balance(acme) == 100_000_000 - 90_000
    assert balance(acme, AccountKind.REVENUE) == 90_000
    assert_books_balance()


def test_a_returned_lease_stops_the_meter_at_once_and_frees_its_hold(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    give_back(lease, NOON + 10 * SECOND)
    later = NOON + 5 * HOUR
    assert cost_so_far(lease=lease, now=later) == 10_000
    assert money(acme, later).available_micros == 100_000_000 - 10_000  # before the meter has even run
    meter(lease, later)
    assert money(acme, later).available_micros == 100_000_000 - 10_000


def test_a_lease_that_never_became_active_costs_nothing(acme: Organization, offer: Offer) -> None:
    lease = place(a_quote(acme, offer))
    for attempt in range(2):  # one replacement, then the start has failed
        machine = lease.machines.order_by("-pk")[0]
        fail_start(machine=machine, reason="no_answer", now=NOON + (attempt + 1) * 60 * SECOND)
    lease.refresh_from_db()
    assert lease.state == LeaseState.FAILED
    assert meter(lease, NOON + HOUR) == 0
    assert not Usage.objects.exists()
    assert Meter.objects.get().closed_at
    assert money(acme).available_micros == 100_000_000


def test_paused_time_is_not_charged(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    pause(lease=lease, reason="out_of_funds", until=NOON + 24 * HOUR, actor=ACTOR, now=NOON + 100 * SECOND)
    lease.move_to(LeaseState.ACTIVE, at=NOON + 1000 * SECOND)
    give_back(lease, NOON + 1050 * SECOND)
    assert meter(lease, NOON + HOUR) == 150_000


def test_nothing_is_charged_past_the_agreed_end(acme: Organization, reserved: Offer) -> None:
    quote = a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR)
    lease = place(quote)
    lease.move_to(LeaseState.PROVISIONING, at=NOON + HOUR)
    lease.move_to(LeaseState.ACTIVE, at=NOON + HOUR + 60 * SECOND)
    give_back(lease, NOON + 2 * HOUR + 30 * SECOND)
    assert meter(lease, NOON + 3 * HOUR) == 3_540_000  # a minute less than the window: it started late


def test_metering_twice_changes_nothing(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    assert meter(lease, NOON + HOUR) == 3_600_000
    assert meter(lease, NOON + HOUR) == 0
    give_back(lease, NOON + HOUR + 5 * SECOND)
    assert meter(lease, NOON + 3 * HOUR) == 5_000
    assert meter(lease, NOON + 3 * HOUR) == 0
    assert Posting.objects.filter(kind=PostingKind.USAGE).count() == Usage.objects.count() == 2


def test_a_backlog_is_cut_at_full_hours(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, now=NOON + 1800 * SECOND)
    meter(lease, NOON + 3 * HOUR)
    assert [(row.from_at, row.seconds) for row in Usage.objects.order_by("from_at")] == [
        (NOON + 1800 * SECOND, 1800),
        (NOON + HOUR, 3600),
        (NOON + 2 * HOUR, 3600),
    ]


def test_each_slice_and_each_line_has_one_price(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    agree(lease, 7_200_000, from_at=NOON + 1800 * SECOND)
    assert meter(lease, NOON + HOUR) == 1_800_000 + 3_600_000
    rows = [(row.from_at, row.seconds, row.micros_per_node_hour) for row in Usage.objects.order_by("from_at")]
    assert rows == [(NOON, 1800, 3_600_000), (NOON + 1800 * SECOND, 1800, 7_200_000)]
    give_back(lease, NOON + 2 * HOUR)
    lines = invoicing.preview(organization=acme, now=NOON + 2 * HOUR)
    assert [(line.seconds, line.micros_per_node_hour, line.cents) for line in lines] == [
        (1800, 3_600_000, 180),
        (5400, 7_200_000, 1080),
    ]
    paper = receipt(lease=lease, now=NOON + 2 * HOUR)
    assert [(part.seconds, part.price.micros_per_node_hour) for part in paper.parts] == [
        (1800, 3_600_000),
        (5400, 7_200_000),
    ]
    assert (paper.micros_per_node_hour, paper.charged_micros) == (7_200_000, 1_800_000 + 10_800_000)
    meter(lease, NOON + 3 * HOUR)
    issued = invoiced(acme, now=NOON + 40 * DAY)
    assert issued and [line.micros for line in issued.lines.all()] == [line.micros for line in lines]


def test_the_price_agreed_last_holds_and_what_is_agreed_is_never_edited(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    agree(lease, 7_200_000, from_at=NOON + 1000 * SECOND)
    agree(lease, 36_000_000, from_at=NOON + 500 * SECOND)  # shortened, then extended at another price
    give_back(lease, NOON + 2000 * SECOND)
    assert cost_so_far(lease=lease, now=NOON + HOUR) == 500 * 1000 + 1500 * 10_000
    with pytest.raises(DatabaseError, match="Cannot update or delete"):
        MeterPrice.objects.update(micros_per_node_hour=0)


def test_an_end_that_committed_late_is_corrected_when_the_meter_closes(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    meter(lease, NOON + HOUR)
    give_back(lease, NOON + HOUR - 60 * SECOND)
    assert meter(lease, NOON + 2 * HOUR) == -60_000
    assert Meter.objects.get().charged_micros == 3_540_000 == balance(acme, AccountKind.REVENUE)
    assert Posting.objects.filter(kind=PostingKind.CORRECTION).count() == 1
    assert_books_balance()


def test_behind_a_guarantee_whose_end_is_found_late_nothing_is_charged(offer: Offer) -> None:
    """Its hosts ended access by then; what was posted meanwhile is given back."""
    acme = funded(1000)
    lease = running(acme, offer)
    until = lease.guaranteed_until
    meter(lease, until + 5 * HOUR)
    schedule.end_due(now=until + 9 * HOUR)
    assert meter(lease, until + 10 * HOUR) == -5 * 3_600_000
    assert cost_so_far(lease=lease, now=until + 10 * HOUR) == 7 * 24 * 3_600_000
    assert_books_balance()


def test_only_leases_with_something_to_meter_are_due(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    place(a_quote(acme, offer))  # still being made ready
    assert metering.due(now=NOON + HOUR + 2 * LAG) == [lease]
    meter(lease, NOON + HOUR)
    assert metering.due(now=NOON + HOUR + 2 * LAG) == []
    give_back(lease, NOON + HOUR + SECOND)
    assert metering.due(now=NOON + HOUR + 2 * SECOND) == [lease]


def test_a_running_lease_is_charged_to_the_last_full_hour_a_minute_behind_the_clock() -> None:
    assert metering.slice_end(NOON + 59 * SECOND) == NOON - HOUR
    assert metering.slice_end(NOON + 60 * SECOND) == NOON


lives = st.lists(st.integers(1, 20_000_000), min_size=1, max_size=6)  # milliseconds: active, paused, active, …
cuts = st.lists(st.integers(0, 40_000), max_size=8)  # seconds after noon at which somebody meters
rates = st.integers(0, 40_000_000)
# prices: when they are agreed in seconds after noon, how much later they begin, and what they are
later = st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 20_000), rates), max_size=4)


def due(lives: list[int], nodes: int, agreed: list[tuple[int, int]]) -> int:
    """The price of a life second by second: each at the rate that was agreed last for it."""
    borders = sorted({begin * 1000 for begin, _ in agreed})
    counted, total = 0, 0
    for begin, until in zip(borders, [*borders[1:], sum(lives)], strict=True):
        seconds = active(lives, upto=until) // 1000
        total += [rate for since, rate in agreed if since * 1000 <= begin][-1] * max(0, seconds - counted) * nodes
        counted = max(counted, seconds)
    return total // 3600


def active(lives: list[int], *, upto: int) -> int:
    """Milliseconds in state active before a moment."""
    begin = 0
    total = 0
    for index, length in enumerate(lives):
        total += 0 if index % 2 else max(0, min(begin + length, upto) - begin)
        begin += length
    return total


class AnySlicing(TestCase):
    """However a life is cut, however often, and at however many prices, the total is that of its whole seconds."""

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(lives=lives, cuts=cuts, nodes=st.integers(1, 3), rate=rates, later=later)
    def test_the_total_is_the_same(
        self, lives: list[int], cuts: list[int], nodes: int, rate: int, later: list[tuple[int, int, int]]
    ) -> None:
        organization = funded(10_000)
        pool = factories.a_pool(nodes=nodes, site=factories.a_site(f"s{organization.pk}"))
        lease = place(a_quote(organization, factories.an_offer(pool, micros=rate), nodes=nodes))
        begun, moves, used = NOON, [], timedelta()
        for index, length in enumerate(lives):
            moves.append((begun, LeaseState.PAUSED if index % 2 else LeaseState.ACTIVE))
            begun += timedelta(milliseconds=length)
            used += timedelta() if index % 2 else timedelta(milliseconds=length)
        moves.append((begun, LeaseState.RECLAIMING))
        agreed = sorted(later)
        todo: list[tuple[datetime, int, str | tuple[datetime, int]]] = [(at, 0, new) for at, new in moves]
        todo += [(NOON + cut * SECOND, 1, "") for cut in cuts]
        todo += [(NOON + at * SECOND, 2, (NOON + (at + ahead) * SECOND, other)) for at, ahead, other in agreed]
        for at, _, what in sorted(todo, key=lambda entry: entry[:2]):
            if isinstance(what, tuple):
                agree(lease, what[1], from_at=what[0], now=at)
            elif what:
                lease.move_to(what, at=at)
            else:
                meter(lease, at)
        meter(lease, begun + HOUR)
        expected = due(lives, nodes, [(0, rate), *((at + ahead, other) for at, ahead, other in agreed)])
        row = Meter.objects.get(lease=lease)
        assert (row.seconds, row.charged_micros) == (used // SECOND, expected)
        assert sum(usage.micros for usage in Usage.objects.filter(lease=lease)) == expected
        assert balance(organization, AccountKind.REVENUE) == expected
        assert cost_so_far(lease=lease, now=begun + 100 * HOUR) == expected
        assert row.closed_at
        assert_books_balance()
