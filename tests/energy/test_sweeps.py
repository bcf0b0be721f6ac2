"""Sweeps: a bad row does not stop the rest, time is read for each, and what is over for good is not read again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection

from accounts import clock
from accounts.models import Organization
from energy import accounting, carrying_out, curtailing, feeding, firming, mining, ordering, tasks
from energy.models import Command, Feed, Reading, SiteHour
from energy.states import CommandState as S
from leasing.models import Interruption
from leasing.operations import CannotInterrupt
from leasing.operations.maintaining import WindowTaken
from leasing.power.fake import BOARDS, Board
from leasing.provisioners.fake import World
from leasing.queries.energy import drawn_in
from marketplace.models import PowerWindow, Site
from tests import factories
from tests.energy.conftest import a_contract, a_feed, some
from tests.energy.dispatched import a_planned_site
from tests.factories import HOUR, NOON
from tests.leasing.interrupted import a_surplus_lease

pytestmark = pytest.mark.django_db
STAFF, MINUTE = "user:us_dispatcher", timedelta(minutes=1)


def failing_for(act: Callable[..., Any], *, bad: Callable[..., bool]) -> Callable[..., Any]:
    """The same, but where it is `bad` something breaks that nobody thought of."""

    def broken(*given: Any, **named: Any) -> Any:
        if bad(*given, **named):
            raise IntegrityError("scripted")
        return act(*given, **named)

    return broken


@pytest.fixture
def two(site: Site) -> tuple[Site, Site]:
    other = factories.a_site("augusta")
    for one in (site, other):
        a_contract(one, starts_at=NOON - 3 * HOUR)
    return site, other


def test_each_site_has_its_power_written_down_whatever_breaks_at_another(
    two: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Site.objects.filter(pk__in=[site.pk for site in two]).first()
    monkeypatch.setattr(firming, "windows", failing_for(firming.windows, bad=lambda site, **_: site == first))
    firming.write_windows(now=NOON)
    assert {row.site for row in PowerWindow.objects.all()} == {site for site in two if site != first}


def test_each_sites_hours_are_counted_whatever_breaks_at_another(
    two: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Site.objects.filter(pk__in=[site.pk for site in two]).first()
    monkeypatch.setattr(accounting, "drawn_in", failing_for(drawn_in, bad=lambda site, **_: site == first))
    accounting.count_due(now=NOON)
    assert {row.site for row in SiteHour.objects.all()} == {site for site in two if site != first}


def test_each_sites_miners_are_written_down_whatever_breaks_at_another(
    two: tuple[Site, Site], kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for net, site in enumerate(two):
        some(site, kind, 1, net=net)
    first = Site.objects.filter(pk__in=[site.pk for site in two]).first()
    monkeypatch.setattr(mining, "_drawn", failing_for(mining._drawn, bad=lambda site, _: site == first))
    mining.tell_all(now=NOON)
    assert [row.feed.site for row in Reading.objects.all()] == [site for site in two if site != first]


def an_event(site: Site, *, percent: int = 50) -> list[Command]:
    shown = curtailing.preview(site=site, percent=percent, hours=3, starts_at=NOON, now=NOON)
    return curtailing.confirm(token=shown.token, actor=STAFF, now=NOON)


@pytest.mark.parametrize("what", ["_too_late", "undo"])
def test_each_command_is_settled_whatever_breaks_at_another(
    two: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    site, other = two
    a_planned_site(site)
    (command,) = an_event(site)
    copy = Command.objects.get(pk=command.pk)
    copy.pk, copy.public_id, copy.site, copy.event, copy._state.adding = None, "pc_other", other, "ge_other", True
    copy.save()
    if what == "undo":
        Command.objects.update(state=S.DONE, ends_at=NOON, deadline=None)
    first = (carrying_out.over(now=NOON) if what == "undo" else Command.objects.order_by("pk"))[0]

    def bad(*rows: Command, **named: Any) -> bool:
        return (named["command"] if what == "undo" else rows[0]).pk == first.pk

    monkeypatch.setattr(carrying_out, what, failing_for(getattr(carrying_out, what), bad=bad))
    carrying_out.settle(now=NOON + ordering.TAKE)
    left = set(Command.objects.filter(undoes=None, undone_by=None).exclude(state=S.EXPIRED))
    assert left == {first}


def test_a_command_that_breaks_stops_no_other_and_no_settling(
    acme: Organization, world: World, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_surplus_lease(acme)
    a_planned_site(site)
    an_event(site, percent=100)
    settled: list[datetime] = []
    monkeypatch.setattr(clock, "now", lambda: NOON)
    monkeypatch.setattr(carrying_out, "settle", lambda *, now: settled.append(now))
    monkeypatch.setattr(tasks.carry_out_at_site, "apply_async", failing_for(print, bad=lambda **_: True))
    tasks.command_sites()
    assert Interruption.objects.count() == 1 and settled == [NOON]


def test_a_node_that_somebody_has_after_all_is_said_and_the_rest_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_contract(site)
    pool = factories.a_pool(nodes=0)
    for number in (2, 3):
        factories.a_node(pool, bmc_address=f"https://10.0.0.{number}")
        BOARDS[f"https://10.0.0.{number}"] = Board()
    (command,) = an_event(site, percent=100)
    assert command.kind == "idle" and len(command.target["nodes"]) == 2
    taken = iter([True, False])

    def stand_by(**given: Any) -> Any:
        if next(taken):
            raise WindowTaken([], NOON)

    monkeypatch.setattr(carrying_out, "stand_by", stand_by)
    carrying_out.carry_out(command=command, now=NOON)
    command.refresh_from_db()
    assert "The node is taken in this window." in command.outcome["refused"] and next(taken, "all") == "all"


def test_a_notice_counts_from_when_it_is_told_not_from_when_the_sweep_began(
    acme: Organization, world: World, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_surplus_lease(acme)
    a_planned_site(site)
    shown = curtailing.preview(site=site, percent=100, hours=3, starts_at=NOON + 2 * HOUR, now=NOON)
    curtailing.confirm(token=shown.token, actor=STAFF, now=NOON)
    due = carrying_out.due

    def frozen(*, now: datetime) -> list[Command]:
        found = due(now=now)
        monkeypatch.setattr(clock, "now", lambda: NOON + 9 * MINUTE)
        return found

    monkeypatch.setattr(clock, "now", lambda: NOON)
    monkeypatch.setattr(carrying_out, "due", frozen)
    tasks.command_sites()
    assert Interruption.objects.get().noticed_at == NOON + 9 * MINUTE


def test_what_an_address_answers_that_nobody_can_use_makes_its_feed_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "overflows": b'[{"at": 0, "value": 1e999999}]',
        "digits": b'[{"at": 0, "value": ' + b"9" * 5000 + b"}]",
        "for-ever": b'[{"at": 1e99999999, "value": 1}]',
        "year-10000": b'[{"at": "9999-12-31T23:30:00Z", "value": 1}]',
    }
    for slug in answers:
        mapping = {"scale": "1e999999"} if slug == "overflows" else {}
        a_feed(slug=slug, source=Feed.Source.HTTP, url=f"https://example.com/{slug}", mapping=mapping)
    a_feed(slug="strange", source=Feed.Source.HTTP, url="https://example.com/digits", mapping={"rows": 5})
    monkeypatch.setattr(feeding, "get", lambda url, **_: answers[url.rpartition("/")[2]])
    assert feeding.fetch_due(now=NOON) == 5
    assert not Feed.objects.exclude(failures=1).exists()
    assert "year" in Feed.objects.get(slug="year-10000").error


def test_what_is_over_for_good_is_not_read_again(site: Site) -> None:
    ended = {"state": S.DONE, "state_since": NOON, "due_at": NOON, "ends_at": NOON, "proposed_by": STAFF}
    Command.objects.bulk_create(
        Command(site=site, kind="battery", inputs={}, target={"watts": 1}, watts=1, **ended) for _ in range(2000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE energy_command")
    assert "command_over" in carrying_out.over(now=NOON).explain()


def test_a_lease_that_cannot_be_paused_fails_its_command_and_stops_no_other(
    acme: Organization, world: World, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_surplus_lease(acme)
    a_planned_site(site)
    surplus = an_event(site, percent=100)[-1]

    def refuse(**_: object) -> None:
        raise CannotInterrupt("scripted")

    monkeypatch.setattr(carrying_out, "schedule_interruption", refuse)
    carrying_out.carry_out(command=surplus, now=NOON)
    surplus.refresh_from_db()
    assert (surplus.state, surplus.outcome) == (S.FAILED, {"refused": "scripted"})
