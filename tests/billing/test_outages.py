"""The time in which a node did not serve is never charged: whatever the slices, however late it becomes known."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Organization
from billing import metering, tasks
from billing.models import AccountKind, Invoice, Meter, Posting, PostingKind, Usage, UsageKind
from billing.queries import cost_so_far, read, readable
from billing.queries.intervals import intervals
from billing.receipts import receipt
from leasing.models import Lease, Machine, Outage, OutageCause
from leasing.operations import end, pause
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
from tests.leasing.test_fleet_pages import text

pytestmark = pytest.mark.django_db
ACTOR = "user:us_tests"


def out(
    lease: Lease, since: datetime, until: datetime | None, *, known: datetime | None = None, machine: int = 0
) -> Outage:
    """One of the lease's machines did not serve; this became known at its end, or at `known`."""
    return Outage.objects.create(
        machine=lease.machines.order_by("pk")[machine],
        began_at=since,
        ended_at=until,
        cause=OutageCause.UNREACHABLE,
        recorded_at=known or until or since,
    )


def meter(lease: Lease, upto: datetime) -> int:
    return metering.meter(lease=lease, upto=upto, now=upto)


def give_back(lease: Lease, at: datetime) -> None:
    end(lease=lease, reason="returned", actor=ACTOR, now=at)


def test_an_outage_is_not_charged_and_everything_says_so(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, nodes=2)
    out(lease, NOON + 100 * SECOND, NOON + 160 * SECOND)
    give_back(lease, NOON + 600 * SECOND)
    assert meter(lease, NOON + HOUR) == (2 * 600 - 60) * 1000
    usage = Usage.objects.get()
    assert (usage.seconds, usage.nodes, usage.outage_node_seconds, usage.micros) == (600, 2, 60, 1_140_000)
    assert "less 60 node-seconds of outage" in Posting.objects.get(kind=PostingKind.USAGE).memo
    paper = receipt(lease=lease, now=NOON + HOUR)
    (credit,) = paper.credits
    assert (credit.node_seconds, credit.saved_micros, credit.node) == (60, 60_000, lease.machines.all()[0].node.name)
    assert "less 60 node-seconds of outages" in paper.explanation
    assert [(line.seconds, line.outage_node_seconds, line.micros) for line in paper.lines] == [(600, 60, 1_140_000)]
    invoice = invoiced(acme, now=NOON + 40 * DAY)
    assert invoice and [line.outage_node_seconds for line in invoice.lines.all()] == [60]
    assert_books_balance()


def test_an_open_outage_stands_the_meter_of_its_node_still(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, nodes=2)
    out(lease, NOON + 100 * SECOND, None)
    reading = read(readable().get(), at=NOON + 400 * SECOND)
    assert (reading.seconds, reading.outage_seconds, reading.nodes_serving) == (400, 300, 1)
    assert cost_so_far(lease=lease, now=NOON + 400 * SECOND) == 500_000
    assert money(acme, NOON + 4 * HOUR).accrued_micros == 4 * 3_600_000 + 100_000


def test_outages_of_one_machine_that_overlap_count_once_and_those_of_two_machines_both(
    acme: Organization, offer: Offer
) -> None:
    lease = running(acme, offer, nodes=2)
    for since, until, machine in [(10, 50, 0), (20, 30, 0), (40, 70, 0), (70, 80, 0), (20, 30, 1)]:
        out(lease, NOON + since * SECOND, NOON + until * SECOND, machine=machine)
    reading = read(readable().get(), at=NOON + HOUR)
    assert reading.outage_seconds == 70 + 10
    paper = receipt(lease=lease, now=NOON + HOUR)
    assert sorted(credit.node_seconds for credit in paper.credits) == [10, 10, 20, 40]
    assert sum(credit.saved_micros for credit in paper.credits) == 80_000


def test_an_outage_counts_only_where_the_lease_was_active(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    out(lease, NOON - 50 * SECOND, NOON + 10 * SECOND)
    pause(lease=lease, reason="out_of_funds", until=NOON + DAY, actor=ACTOR, now=NOON + 100 * SECOND)
    out(lease, NOON + 90 * SECOND, NOON + 1005 * SECOND)
    lease.move_to(LeaseState.ACTIVE, at=NOON + 1000 * SECOND)
    give_back(lease, NOON + 1050 * SECOND)
    out(lease, NOON + 1040 * SECOND, None)
    assert meter(lease, NOON + HOUR) == (150 - 10 - 10 - 5 - 10) * 1000


def test_an_outage_is_taken_off_at_the_price_of_the_time_in_which_it_was(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)  # a thousand micro-dollars a second
    agree(lease, 7_200_000, from_at=NOON + 600 * SECOND)
    out(lease, NOON + 500 * SECOND, NOON + 650 * SECOND)
    give_back(lease, NOON + 1000 * SECOND)
    assert meter(lease, NOON + HOUR) == (600 - 100) * 1000 + (400 - 50) * 2000
    assert [(row.seconds, row.outage_node_seconds, row.micros) for row in Usage.objects.order_by("from_at")] == [
        (600, 100, 500_000),
        (400, 50, 700_000),
    ]
    (credit,) = receipt(lease=lease, now=NOON + HOUR).credits
    assert (credit.node_seconds, credit.saved_micros) == (150, 100 * 1000 + 50 * 2000)


def test_a_part_of_a_second_is_taken_off_whole(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    out(lease, NOON + timedelta(seconds=10.4), NOON + timedelta(seconds=10.5))
    out(lease, NOON + timedelta(seconds=20.4), NOON + timedelta(seconds=20.5))
    give_back(lease, NOON + 100 * SECOND)
    assert meter(lease, NOON + HOUR) == 99_000  # rounded up once, on the sum


def test_a_lease_that_never_served_costs_nothing_and_never_less(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, nodes=2)
    for machine in range(2):
        out(lease, NOON - SECOND, None, machine=machine)
    give_back(lease, NOON + timedelta(seconds=10.5))
    assert meter(lease, NOON + HOUR) == 0
    assert (Usage.objects.get().seconds, Usage.objects.get().outage_node_seconds) == (10, 20)
    assert not Posting.objects.filter(lease=lease).exists()


def test_what_becomes_known_after_a_slice_is_corrected_by_the_next(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    assert meter(lease, NOON + HOUR) == 3_600_000
    out(lease, NOON + 600 * SECOND, NOON + 1000 * SECOND, known=NOON + HOUR + 30 * SECOND)
    assert meter(lease, NOON + 2 * HOUR) == 3_200_000
    first, correction, second = Usage.objects.order_by("pk")
    assert (first.outage_node_seconds, second.outage_node_seconds, second.micros) == (0, 0, 3_600_000)
    assert (correction.kind, correction.corrects, correction.from_at) == (UsageKind.CORRECTION, first, NOON + HOUR)
    assert (correction.outage_node_seconds, correction.micros) == (400, -400_000)
    said = Posting.objects.get(kind=PostingKind.CORRECTION).memo
    assert said == "training: correction for 8 × H100, less 400 node-seconds of outage"
    assert_books_balance()


def test_a_correction_points_at_each_slice_that_it_corrects_at_its_price(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    agree(lease, 7_200_000, from_at=NOON + HOUR)
    meter(lease, NOON + 3 * HOUR)
    out(lease, NOON + HOUR - 100 * SECOND, NOON + HOUR + 50 * SECOND, known=NOON + 3 * HOUR)
    meter(lease, NOON + 4 * HOUR)
    assert list(
        Usage.objects.filter(kind=UsageKind.CORRECTION)
        .order_by("pk")
        .values_list("corrects__from_at", "from_at", "outage_node_seconds", "micros_per_node_hour", "micros")
    ) == [
        (NOON, NOON + 3 * HOUR, 100, 3_600_000, -100_000),
        (NOON + HOUR, NOON + 3 * HOUR, 50, 7_200_000, -100_000),
    ]
    assert Posting.objects.filter(kind=PostingKind.CORRECTION).count() == 1


def test_an_outage_found_to_be_shorter_is_charged_again(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    open_one = out(lease, NOON + 600 * SECOND, None)
    assert meter(lease, NOON + HOUR) == 600_000
    Outage.objects.filter(pk=open_one.pk).update(ended_at=NOON + 700 * SECOND, recorded_at=NOON + HOUR)
    assert meter(lease, NOON + 2 * HOUR) == 2_900_000 + 3_600_000


@pytest.fixture
def closed(acme: Organization, offer: Offer) -> Lease:
    """A lease of 600 s in March, charged, closed and invoiced."""
    lease = running(acme, offer)
    give_back(lease, NOON + 600 * SECOND)
    meter(lease, NOON + HOUR)
    assert invoiced(acme, now=NOON + 31 * DAY)
    return lease


def test_what_becomes_known_after_the_meter_closed_is_paid_back_once_today(closed: Lease, acme: Organization) -> None:
    april = NOON + 32 * DAY
    assert metering.corrections_due(now=april) == []
    late = out(closed, NOON + 100 * SECOND, NOON + 160 * SECOND, known=april)
    before = list(Invoice.objects.values()), list(Usage.objects.values())
    assert metering.corrections_due(now=april) == [closed]
    assert [metering.correct(lease=closed, now=april + n * SECOND) for n in range(3)] == [-60_000, 0, 0]
    assert metering.corrections_due(now=april + SECOND) == []
    posting = Posting.objects.get(kind=PostingKind.CORRECTION)
    assert (posting.at, posting.lease) == (april, closed)
    assert balance(acme, AccountKind.REVENUE) == 540_000 == receipt(lease=closed, now=april).charged_micros
    assert list(Invoice.objects.values()) == before[0]
    assert [row for row in Usage.objects.values() if row["from_at"] < april] == before[1]
    invoice = invoiced(acme, month=date(2026, 4, 1), now=april + 31 * DAY)
    assert invoice and [(line.seconds, line.outage_node_seconds, line.cents) for line in invoice.lines.all()] == [
        (0, 60, -6)
    ]
    Outage.objects.filter(pk=late.pk).update(ended_at=NOON + 130 * SECOND, recorded_at=april + HOUR)
    assert metering.correct(lease=closed, now=april + 32 * DAY) == 30_000
    assert {row.kind for row in Posting.objects.filter(at__gte=april)} == {PostingKind.CORRECTION}
    assert_books_balance()


def test_what_was_written_before_the_meter_closed_but_committed_after_it_is_not_lost(
    closed: Lease, acme: Organization
) -> None:
    written = Meter.objects.get().closed_at
    assert written
    out(closed, NOON + 100 * SECOND, NOON + 160 * SECOND, known=written - 30 * SECOND)
    assert metering.corrections_due(now=written + 32 * DAY) == [closed]
    assert metering.correct(lease=closed, now=written + 32 * DAY) == -60_000


def test_the_sweep_settles_late_news_by_itself(acme: Organization, offer: Offer) -> None:
    begun = datetime.now(UTC) - 2 * HOUR
    lease = running(acme, offer, now=begun)
    give_back(lease, begun + 600 * SECOND)
    tasks.meter()
    out(lease, begun + 100 * SECOND, begun + 160 * SECOND, known=datetime.now(UTC))
    tasks.meter()
    tasks.meter()
    assert balance(acme, AccountKind.REVENUE) == 540_000


@dataclass(frozen=True)
class Life:
    """A random life on a grid of whole seconds: lengths of active and paused stretches in turn, and outages as
    (machine, begin, end, when it becomes known); all in seconds after noon. `cuts`: when somebody meters. `later`:
    prices that were agreed after `rate`, in that order, as (from, rate)."""

    nodes: int
    stretches: list[int]
    outages: list[tuple[int, int, int, int]]
    cuts: list[int]
    rate: int
    later: list[tuple[int, int]]

    @property
    def length(self) -> int:
        return sum(self.stretches)

    def served(self) -> int:
        """Node-seconds that served."""
        return sum(map(self._serving, range(self.length)))

    def due(self) -> int:
        """What they cost together, each at the price that was agreed last for its second."""
        return sum(self._rate(second) * self._serving(second) for second in range(self.length)) // 3600

    def _serving(self, second: int) -> int:
        """Each second of each machine looked at by itself."""
        return sum(self._active(second) and not self._out(machine, second) for machine in range(self.nodes))

    def _rate(self, second: int) -> int:
        return [self.rate, *(rate for begin, rate in self.later if begin <= second)][-1]

    def _active(self, second: int) -> bool:
        begin = 0
        for number, length in enumerate(self.stretches):
            if begin <= second < begin + length:
                return number % 2 == 0
            begin += length
        return False

    def _out(self, machine: int, second: int) -> bool:
        return any(one == machine and begin <= second < end for one, begin, end, _ in self.outages)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    nodes = draw(st.integers(1, 3))
    stretches = draw(st.lists(st.integers(1, 4000), min_size=1, max_size=4))
    moment = st.integers(0, sum(stretches) + 500)
    rows = draw(st.lists(st.tuples(st.integers(0, nodes - 1), moment, moment, st.integers(0, 9000)), max_size=6))
    outages = [(machine, min(a, b), max(a, b), max(a, b) + late) for machine, a, b, late in rows]
    cuts = draw(st.lists(st.integers(0, 20_000), max_size=6))
    rates = st.integers(0, 40_000_000)
    later = draw(st.lists(st.tuples(moment, rates), max_size=4))
    return Life(nodes, stretches, outages, cuts, draw(rates), later)


def live(life: Life, *, noon: datetime = NOON, then: Callable[[Organization, datetime], object] | None = None) -> Lease:
    """
    Live it from `noon` on, and meter it to its end, late news included. `then` is called with the organization after
    each metering.
    """
    organization = funded(10_000)
    pool = factories.a_pool(nodes=life.nodes, site=factories.a_site(f"s{organization.pk}"))
    offer = factories.an_offer(pool, micros=life.rate)
    lease = place(a_quote(organization, offer, nodes=life.nodes, now=noon), now=noon)
    machines = list(Machine.objects.filter(lease=lease).order_by("pk"))
    for begin, rate in life.later:
        agree(lease, rate, from_at=noon + begin * SECOND)
    for at, what in _story(life):
        moment = noon + at * SECOND
        if isinstance(what, str):
            lease.move_to(what, at=moment)
        elif isinstance(what, int):
            meter(lease, moment)
            metering.correct(lease=lease, now=moment + timedelta(microseconds=what))
            if then:
                then(organization, moment)
        else:
            machine, begin, end, _ = what
            Outage.objects.create(
                machine=machines[machine],
                began_at=noon + begin * SECOND,
                ended_at=noon + end * SECOND,
                cause=OutageCause.UNREACHABLE,
                recorded_at=moment,
            )
    meter(lease, noon + DAY)
    for late in metering.corrections_due(now=noon + DAY):
        metering.correct(lease=late, now=noon + DAY)
    return lease


def _story(life: Life) -> list[tuple[int, str | int | tuple[int, int, int, int]]]:
    """Transitions, outages and meterings in the order in which they become known."""
    story: list[tuple[int, str | int | tuple[int, int, int, int]]] = []
    begun = 0
    for place_, length in enumerate(life.stretches):
        story.append((begun, LeaseState.PAUSED if place_ % 2 else LeaseState.ACTIVE))
        begun += length
    story.append((begun, LeaseState.RECLAIMING))
    story += [(known, (machine, a, b, known)) for machine, a, b, known in life.outages]
    story += [(cut, number) for number, cut in enumerate(life.cuts)]
    return sorted(story, key=lambda entry: (entry[0], not isinstance(entry[1], str)))


class AnyLife(TestCase):
    """However a life is cut, at however many prices, whenever its outages become known: what served is paid for."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(life=lives())
    def test_the_total_is_what_a_count_second_by_second_says(self, life: Life) -> None:
        lease, last = live(life), NOON + DAY
        expected = life.due()
        row = Meter.objects.get(lease=lease)
        assert row.closed_at and row.charged_micros == expected
        assert row.seconds * row.nodes - row.outage_node_seconds == life.served()
        assert sum(usage.micros for usage in Usage.objects.filter(lease=lease)) == expected
        assert balance(lease.organization, AccountKind.REVENUE) == expected
        paper = receipt(lease=lease, now=last + DAY)
        assert paper.charged_micros == sum(line.micros for line in paper.lines) == expected
        assert sum(credit.node_seconds for credit in paper.credits) == paper.outage_node_seconds
        whole = replace(life, outages=[]).due()
        assert sum(credit.saved_micros for credit in paper.credits) == whole - expected
        assert sum(one.micros for one in intervals(lease=lease, at=last).all) == expected
        assert_books_balance()


def test_the_page_of_a_receipt_says_of_each_day_what_was_out(acme: Organization, offer: Offer, browser: Client) -> None:
    begin = NOON + 11 * HOUR
    lease = running(acme, offer, now=begin)
    out(lease, begin + 2 * HOUR, begin + 2 * HOUR + 1200 * SECOND)
    give_back(lease, begin + 3 * HOUR)
    meter(lease, begin + 4 * HOUR)
    page = text(browser.get(f"/leases/{lease.public_id}/receipt/"))
    assert "2 Mar 2026 3,600 $3.60" in page
    assert "3 Mar 2026 less 1,200 node-seconds of outages 7,200 $6.00" in page
