"""Which of the next 48 hours a site has power in for a node more."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.template.loader import render_to_string
from psycopg.types.range import Range

from marketplace.queries.hours import Power, stretches
from tests.factories import HOUR, NOON

P = Power


@dataclass
class Supplied:
    """As energy writes it down."""

    period: Range[datetime]
    firm_watts: int
    likely_watts: int = 0
    surplus_watts: int = 0


def supplied(since: datetime, until: datetime, *watts: int) -> Supplied:
    return Supplied(Range(since, until), *watts)


END = NOON + 48 * HOUR


@pytest.mark.parametrize(
    ("watts", "power"), [(100, P.FIRM), (101, P.LIKELY), (150, P.LIKELY), (180, P.SURPLUS), (181, P.SHORT)]
)
def test_what_a_node_runs_on_depends_on_what_all_of_them_draw(watts: int, power: Power) -> None:
    (found,) = stretches([supplied(NOON, END, 100, 50, 30)], watts=watts, now=NOON + 59 * HOUR / 60)
    assert (found.power, found.since, found.until) == (power, NOON, END)


def test_hours_that_are_alike_are_told_together_and_each_is_as_good_as_its_worst_minute() -> None:
    dip = NOON + timedelta(hours=5, minutes=59)
    windows = [
        supplied(NOON, dip, 100),
        supplied(dip, NOON + 6 * HOUR, 40, 30, 20),
        supplied(NOON + 6 * HOUR, END, 100),
    ]
    found = stretches(windows, watts=90, now=NOON)
    assert [(row.power, row.hours) for row in found] == [(P.FIRM, 5), (P.SURPLUS, 1), (P.FIRM, 42)]


def test_of_a_time_that_nobody_speaks_of_nothing_is_said() -> None:
    assert [(row.power, row.hours) for row in stretches([], watts=1, now=NOON)] == [(P.UNKNOWN, 48)]
    found = stretches([supplied(NOON, NOON + timedelta(hours=1, minutes=30), 10)], watts=1, now=NOON)
    assert [(row.power, row.hours) for row in found] == [(P.FIRM, 1), (P.UNKNOWN, 47)]


def test_the_minutes_of_this_hour_that_are_over_do_not_count() -> None:
    half_past = NOON + timedelta(minutes=30)
    assert [row.power for row in stretches([supplied(half_past, END, 10)], watts=1, now=half_past)] == [P.FIRM]


def test_it_is_read_as_a_table_with_a_word_for_each() -> None:
    windows = [supplied(NOON, NOON + 2 * HOUR, 100), supplied(NOON + 2 * HOUR, END, 0, 0, 50)]
    page = render_to_string("marketplace/_power_hours.html", {"stretches": stretches(windows, watts=60, now=NOON)})
    assert "Firm power" in page and "may be paused, after its notice" in page
    assert "Surplus power" not in page
