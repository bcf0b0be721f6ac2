"""
Whole billing lives: whatever happens to an organization's money, in whatever order, with faults at the card processor
and sweeps that come late, twice or never, all books agree in the end. LIVES=1000 tries so many in each way to pay.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import override_settings
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from bench import billing_books, billing_sweeps
from bench.billing_life import STEPS, Life
from bench.billing_standin import KEY, Standin
from billing.invariants import broken
from billing.models import BillingMode, GatewayCall, Usage
from billing.queries import read, readable
from billing.queries.months import month_of, next_month, start_of
from billing.queries.rebuilt import owed
from billing.sending import OPEN
from marketplace.models import PlanKind
from tests import factories
from tests.billing.conftest import HOUR

EXAMPLES = int(os.environ.get("LIVES", "5"))
pytestmark = pytest.mark.timeout(60 + 20 * EXAMPLES)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
# Before the ends of months, before clocks change in the United States and in Europe, and before a leap day.
BEGINNINGS = [
    datetime(2026, 2, 27, 9, 30, tzinfo=UTC),
    datetime(2026, 3, 7, 22, 45, tzinfo=UTC),
    datetime(2026, 3, 28, 21, 5, tzinfo=UTC),
    datetime(2026, 10, 24, 23, 50, tzinfo=UTC),
    datetime(2026, 12, 31, 20, 15, tzinfo=UTC),
    datetime(2028, 2, 28, 18, 0, tzinfo=UTC),
]
MICROS_PER_NODE_HOUR = 15_000_007  # no whole number of anything in a second
PASSES = (MINUTE, 7 * MINUTE, HOUR, HOUR, 3 * HOUR, 9 * HOUR)
LONG = 9 * DAY

# What happens, the usual more often than the rest; "pass" is time, and "sweep" some of the product's own work.
ALWAYS = ["pass", "pass", "pass", "sweep", "sweep", "sweep", "order", "order_ahead", "outage", *STEPS]
ONLY = {
    BillingMode.PREPAID: ["top_up", "top_up", "top_up", "gift", "automatic", "save_card", "charge"],
    BillingMode.METERED: ["order", "order", "gift", "long"],
    BillingMode.INVOICED: ["order", "order", "transfer", "credit_note", "long", "long"],
}


@dataclass(frozen=True)
class Moment:
    """Something happens; the number says which of its kinds."""

    what: str
    number: int


def moments(mode: BillingMode) -> st.SearchStrategy[list[Moment]]:
    one = st.builds(Moment, st.sampled_from([*ALWAYS, *ONLY[mode], "long"]), st.integers(0, 2000))
    return st.lists(one, min_size=8, max_size=24)


class Lives(TestCase):
    """One life for each way to pay."""

    standin: Standin

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.standin = Standin()
        cls.enterClassContext(override_settings(STRIPE_API_KEY=KEY, STRIPE_API_BASE=cls.standin.url))
        cls.addClassCleanup(cls.standin.close)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(begin=st.sampled_from(BEGINNINGS), steps=moments(BillingMode.PREPAID))
    def test_whoever_pays_before(self, begin: datetime, steps: list[Moment]) -> None:
        Course(self.standin, BillingMode.PREPAID, begin).run(steps)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(begin=st.sampled_from(BEGINNINGS), steps=moments(BillingMode.METERED))
    def test_whoever_pays_by_the_month(self, begin: datetime, steps: list[Moment]) -> None:
        Course(self.standin, BillingMode.METERED, begin).run(steps)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(begin=st.sampled_from(BEGINNINGS), steps=moments(BillingMode.INVOICED))
    def test_whoever_pays_by_transfer(self, begin: datetime, steps: list[Moment]) -> None:
        Course(self.standin, BillingMode.INVOICED, begin).run(steps)


class Course:
    """The course of one life, from an empty processor to books that are compared."""

    def __init__(self, standin: Standin, mode: BillingMode, begin: datetime) -> None:
        self.standin, self.mode, self.now = standin, mode, begin
        standin.empty()
        standin.at(begin)
        pool = factories.a_pool(nodes=3)
        factories.an_image()
        plans = (factories.a_plan(), factories.a_plan(PlanKind.RESERVED, return_refund_percent=75, resale_percent=20))
        on_demand, reserved = (factories.an_offer(pool, plan, MICROS_PER_NODE_HOUR) for plan in plans)
        staff = (factories.a_user(is_staff=True), factories.a_user(is_staff=True))
        self.life = Life(factories.an_organization(), standin, on_demand, reserved, staff)
        if mode == BillingMode.PREPAID:
            self.life.do("gift", 3000, begin)
        else:
            self.life.begin(mode, begin)
        if mode == BillingMode.METERED:
            self.life.do("save_card", 0, begin)
            for _ in range(5):
                self.sweep()

    def run(self, steps: list[Moment]) -> None:
        for step in steps:
            self.happen(step)
            connection.check_constraints()
        self.end()
        assert self.differences() == []

    def happen(self, step: Moment) -> None:
        if step.what == "pass":
            self.pass_time(PASSES[step.number % len(PASSES)])
        elif step.what == "long":
            self.life.return_all(self.now)  # what runs is charged hour by hour, which takes its time
            billing_sweeps.leases(self.now)
            over = start_of(next_month(month_of(self.now))) + 2 * HOUR
            self.pass_time((LONG, over - self.now)[step.number % 2])
        elif step.what == "sweep":
            sweeps = billing_sweeps.SWEEPS
            for place in range(1 + step.number % 5):
                sweeps[(step.number + 3 * place) % len(sweeps)](self.now)
        else:
            self.life.do(step.what, step.number, self.now)
            if self.life.refused:
                event(f"{step.what} was refused: {self.life.refused}")

    def pass_time(self, length: timedelta) -> None:
        self.now += length
        self.standin.at(self.now)
        billing_sweeps.leases(self.now)

    def sweep(self) -> dict[str, Exception]:
        return {name: error for sweep in billing_sweeps.SWEEPS for name, error in sweep(self.now).items()}

    def end(self) -> None:
        """All is given back, what was uncertain gets its days, and months are closed, paid and compared."""
        self.standin.heal()
        self.life.return_all(self.now)
        self.standin.settle_refunds()
        self.standin.decide("won")
        for _ in range(4):
            self.sweep()
            self.pass_time(27 * HOUR)
            if not GatewayCall.objects.filter(state__in=OPEN).exists():
                break
        for _ in range(2):
            self.pass_time(start_of(next_month(month_of(self.now))) + 3 * HOUR - self.now)
            self.sweep()
            self.pass_time(HOUR)
            self.sweep()
            self.life.pay_all(self.now)
        self.pass_time(DAY)
        self.sweep()
        self.pass_time(DAY)
        assert self.sweep() == {}

    def differences(self) -> list[str]:
        """Whatever any of the books say against each other."""
        found = [*broken(now=self.now), *billing_books.open_ends()]
        until = start_of(month_of(self.now))
        off = {
            "ledger and invoices": billing_books.off_micros(until=until),
            "ledger and processor": billing_books.off_at_processor_micros(self.standin),
            "ledger and meter": billing_books.off_at_meter_micros(self.standin),
        }
        found += [f"{name}: {micros} micro-dollars apart" for name, micros in off.items() if micros]
        return found + self.sliced() + self.recounted()

    def sliced(self) -> list[str]:
        """Charged in whatever slices, a lease comes to what it is charged at once in the end."""
        found = []
        for row in readable().filter(lease__organization=self.life.organization):
            at_once, charged = read(row, at=self.now).due_micros, row.charged_micros
            if at_once != charged or row.closed_at is None:
                found.append(f"{row.lease}: {charged} charged, {at_once} at once, closed at {row.closed_at}")
        return found

    def recounted(self) -> list[str]:
        """Each month, and by another way."""
        months = {month_of(used.from_at) for used in Usage.objects.all()}
        rows = [row for month in months for row in owed(organization=self.life.organization, month=month)]
        return [f"{row}" for row in rows if not row.settled or row.differs]
