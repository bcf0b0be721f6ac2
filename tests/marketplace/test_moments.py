"""Local times in forms: one moment, a choice between two, or a refusal; in every site's zone, through the years."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from marketplace.forms import Wish, zones_for
from marketplace.forms.moments import moments_at, offset_of, readings
from marketplace.queries import hours_of

SITES = Path(__file__).parents[2] / "marketplace" / "catalogue" / "data" / "sites.csv"
ZONES = sorted({row["time_zone"] for row in csv.DictReader(SITES.read_text("utf-8").splitlines())})
NEW_YORK = ZoneInfo("America/New_York")
CHOICES = zones_for(site="America/New_York")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime(2026, 9, 20, 12, tzinfo=UTC)
MONTH_ENDS = [date(2026, 12, 31), date(2027, 2, 28), date(2028, 2, 28), date(2028, 2, 29), date(2028, 4, 30)]


def changes(zone: ZoneInfo) -> list[tuple[datetime, timedelta]]:
    """When a zone's clocks are set in 2026 to 2028, and by how much."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    hours = [start + n * HOUR for n in range(3 * 366 * 24)]
    offsets = [at.astimezone(zone).utcoffset() or timedelta() for at in hours]
    steps = zip(hours[1:], offsets[1:], offsets, strict=False)
    return [(at, after - before) for at, after, before in steps if after != before]


def wish(*at: datetime, **asked: str) -> Wish:
    return Wish({"nodes": "1", **asked}, now=at[0] if at else NOW, zones=CHOICES)


def test_the_sites_have_clocks_that_are_set_and_clocks_that_never_are() -> None:
    set_by = {name: {step for _, step in changes(ZoneInfo(name))} for name in ZONES}
    assert set_by["America/New_York"] == {HOUR, -HOUR}
    assert set_by["Africa/Nairobi"] == set()


@pytest.mark.parametrize("name", ZONES)
def test_every_change_of_a_sites_clocks_makes_a_day_of_23_or_25_hours(name: str) -> None:
    zone = ZoneInfo(name)
    for at, step in changes(zone):
        inside = (at - timedelta(seconds=1)).astimezone(zone) if step < timedelta() else at.astimezone(zone)
        assert len(hours_of(inside.date(), zone)) == 24 - step // HOUR


@pytest.mark.parametrize("name", ZONES)
def test_a_time_is_twice_where_clocks_are_set_back_and_never_where_they_are_set_forward(name: str) -> None:
    zone = ZoneInfo(name)
    for at, step in changes(zone):
        half = timedelta(minutes=30)
        if step < timedelta():
            local = (at + half).astimezone(zone).replace(tzinfo=None)
            assert moments_at(local, zone) == [at + half + step, at + half]
        else:
            local = (at - half).astimezone(zone).replace(tzinfo=None) + step
            assert moments_at(local, zone) == []
            assert readings(local, zone) == [at - half, at - half + step]


@pytest.mark.parametrize("name", ZONES)
def test_month_ends_and_the_leap_day_are_days_of_24_hours_that_follow_each_other(name: str) -> None:
    zone = ZoneInfo(name)
    set_on = {(at + shift).astimezone(zone).date() for at, _ in changes(zone) for shift in (-HOUR, timedelta())}
    for day in MONTH_ENDS:
        today, tomorrow = hours_of(day, zone), hours_of(day + DAY, zone)
        assert today[-1].ends_at == tomorrow[0].starts_at
        assert today[0].starts_at.astimezone(zone).date() == day
        if day not in set_on:
            assert len(today) == 24


@pytest.mark.parametrize("name", ZONES)
def test_a_day_in_a_form_is_24_hours_whatever_the_clocks_do_in_it(name: str) -> None:
    zone = ZoneInfo(name)
    for at, _ in changes(zone):
        start, now = at - 6 * HOUR, at - 5 * DAY
        asked = {"starts_at": f"{start:%Y-%m-%dT%H:%M}Z", "ends_at": f"{start + DAY:%Y-%m-%dT%H:%M}Z", "zone": name}
        form = wish(now, **asked)
        assert form.is_valid(), form.errors
        assert form.cleaned_data["ends_at"] - form.cleaned_data["starts_at"] == DAY


def test_a_local_time_is_read_on_the_clocks_of_the_chosen_zone() -> None:
    form = wish(starts_at="2026-10-01T09:00", zone="America/New_York")
    assert form.is_valid()
    assert form.cleaned_data["starts_at"] == datetime(2026, 10, 1, 13, tzinfo=UTC)


def test_an_address_without_a_zone_means_utc_and_is_shown_on_the_users_clocks() -> None:
    form = Wish({"starts_at": "2026-10-01T13:00"}, now=NOW, zones=zones_for(user="Asia/Riyadh"))
    assert form.is_valid()
    assert form.cleaned_data["starts_at"] == datetime(2026, 10, 1, 13, tzinfo=UTC)
    assert (form["zone"].value(), form["starts_at"].value()) == ("Asia/Riyadh", "2026-10-01T16:00")


def test_an_exact_time_is_the_same_in_every_zone_even_while_clocks_show_it_twice() -> None:
    for hour in (5, 6):
        form = wish(starts_at=f"2026-11-01T{hour:02}:30Z", zone="America/New_York")
        assert form.is_valid()
        assert form["starts_at"].value() == "2026-11-01T01:30"
        assert form.cleaned_data["starts_at"] == datetime(2026, 11, 1, hour, 30, tzinfo=UTC)


def test_a_time_that_clocks_show_twice_asks_for_a_choice_and_takes_it() -> None:
    asked = {"starts_at": "2026-11-01T01:30", "zone": "America/New_York"}
    form = wish(**asked)
    assert form.errors == {
        "starts_at": [
            "Clocks show 01:30 twice on 1 November 2026 in America/New York: "
            "choose 01:30 (UTC−04:00) or 01:30 (UTC−05:00)."
        ]
    }
    assert [str(choice) for choice, _ in form.fields["starts_at_offset"].choices] == ["-04:00", "-05:00"]  # type: ignore[attr-defined]
    for offset, hour in (("-04:00", 5), ("-05:00", 6)):
        form = wish(**asked, starts_at_offset=offset)
        assert form.is_valid()
        assert form.cleaned_data["starts_at"] == datetime(2026, 11, 1, hour, 30, tzinfo=UTC)


def test_an_offset_that_is_neither_of_the_two_is_no_choice() -> None:
    form = wish(starts_at="2026-11-01T01:30", starts_at_offset="+03:00", zone="America/New_York")
    assert {"starts_at", "starts_at_offset"} == set(form.errors)


def test_an_offset_left_over_from_another_time_changes_nothing() -> None:
    form = wish(starts_at="2026-10-01T09:00", starts_at_offset="-05:00", zone="America/New_York")
    assert form.is_valid()
    assert form.cleaned_data["starts_at"] == datetime(2026, 10, 1, 13, tzinfo=UTC)


def test_a_time_that_clocks_pass_over_is_refused_with_the_two_nearest() -> None:
    form = wish(datetime(2027, 3, 1, tzinfo=UTC), starts_at="2027-03-14T02:30", zone="America/New_York")
    assert form.errors["starts_at"] == [
        "Clocks pass over 02:30 on 14 March 2027 in America/New York: choose 01:30 (UTC−05:00) or 03:30 (UTC−04:00)."
    ]


@pytest.mark.parametrize("text", ["0001-01-01T00:00", "9999-12-31T23:59", "1883-11-18T12:00"])
def test_years_that_nobody_means_are_refused(text: str) -> None:
    assert wish(starts_at=text, zone="America/New_York").errors["starts_at"] == ["Choose a year from 2000 to 2099."]


@pytest.mark.parametrize("text", ["2026-02-30T00:00", "tomorrow", "2026-10-01T25:00Z"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    assert wish(starts_at=text, zone="America/New_York").errors["starts_at"] == ["Write it as 2026-03-02T12:00."]


def test_the_zones_to_choose_from_are_the_users_the_sites_and_utc_each_once() -> None:
    assert list(zones_for(site="America/New_York", user="Asia/Riyadh")) == ["Asia/Riyadh", "America/New_York", "UTC"]
    assert list(zones_for(site="America/New_York", user="UTC")) == ["UTC", "America/New_York"]
    assert list(zones_for(site="UTC", user="")) == ["UTC"]
    assert len(zones_for(site="Asia/Riyadh", user="Asia/Riyadh")) == 2


def test_the_zone_of_a_shared_address_is_kept_and_one_that_does_not_exist_is_refused() -> None:
    shared = wish(starts_at="2026-10-01T09:00", zone="Africa/Nairobi")
    assert shared.is_valid()
    assert offset_of(shared.cleaned_data["starts_at"], shared.chosen) == "+03:00"
    assert "zone" in wish(zone="Mars/Olympus").errors
