"""
Whole billing lives: whatever happens to an organization's money, in whatever order, with faults at the card processor
and sweeps that come late, twice or never, all books agree in the end. LIVES=1000 tries so many in each way to pay; with
`-s` it says every ten lives how far it is.
What is rare when drawn by chance is a chapter of every life, at a moment that is drawn, and is counted.
"""

import logging
import os
from collections import Counter
from datetime import UTC, datetime

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from bench.billing_life import STEPS
from bench.billing_standin import KEY, SECRET, Standin
from billing.models import BillingMode
from tests.billing.lives.course import CHAPTERS, SIGNS, Course, Moment

EXAMPLES = int(os.environ.get("LIVES", "2"))
ONE_IN = 5  # of the lives has what every life is to have; others are refused it, or have nothing for it
pytestmark = pytest.mark.timeout(120 + 20 * EXAMPLES)
# Before the ends of months, before clocks change in the United States and in Europe, and before a leap day.
BEGINNINGS = [
    datetime(2026, 2, 27, 9, 30, tzinfo=UTC),
    datetime(2026, 3, 7, 22, 45, tzinfo=UTC),
    datetime(2026, 3, 28, 21, 5, tzinfo=UTC),
    datetime(2026, 10, 24, 23, 50, tzinfo=UTC),
    datetime(2026, 12, 31, 20, 15, tzinfo=UTC),
    datetime(2028, 2, 28, 18, 0, tzinfo=UTC),
]

# What happens, the usual more often than the rest; "pass" is time, and "sweep" some of the product's own work.
ALWAYS = ["pass", "pass", "pass", "sweep", "sweep", "sweep", "order", "order_ahead", "outage", *STEPS]
ONLY = {
    BillingMode.PREPAID: ["top_up", "top_up", "top_up", "gift", "automatic", "save_card", "charge"],
    BillingMode.METERED: ["order", "order", "gift", "long"],
    BillingMode.INVOICED: ["order", "order", "transfer", "top_up", "gift", "dispute", "credit_note", "long", "long"],
}


@st.composite
def moments(draw: st.DrawFn, mode: BillingMode) -> list[Moment]:
    """What happens by chance, and every chapter somewhere in it."""
    one = st.builds(Moment, st.sampled_from([*ALWAYS, *ONLY[mode], "long"]), st.integers(0, 2000))
    found = draw(st.lists(one, max_size=12))
    for chapter in CHAPTERS[mode]:
        found.insert(draw(st.integers(0, len(found))), Moment(chapter, draw(st.integers(0, 2000))))
    return found


class Lives(TestCase):
    """One life for each way to pay."""

    standin: Standin
    happened: Counter[tuple[BillingMode, str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.standin, cls.happened = Standin(), Counter()
        keys = {"STRIPE_API_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET, "STRIPE_API_BASE": cls.standin.url}
        cls.enterClassContext(override_settings(**keys))
        logging.disable(logging.INFO)  # every call to the processor is logged three times
        cls.addClassCleanup(logging.disable, logging.NOTSET)
        cls.addClassCleanup(cls.standin.close)

    @classmethod
    def tearDownClass(cls) -> None:
        """Nothing above holds only because it did not happen."""
        super().tearDownClass()
        lives = {mode: count for (mode, what), count in cls.happened.items() if what == "lived"}
        wanted = [(mode, what) for mode in lives for chapter in CHAPTERS[mode] for what in SIGNS[chapter]]
        rare = {one: cls.happened[one] for one in wanted if cls.happened[one] * ONE_IN < lives[one[0]]}
        assert not rare, f"too rare: {rare}, in {lives} lives"

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(begin=st.sampled_from(BEGINNINGS), steps=moments(BillingMode.PREPAID))
    def test_whoever_pays_before(self, begin: datetime, steps: list[Moment]) -> None:
        self.live(BillingMode.PREPAID, begin, steps)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(begin=st.sampled_from(BEGINNINGS), steps=moments(BillingMode.METERED))
    def test_whoever_pays_by_the_month(self, begin: datetime, steps: list[Moment]) -> None:
        self.live(BillingMode.METERED, begin, steps)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(begin=st.sampled_from(BEGINNINGS), steps=moments(BillingMode.INVOICED))
    def test_whoever_pays_by_transfer(self, begin: datetime, steps: list[Moment]) -> None:
        self.live(BillingMode.INVOICED, begin, steps)

    def live(self, mode: BillingMode, begin: datetime, steps: list[Moment]) -> None:
        course = Course(self.standin, mode, begin)
        course.run(steps)
        self.happened.update((mode, sign) for sign in {"lived", *course.signs()})
        self.tell(mode)

    def tell(self, mode: BillingMode) -> None:
        """Every ten lives, whoever asked for many is told how far they are: with `-s` at once."""
        lived = self.happened[mode, "lived"]
        if "LIVES" in os.environ and lived % 10 == 0:
            print(f"{datetime.now(UTC):%H:%M:%S} {lived} of {EXAMPLES} lives, {mode}", flush=True)  # noqa: T201 - asked for
