"""Whatever is ordered, returned and cancelled, and however the clock moves, no month passes a budget."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Organization
from billing import budgets, capping, handing_back, metering, standing
from billing.budgets import BudgetExceeded
from billing.models import Budget, HandBack, Meter, Usage
from billing.queries import commitments, read, readable, wallet
from billing.queries.months import month_of, next_month, start_of
from billing.queries.shares import shares
from leasing import schedule
from leasing.models import Lease
from leasing.operations import NodesTaken
from leasing.states import LEASE_OVER, LeaseState
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.billing.conftest import HOUR, a_quote, funded, place
from tests.leasing.conftest import work_all

MIDNIGHT = datetime(2026, 4, 1, tzinfo=UTC)
BEGIN = MIDNIGHT - HOUR
MONTHS = (date(2026, 3, 1), date(2026, 4, 1))
TAGS = ("", "vision")
GAP = timedelta(minutes=4, seconds=37)  # between two sweeps: late, but within the reach

orders = st.tuples(st.just("order"), st.sampled_from(TAGS), st.integers(1, 2))
windows = st.tuples(st.just("book"), st.sampled_from(TAGS), st.integers(1, 6), st.integers(1, 4))
returns = st.tuples(st.just("return"), st.integers(0, 5))
waits = st.tuples(st.just("wait"), st.integers(1, 6))
naps = st.tuples(st.just("sleep"), st.integers(5, 90))
lives = st.lists(st.one_of(orders, windows, returns, waits, waits, naps), min_size=3, max_size=10)


class World:
    """An organization that is capped twice, and the clock."""

    def __init__(self, rate: int, limits: tuple[int, int]) -> None:
        self.acme: Organization = funded(10_000)
        pool = factories.a_pool(nodes=5, site=factories.a_site(f"s{self.acme.pk}"))
        plan = factories.a_plan(PlanKind.RESERVED, cancel_refunds=[[0, 40]], return_refund_percent=0)
        self.open = factories.an_offer(pool, micros=rate)
        self.ahead: Offer = factories.an_offer(pool, plan, micros=rate)
        self.now = BEGIN
        for tag, hours in zip(TAGS, limits, strict=True):
            budgets.create(
                organization=self.acme,
                actor="",
                created_by=None,
                project=tag,
                limit_micros=rate * hours + 1,
                now=self.now,
            )

    def do(self, what: str, *how: object) -> None:
        """One step, as a customer or the clock takes it; what is refused changes nothing."""
        with suppress(BudgetExceeded, NodesTaken):
            getattr(self, f"do_{what}")(*how)

    def do_order(self, tag: str, nodes: int) -> None:
        place(a_quote(self.acme, self.open, now=self.now, nodes=nodes), now=self.now, project=tag)
        work_all(self.open, now=self.now + timedelta(seconds=3))

    def do_book(self, tag: str, ahead: int, hours: int) -> None:
        begin = self.now.replace(minute=0, second=0, microsecond=0) + ahead * HOUR
        quote = a_quote(self.acme, self.ahead, now=self.now, starts_at=begin, ends_at=begin + hours * HOUR)
        place(quote, now=self.now, project=tag)

    def do_return(self, which: int) -> None:
        live = Lease.objects.filter(organization=self.acme).exclude(state__in=(*LEASE_OVER, LeaseState.RECLAIMING))
        for lease in live.order_by("pk")[which : which + 1]:
            handing_back.hand_back(lease=lease, actor="user:us_tests", now=self.now)

    def do_wait(self, sweeps: int) -> None:
        for _ in range(sweeps):
            self.now += GAP
            self.sweep()

    def do_sleep(self, minutes: int) -> None:
        """Nobody sweeps, for longer than the reach."""
        self.now += timedelta(minutes=minutes)
        self.sweep()

    def sweep(self) -> None:
        schedule.run_due(now=self.now)
        work_all(self.open, now=self.now)
        capping.enforce(organization=self.acme, now=self.now)
        for lease in metering.due(now=self.now):
            metering.meter(lease=lease, upto=metering.slice_end(self.now), now=self.now)
        standing.enforce(organization=self.acme, now=self.now)
        capping.enforce(organization=self.acme, now=self.now)
        work_all(self.open, now=self.now)

    def spent(self, tag: str) -> Counter[date]:
        """What each month has cost, read by a way of its own: meters at the months' ends, and fees by the second."""
        found = self.kept(tag)
        for meter in readable().filter(lease__organization=self.acme):
            if tag in ("", meter.lease.project):
                for month in MONTHS:
                    begin, finish = start_of(month), start_of(next_month(month))
                    if begin < self.now:
                        found[month] += self._due(meter, min(finish, self.now)) - self._due(meter, begin)
        return found

    def kept(self, tag: str) -> Counter[date]:
        """Of each fee the part of the month, as its seconds are of all that were handed back, cut to whole amounts."""
        found = Counter[date]()
        for row in HandBack.objects.select_related("change__lease"):
            if tag in ("", row.change.lease.project):
                begin, finish = row.change.new_ends_at, row.change.old_ends_at
                for month in MONTHS:
                    inside = min(finish, start_of(next_month(month))) - max(begin, start_of(month))
                    found[month] += row.fee_micros * max(inside, timedelta()) // (finish - begin)
        return found

    @staticmethod
    def _due(meter: Meter, at: datetime) -> int:
        return read(meter, at=at).due_micros

    def posted(self, tag: str, month: date) -> int:
        rows = Usage.objects.filter(lease__organization=self.acme, from_at__gte=start_of(month))
        rows = rows.filter(from_at__lt=start_of(next_month(month)))
        return sum(row.micros for row in rows.select_related("lease") if tag in ("", row.lease.project))


class AnyLife(TestCase):
    """A hard cap is hard."""

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        steps=lives,
        rate=st.sampled_from([3_600_000, 2_490_001, 7]),
        limits=st.tuples(st.integers(1, 6), st.integers(1, 4)),
    )
    def test_no_month_passes_a_budget(self, steps: list[tuple[str, int]], rate: int, limits: tuple[int, int]) -> None:
        world = World(rate, limits)
        for step in steps:
            world.do(*step)
            self.check(world)
        world.do_wait(4)
        self.check(world)

    def check(self, world: World) -> None:
        for budget in Budget.objects.filter(organization=world.acme):
            spent = world.spent(budget.project)
            spoken = commitments(organization=world.acme, now=world.now)
            for month in MONTHS:
                assert spent[month] <= budget.limit_micros
                assert world.posted(budget.project, month) <= budget.limit_micros
                if month >= month_of(world.now):
                    assert spent[month] <= spoken.total(budget.project, month)
                    assert spoken.total(budget.project, month) <= budget.limit_micros
            self.check_parts(world, budget.project)

    def check_parts(self, world: World, tag: str) -> None:
        """The parts of the leases are together what the pages say of the budget, and of the wallet."""
        spoken = commitments(organization=world.acme, now=world.now)
        said = {"committed": spoken.total(tag, month_of(world.now)), "running": spoken.burn(tag)}
        if not tag:
            purse = wallet(organization=world.acme, now=world.now)
            said |= {"used": purse.accrued_micros, "kept": purse.held_micros}
            assert said["running"] == purse.burn_micros_per_hour
        for of, micros in said.items():
            parts = shares(organization=world.acme, of=of, project=tag, now=world.now)
            assert sum(part.micros for part in parts) == micros, of
