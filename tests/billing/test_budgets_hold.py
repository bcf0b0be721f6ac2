"""Whatever is ordered, extended, returned and cancelled, and however the clock moves, no month passes a budget."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from django.db.models import QuerySet
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Organization
from billing import budgets, capping, extending, handing_back, metering, standing
from billing.budgets import BudgetExceeded
from billing.models import Budget, HandBack, Meter, Usage
from billing.queries import commitments, read, readable, wallet
from billing.queries.months import month_of, next_month, start_of
from billing.queries.prices import Price, price_of_window, prices_of
from billing.queries.shares import shares
from leasing import schedule
from leasing.models import Lease
from leasing.operations import BookedBehind, NodesTaken, WindowRefused
from leasing.states import LEASE_OVER, LeaseState
from marketplace.models import Offer, PlanKind, Rate
from marketplace.money import SECONDS_PER_HOUR
from marketplace.queries import Window
from tests import factories
from tests.billing.conftest import HOUR, a_quote, funded, place
from tests.leasing.conftest import work_all

MIDNIGHT = datetime(2026, 4, 1, tzinfo=UTC)
MONTHS = (date(2026, 3, 1), date(2026, 4, 1))
TAGS = ("", "vision")
GAP = timedelta(minutes=4, seconds=37)  # between two sweeps: late, but within the reach

orders = st.tuples(st.just("order"), st.sampled_from(TAGS), st.integers(1, 2))
windows = st.tuples(st.just("book"), st.sampled_from(TAGS), st.integers(1, 6), st.integers(1, 4))
extensions = st.tuples(st.just("extend"), st.integers(0, 2), st.integers(1, 3), st.sampled_from([40, 95, 100, 130]))
returns = st.tuples(st.just("return"), st.integers(0, 5))
waits = st.tuples(st.just("wait"), st.integers(1, 6))
naps = st.tuples(st.just("sleep"), st.integers(5, 90))
lives = st.lists(st.one_of(orders, windows, extensions, returns, waits, waits, naps), min_size=3, max_size=10)
Steps = list[tuple[str, *tuple[int | str, ...]]]
# Past the end that was agreed first, most of the added time is used; and, over the end of a month, it is handed back.
ADDED_IS_USED: Steps = [("book", "", 1, 1), ("extend", 0, 1, 40), ("sleep", 61), ("sleep", 60), ("sleep", 40)]
ADDED_IS_RETURNED: Steps = [("book", "", 1, 1), ("extend", 0, 3, 95), ("sleep", 61), ("sleep", 90), ("return", 0)]


class World:
    """An organization that is capped twice, and the clock."""

    def __init__(self, rate: int, limits: tuple[int, int], before: int) -> None:
        self.now = MIDNIGHT - before * HOUR
        self.acme: Organization = funded(10_000)
        pool = factories.a_pool(nodes=5, site=factories.a_site(f"s{self.acme.pk}"))
        plan = factories.a_plan(PlanKind.RESERVED, cancel_refunds=[[0, 40]], return_refund_percent=0)
        self.open = factories.an_offer(pool, micros=rate)
        self.ahead: Offer = factories.an_offer(pool, plan, micros=rate)
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
        with suppress(BudgetExceeded, NodesTaken, BookedBehind, WindowRefused):
            getattr(self, f"do_{what}")(*how)

    def do_order(self, tag: str, nodes: int) -> None:
        place(a_quote(self.acme, self.open, now=self.now, nodes=nodes), now=self.now, project=tag)
        work_all(self.open, now=self.now + timedelta(seconds=3))

    def do_book(self, tag: str, ahead: int, hours: int) -> None:
        begin = self.now.replace(minute=0, second=0, microsecond=0) + ahead * HOUR
        quote = a_quote(self.acme, self.ahead, now=self.now, starts_at=begin, ends_at=begin + hours * HOUR)
        place(quote, now=self.now, project=tag)

    def do_extend(self, which: int, hours: int, percent: int) -> None:
        """At another rate than the last one: what is added has a price of its own."""
        rate = max(1, self.ahead.rates.latest("starts_at").micros_per_node_hour * percent // 100)
        Rate.objects.get_or_create(
            offer=self.ahead, organization=None, starts_at=self.now, defaults={"micros_per_node_hour": rate}
        )
        agreed = self.live().exclude(ends_at=None)
        for lease in agreed.order_by("pk")[which : which + 1]:
            assert lease.ends_at
            extending.extend(lease=lease, ends_at=lease.ends_at + hours * HOUR, actor="user:us_tests", now=self.now)

    def do_return(self, which: int) -> None:
        for lease in self.live().order_by("pk")[which : which + 1]:
            handing_back.hand_back(lease=lease, actor="user:us_tests", now=self.now)

    def live(self) -> QuerySet[Lease]:
        """Its leases that are not over."""
        return Lease.objects.filter(organization=self.acme).exclude(state__in=(*LEASE_OVER, LeaseState.RECLAIMING))

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
        """Of each fee the part of the month, as the price of its time is of all that was handed back, cut to whole."""
        found = Counter[date]()
        for row in HandBack.objects.filter(fee_micros__gt=0).select_related("change__lease__meter"):
            if tag in ("", row.change.lease.project):
                prices = prices_of(row.change.lease.meter, agreed_by=row.change.at)
                back = Window(row.change.new_ends_at, row.change.old_ends_at)
                for month in MONTHS:
                    begin, finish = max(back.starts_at, start_of(month)), min(back.ends_at, start_of(next_month(month)))
                    inside = exact_price(prices, Window(begin, max(begin, finish)))
                    found[month] += row.fee_micros * inside // exact_price(prices, back)
        return found

    @staticmethod
    def _due(meter: Meter, at: datetime) -> int:
        return read(meter, at=at).due_micros

    def posted(self, tag: str, month: date) -> int:
        rows = Usage.objects.filter(lease__organization=self.acme, from_at__gte=start_of(month))
        rows = rows.filter(from_at__lt=start_of(next_month(month)))
        return sum(row.micros for row in rows.select_related("lease") if tag in ("", row.lease.project))


def exact_price(prices: Sequence[Price], window: Window) -> int:
    """Of so many nodes that no fraction of a micro-dollar is left off."""
    return price_of_window(prices, window=window, nodes=SECONDS_PER_HOUR)


class AnyLife(TestCase):
    """A hard cap is hard."""

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        steps=lives,
        rate=st.sampled_from([3_600_000, 2_490_001, 7]),
        limits=st.tuples(st.integers(1, 6), st.integers(1, 4)),
        before=st.integers(1, 3),
    )
    @example(steps=ADDED_IS_USED, rate=3_600_000, limits=(6, 4), before=1)
    @example(steps=ADDED_IS_RETURNED, rate=3_600_000, limits=(6, 4), before=3)
    def test_no_month_passes_a_budget(self, steps: Steps, rate: int, limits: tuple[int, int], before: int) -> None:
        world = World(rate, limits, before)
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
