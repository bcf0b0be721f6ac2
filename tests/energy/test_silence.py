"""What nobody has heard of lately is not believed to be as it was: miners are awake, and the grid brings no more."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.clock import now as clock_now
from energy import commanding, curtailing, mining, storing
from energy.dispatching import outlook, plan_due
from energy.models import Command, Feed, FeedKind, Miner, Outcome, SitePolicy
from energy.queries.feeds import value_at
from energy.queries.standing import MINERS, Standing, standing
from energy.states import CommandState as S
from marketplace.models import Site
from tests.energy.conftest import QUICK, STANDBY, WATTS, a_battery, a_feed, machine, told
from tests.energy.dispatched import a_planned_site
from tests.factories import HOUR, NOON

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def here(site: Site) -> Standing:
    found = standing(site, now=NOON)
    assert found is not None
    return found


def looked_at(minutes_ago: int) -> None:
    Miner.objects.update(asleep=True, load_watts=STANDBY, outcome=Outcome.OBEYED, read_at=NOON - minutes_ago * MINUTE)


@pytest.mark.parametrize(("minutes", "stale"), [(15, False), (16, True)])
def test_a_sleeper_that_nobody_has_looked_at_draws_all_that_it_can(site: Site, minutes: int, *, stale: bool) -> None:
    a_planned_site(site)
    looked_at(minutes)
    found = here(site)
    counted = 8 * (WATTS if stale else STANDBY)
    assert found.uses["mining"] == counted and sum(row.floor_watts for row in found.classes) == counted
    assert found.stale == ([MINERS] if stale else [])
    (row,) = (row for row in found.inputs if row["name"] == MINERS)
    assert (row["age_seconds"], row["stale"]) == (minutes * 60, stale)


def test_one_that_was_never_read_is_as_old_as_can_be(site: Site) -> None:
    a_planned_site(site)
    Miner.objects.filter(pk=Miner.objects.order_by("pk")[0].pk).update(read_at=None)
    (row,) = (row for row in here(site).inputs if row["name"] == MINERS)
    assert (row["age_seconds"], row["stale"]) == (None, True)


def test_what_is_written_down_of_miners_that_nobody_reads_is_no_news(site: Site) -> None:
    a_planned_site(site)
    looked_at(60)
    mining.tell_all(now=NOON)
    feed = Feed.objects.get(kind=FeedKind.MINING)
    found = value_at(feed, now=NOON)
    assert (found.value, found.stale) == (8 * WATTS, True)
    looked_at(1)
    mining.tell_all(now=NOON + MINUTE)
    assert not value_at(feed, now=NOON + MINUTE).stale


def test_nothing_goes_by_itself_while_nobody_reads_the_miners(site: Site) -> None:
    kinds = a_planned_site(site, usd=90)
    SitePolicy.objects.create(site=site, automatic=True, most_watts_per_step=10**9).classes.set(kinds)
    Miner.objects.update(read_at=NOON - HOUR)
    plan_due(now=NOON)
    command = Command.objects.get()
    assert (command.state, command.outcome["waits"]) == (S.PROPOSED, f"Too old: {MINERS}.")


def test_a_grid_event_does_not_count_on_sleepers_that_nobody_has_seen(site: Site) -> None:
    a_planned_site(site)
    looked_at(60)
    shown = curtailing.preview(site=site, percent=50, hours=1, starts_at=NOON, now=NOON)
    assert not shown.commands and shown.shed.missing_mw == pytest.approx(4 * WATTS / 1e6)


def test_sleepers_that_nobody_has_seen_are_told_once_more_with_the_next_command(site: Site) -> None:
    new, old = a_planned_site(site)
    looked_at(60)
    strayed = machine(Miner.objects.order_by("pk")[0])
    target = {new.pk: 4 * STANDBY, old.pk: 4 * STANDBY}
    told_now = {"actor": "user:us_tests", "reason": "a test", "now": NOON, "limits": QUICK}
    report = commanding.obey(site=site, target=target, urgent=True, **told_now)  # type: ignore[arg-type]
    assert strayed.asleep and report.met and len(report.reads) == 8


def test_an_urgent_command_wakes_nobody(site: Site) -> None:
    new, old = a_planned_site(site)
    Miner.objects.update(asleep=True, load_watts=STANDBY)
    target = {new.pk: 4 * WATTS, old.pk: 4 * WATTS}
    told_now = {"actor": "user:us_tests", "reason": "a test", "now": NOON, "limits": QUICK}
    commanding.obey(site=site, target=target, urgent=True, **told_now)  # type: ignore[arg-type]
    assert Miner.objects.filter(asleep=True).count() == 8


@pytest.mark.parametrize(
    ("told_watts", "percent", "brings"),
    [(30_000, 100, 30_000), (50_000, 40, 20_000), (10_000, 40, 10_000), (None, 40, 20_000)],
)
def test_a_grid_of_which_nobody_tells_any_more_brings_no_more_than_last_or_than_is_sure(
    site: Site, told_watts: int | None, percent: int, brings: int
) -> None:
    a_planned_site(site, interconnect_watts=50_000, largest_supply_watts=0, grid_percent=percent)
    a_battery(site, watts=40_000, watt_hours=80_000)
    assert here(site).import_watts == 50_000, "no feed tells of it"
    feed = a_feed(FeedKind.GRID_AVAILABLE, site=site)
    if told_watts is not None:
        told(feed, told_watts, NOON - HOUR / 2)
        assert here(site).import_watts == told_watts, "fresh news are believed"
        feed.readings.update(starts_at=NOON - 9 * HOUR, ends_at=NOON - 8 * HOUR)
    found = here(site)
    assert found.import_watts == brings
    assert outlook(found, steps=4).grid[0, 0] == brings / 50_000
    assert -storing.bounded(found, -40_000)[0] == max(brings - 8 * WATTS, 0)


def test_the_cockpit_says_how_old_the_oldest_reading_is(staff_browser: Client, site: Site) -> None:
    a_planned_site(site, at=clock_now() - MINUTE)
    Miner.objects.filter(miner_class__slug="old").update(read_at=clock_now() - 3 * HOUR)
    page = (
        staff_browser.get(f"/operations/power/sites/{site.slug}/").content.decode().replace("\N{NO-BREAK SPACE}", " ")
    )
    assert f"<strong>Stale:</strong> {MINERS}" in page and "3 h" in page[page.index('id="inputs"') :]
    told_api = staff_browser.get(f"/api/v1/operations/power/sites/{site.slug}").json()
    (row,) = (row for row in told_api["inputs"] if row["name"] == MINERS)
    assert row["stale"] and row["age_seconds"] // 60 == 180
