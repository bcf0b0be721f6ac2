"""Figures from outside: asked for when they are due, kept as they are told, and stale when they are old."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.clock import now
from accounts.models import Event
from energy import feeding, operations
from energy.models import Feed, FeedKind, Reading
from energy.queries.feeds import mean, value_at
from energy.sources import Told
from energy.templatetags.energy import told as figure
from tests.energy.conftest import a_feed, told
from tests.energy.test_sources import server
from tests.factories import HOUR, NOON

__all__ = ["server"]
pytestmark = pytest.mark.django_db


def test_the_last_good_value_stays_and_is_stale_once_its_time_is_over_for_too_long() -> None:
    feed = a_feed(age_limit_seconds=3600)
    assert value_at(feed, now=NOON).stale and value_at(feed, now=NOON).value is None
    told(feed, 40, NOON), told(feed, 50, NOON + HOUR)
    seen = {minutes: value_at(feed, now=NOON + timedelta(minutes=minutes)) for minutes in (59, 60, 120, 180, 181)}
    assert {minutes: (row.value, row.stale) for minutes, row in seen.items()} == {
        59: (40, False), 60: (50, False), 120: (50, False), 180: (50, False), 181: (50, True),
    }  # fmt: skip
    assert seen[181].age == timedelta(minutes=61)


def test_a_mean_weighs_by_time_and_knows_what_was_not_told() -> None:
    feed = a_feed()
    told(feed, 10, NOON), told(feed, 40, NOON + HOUR, hours=2)
    assert mean(feed, since=NOON, until=NOON + 3 * HOUR) == 30
    assert mean(feed, since=NOON + HOUR / 2, until=NOON + HOUR * 3 / 2) == 25
    assert mean(feed, since=NOON, until=NOON + 2 * HOUR + timedelta(microseconds=1)) > Fraction(25)  # type: ignore[operator]
    assert mean(feed, since=NOON, until=NOON + 4 * HOUR) is None


def test_what_is_told_again_is_written_over() -> None:
    feed = a_feed()
    for value in (1, 2):
        operations.tell(feed=feed, told=[Told(NOON, NOON + HOUR, value)] * 2, source="t", now=NOON + value * HOUR)
    assert [(row.value, row.fetched_at) for row in Reading.objects.all()] == [(2, NOON + 2 * HOUR)]


def test_a_feed_is_asked_when_it_is_due_and_ever_less_often_while_it_fails(server: str) -> None:
    http: dict[str, Any] = {"source": Feed.Source.HTTP, "private_addresses": True, "every_seconds": 300}
    feed = a_feed(url=f"{server}/good", **http)
    assert feeding.fetch_due(now=NOON) == 1, "one that was never asked is due"
    feed.refresh_from_db()
    assert "rows: the answer is not a list" in feed.error and feed.failures == 1
    assert feeding.fetch_due(now=NOON + timedelta(seconds=299)) == 0
    assert feeding.fetch_due(now=NOON + timedelta(seconds=300)) == 1
    feed.refresh_from_db()
    assert feed.next_at == NOON + timedelta(seconds=900), "twice as long after a failure"
    assert feeding.pause(Feed(every_seconds=300, failures=500)) == HOUR
    assert Event.objects.filter(kind="feed.failed").count() == 1, "staff hears of it once"
    Feed.objects.filter(pk=feed.pk).update(url=f"{server}/told", mapping={"value": "v"})
    feeding.fetch_due(now=NOON + HOUR)
    feed.refresh_from_db()
    assert (feed.failures, feed.error, feed.readings.get().value) == (0, "", 7)
    assert Event.objects.filter(kind="feed.recovered").exists()


def test_staff_sees_the_age_of_every_input_and_tells_one_by_hand_or_by_file(staff_browser: Client) -> None:
    feed, moment = a_feed(slug="macon-price"), now()
    told(feed, 42_000_000, moment - 10 * HOUR)
    page = staff_browser.get("/operations/power/feeds/").content.decode().replace("\N{NO-BREAK SPACE}", " ")
    assert "macon-price" in page and "9 h" in page and "1 of 1 inputs is stale" in page
    address = f"/operations/power/feeds/{feed.public_id}/"
    assert b"is stale" in staff_browser.get(address).content
    refused = staff_browser.post(address, {"value": "5"}).content
    assert b"Choose a file, or give a value and when it begins" in refused
    staff_browser.post(address, {"value": "5", "starts_at": f"{moment:%Y-%m-%dT%H:%M}"})
    file = SimpleUploadedFile("prices.csv", b"at,value\n2026-03-02T12:00:00Z,7\n2026-03-02T13:00:00Z,8\n")
    staff_browser.post(address, {"file": file})
    assert sorted(feed.readings.values_list("value", flat=True)) == [5, 7, 8, 42_000_000]
    wrong = SimpleUploadedFile("prices.csv", b"at,value\nnoon,7\n")
    assert b"Row 1, at" in staff_browser.post(address, {"file": wrong}).content
    assert Event.objects.filter(kind="feed.told").count() == 2
    assert b"it is now" in staff_browser.get("/operations/power/feeds/").content


def test_a_program_of_the_staff_does_what_the_page_does(staff_browser: Client) -> None:
    price, read = a_feed(slug="macon-price"), a_feed(FeedKind.MINING, slug="as-read", source=Feed.Source.MINERS)
    told(price, 42_000_000, now() - 10 * HOUR)
    stale = staff_browser.get("/api/v1/operations/power/feeds").json()["results"][1]
    assert (stale["slug"], stale["value"], stale["stale"]) == ("macon-price", 42_000_000, True)
    assert stale["age_seconds"] // 60 == 540 and stale["unit"] == "energy price, micro-dollars per MWh"
    address = f"/api/v1/operations/power/feeds/{price.public_id}/readings"

    def tell(body: dict[str, Any], at: str = address) -> Any:
        return staff_browser.post(at, body, content_type="application/json")

    assert tell({"value": 5, "starts_at": "2026-03-02T12:00:00Z"}).json() == {"readings": 1}
    assert tell({"csv": "at,value\n2026-03-02T13:00:00Z,7\n2026-03-02T14:00:00Z,8\n"}).json() == {"readings": 2}
    assert [row["value"] for row in staff_browser.get(address).json()["results"]] == [42_000_000, 8, 7, 5]
    for body, field, words in (
        ({}, "csv", "Choose a file"),
        ({"value": 5}, "starts_at", "when it begins"),
        ({"csv": "at,value\nnoon,7\n"}, "csv", "Row 1, at"),
        ({"value": 5, "starts_at": "2026-03-02T12:00:00Z", "ends_at": "2026-03-02T11:00:00Z"}, "ends_at", "later"),
    ):
        (error,) = tell(body).json()["errors"]
        assert error["field"] == field and words in error["message"], error
    refused = tell({"value": 5, "starts_at": "2026-03-02T12:00:00Z"}, address.replace(price.public_id, read.public_id))
    (error,) = refused.json()["errors"]
    assert refused.status_code == 400 and error["field"] == "" and "read from the site" in error["message"]
    assert Event.objects.filter(kind="feed.told").count() == 2


def test_figures_are_shown_in_the_units_of_people(staff_browser: Client) -> None:
    shown = {"price": (42_000_000, "$42.00/MWh"), "hash_price": (48_500_000, "$48.50/PH/day"),
             "carbon": (380_000, "380.0 g/kWh"), "renewable": (125, "12.5 %"), "mining": (45_600_000, "45.6 MW"),
             "house": (900, "900 W")}  # fmt: skip
    for kind, (value, words) in shown.items():
        assert figure(value, kind).replace("\N{NO-BREAK SPACE}", " ") == words
    told(a_feed(), 42_000_000, now() - HOUR / 2)
    assert "$42.00/MWh" in staff_browser.get("/operations/power/feeds/").content.decode()
