"""The calendar of an offer: free nodes by the hour, on the clocks of a place, as rows, as an answer and as a page."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from psycopg.types.multirange import TimestamptzMultirange
from psycopg.types.range import Range
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from marketplace.models import Node, NodeCalendar, Offer
from marketplace.queries import calendar
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import acme, order
from tests.marketplace.conftest import Fair

__all__ = ["acme"]
pytestmark = pytest.mark.django_db
TODAY, TOMORROW = NOON.date(), NOON.date() + DAY
NEW_YORK = ZoneInfo("America/New_York")


def free(offer: Offer, day: date = TOMORROW, zone: str = "UTC", *, at: datetime = NOON) -> list[int]:
    """Free nodes in each hour of a day."""
    (found,) = calendar(offer=offer, starts_on=day, days=1, zone=ZoneInfo(zone), now=at)
    return [hour.free for hour in found.hours]


def take(offer: Offer, nodes: int, start: datetime, end: datetime) -> None:
    """Write a claim into the calendars of some nodes, without cleaning."""
    for row in NodeCalendar.objects.filter(pool=offer.pool).order_by("pk")[:nodes]:
        row.busy = TimestamptzMultirange([Range(start, end)])
        row.save()


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def test_idle_nodes_are_free_in_every_hour_that_has_not_begun(fair: Fair) -> None:
    assert free(fair.big_reserved) == [2] * 24
    assert free(fair.big_reserved, TODAY) == [0] * 12 + [2] * 12
    assert free(fair.big_reserved, TODAY, at=NOON + timedelta(minutes=1)) == [0] * 13 + [2] * 11


def test_a_lease_takes_its_hours_and_the_cleaning_behind_it(fair: Fair, acme: Organization) -> None:
    start = midnight(TOMORROW) + 4 * HOUR
    order(acme, fair.big_reserved, starts_at=start, ends_at=start + 2 * HOUR)
    assert free(fair.big_reserved) == [2, 2, 2, 2, 1, 1, 1, *[2] * 17]


def test_an_hour_counts_only_if_a_node_is_free_from_its_first_second_to_its_last(fair: Fair) -> None:
    start = midnight(TOMORROW) + 4 * HOUR
    second = timedelta(seconds=1)
    take(fair.big, 2, start, start + HOUR)
    assert free(fair.big_reserved)[3:6] == [2, 0, 2]
    take(fair.big, 2, start - second, start + HOUR + second)
    assert free(fair.big_reserved)[2:7] == [2, 0, 0, 0, 2]


def test_nodes_held_for_a_quote_are_not_free_until_the_hold_is_over(fair: Fair) -> None:
    start = midnight(TOMORROW)
    row = NodeCalendar.objects.filter(pool=fair.big.pool).order_by("pk")[0]
    row.held, row.held_until, row.held_for = Range(start, start + 2 * HOUR), NOON + HOUR, "qu_other"
    row.save()
    assert free(fair.big_reserved)[:3] == [1, 1, 2]
    assert free(fair.big_reserved, at=NOON + HOUR)[:3] == [2, 2, 2]


def test_a_cordoned_node_counts_in_no_hour(fair: Fair) -> None:
    Node.objects.filter(pk=NodeCalendar.objects.filter(pool=fair.big.pool).order_by("pk")[0].pk).update(
        cordoned_at=NOON
    )
    assert free(fair.big_reserved) == [1] * 24


def test_a_day_has_23_hours_when_clocks_are_set_forward_and_25_when_they_are_set_back(fair: Fair) -> None:
    assert free(fair.big_reserved, date(2026, 3, 8), NEW_YORK.key) == [2] * 23
    assert free(fair.big_reserved, date(2026, 11, 1), NEW_YORK.key) == [2] * 25


def test_a_lease_in_a_doubled_hour_takes_that_one_and_not_its_twin(fair: Fair) -> None:
    second_one_o_clock = datetime(2026, 11, 1, 6, tzinfo=UTC)
    take(fair.big, 1, second_one_o_clock, second_one_o_clock + HOUR)
    assert free(fair.big_reserved, date(2026, 11, 1), NEW_YORK.key) == [2, 2, 1, *[2] * 22]


def test_many_days_of_many_nodes_are_two_queries(fair: Fair, django_assert_num_queries: Any) -> None:
    factories.a_pool(nodes=20)
    with django_assert_num_queries(2):
        found = calendar(offer=fair.big_reserved, starts_on=TODAY, days=60, zone=NEW_YORK, now=NOON)
    assert [len(day.hours) for day in found] == [23 if day.date == date(2026, 3, 8) else 24 for day in found]
    assert {hour.free for day in found[1:] for hour in day.hours} == {22}


# In the API


def ask(offer: Offer, **query: Any) -> Any:
    return APIClient().get(f"/api/v1/offers/{offer.public_id}/calendar", query)


def test_the_api_says_for_each_local_hour_how_many_are_free(fair: Fair) -> None:
    day = now().date() + 2 * DAY
    shown = ask(fair.big_reserved, nodes=2, starts_on=day, days=2, time_zone="Asia/Riyadh").json()
    assert (shown["offer"], shown["nodes"], shown["time_zone"]) == (fair.big_reserved.public_id, 2, "Asia/Riyadh")
    assert [(one["date"], len(one["hours"])) for one in shown["days"]] == [(f"{day}", 24), (f"{day + DAY}", 24)]
    first = shown["days"][0]["hours"][0]
    assert datetime.fromisoformat(first["starts_at"]) == midnight(day) - 3 * HOUR
    rest = {"local_time": "00:00", "utc_offset": "+03:00", "free": 2, "enough": True}
    assert {name: first[name] for name in rest} == rest


def test_the_api_shows_two_weeks_from_today_where_nothing_is_said(fair: Fair) -> None:
    shown = ask(fair.big_reserved).json()
    assert len(shown["days"]) == 14 and shown["days"][0]["date"] == f"{now().date()}"


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"days": 61}, "days", "from 1 to 60"),
        ({"days": 0}, "days", "from 1 to 60"),
        ({"nodes": 0}, "nodes", "from 1 to 256"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "such as America/New_York"),
        ({"starts_on": "2020-01-01"}, "starts_on", "within 60 days"),
        ({"starts_on": "2999-01-01"}, "starts_on", "within 60 days"),
        ({"starts_on": "soon"}, "starts_on", "2026-03-02"),
        ({"day": "2026-03-02"}, "day", "Unknown field"),
    ],
)
def test_bad_questions_name_the_field_and_the_limit(fair: Fair, query: dict[str, Any], field: str, words: str) -> None:
    answer = ask(fair.big_reserved, **query)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == field and words in error["message"]


def test_a_private_offers_calendar_does_not_exist_for_others(fair: Fair) -> None:
    fair.big_reserved.plan.private = True
    fair.big_reserved.plan.save()
    assert ask(fair.big_reserved).status_code == 404


# On the page


def grid(offer: Offer, **query: Any) -> tuple[str, list[dict[str, list[str]]]]:
    """The calendar's part of the offer's page, and what its free hours lead to."""
    html = Client().get(f"/offers/{offer.public_id}/", query).content.decode()
    found = re.search(r'<section class="card stack" id="calendar".*?</section>', html, re.S)
    if found is None:
        return "", []
    hours = re.findall(r'calendar__hour--enough" href="([^"]+)"', found[0])
    return found[0], [parse_qs(unescape(link).split("?")[1]) for link in hours]


def test_each_free_hour_leads_to_the_order_with_that_start(fair: Fair) -> None:
    _, orders = grid(fair.big_reserved, nodes=2, zone="America/New_York")
    assert 13 * 24 <= len(orders) < 14 * 24
    first, second = orders[0], orders[24]
    assert (first["nodes"], first["zone"]) == (["2"], ["America/New_York"])
    starts = [datetime.fromisoformat(one["starts_at"][0]) for one in orders]
    assert all(at.minute == 0 and at > now() for at in starts) and len(set(starts)) == len(starts)
    assert datetime.fromisoformat(second["ends_at"][0]) - datetime.fromisoformat(second["starts_at"][0]) == DAY


def test_hours_with_too_few_nodes_lead_nowhere_and_say_so(fair: Fair) -> None:
    day = midnight(now().date() + 2 * DAY)
    take(fair.big, 1, day, day + 3 * HOUR)
    html, orders = grid(fair.big_reserved, nodes=2, zone="UTC")
    assert html.count('calendar__hour--few">') == 3
    assert f"{day:%Y-%m-%dT%H:%MZ}" not in {one["starts_at"][0] for one in orders}


def test_a_free_hour_in_which_the_plan_lets_no_lease_start_is_no_link(fair: Fair) -> None:
    daily = {"granularity_seconds": 86_400, "offset_seconds": 41_400, "min_seconds": 86_400}
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, **daily)
    html, orders = grid(fair.big_reserved, zone="UTC", day=f"{now().date() + DAY}")
    starts = [datetime.fromisoformat(one["starts_at"][0]) for one in orders]
    assert [f"{at:%H:%M}" for at in starts] == ["11:30"] * 14
    assert html.count(", no start then<") == 14 * 23


def test_a_calendar_without_a_free_hour_says_what_to_do(fair: Fair) -> None:
    html, orders = grid(fair.big_reserved, nodes=3)
    assert not orders and "No start on these days." in html
    assert "No start on these days." not in grid(fair.big_reserved, nodes=2)[0]


def test_the_calendar_turns_its_pages_from_today_to_the_plans_horizon(fair: Fair) -> None:
    first, _ = grid(fair.big_reserved, zone="UTC")
    assert 'rel="prev"' not in first and f"day={now().date() + 14 * DAY}#calendar" in first
    last, _ = grid(fair.big_reserved, zone="UTC", day=f"{now().date() + 56 * DAY}")
    assert last.count('<th scope="col">') == 1 + 5  # days 56 to 60 ahead
    assert 'rel="next"' not in last and f"day={now().date() + 42 * DAY}#calendar" in last


@pytest.mark.parametrize("day", ["never", "0001-01-01", "9999-12-31", ""])
def test_a_day_beyond_the_calendar_shows_the_nearest_that_there_is(fair: Fair, day: str) -> None:
    html, _ = grid(fair.big_reserved, day=day)
    assert '<th scope="row">00:00</th>' in html


def test_a_plan_without_periods_has_no_calendar(fair: Fair) -> None:
    assert grid(fair.big) == ("", [])
