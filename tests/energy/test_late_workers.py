"""Commands that workers of a site carry out later than they are sent: events in a row, and wakes that linger."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F

from accounts import failpoints
from accounts.models import Event, Organization
from energy import carrying_out, commanding, curtailing, ordering
from energy.commanding import obeying
from energy.dispatching import plan_due
from energy.models import Command, Miner, MinerClass, Outcome
from energy.states import CommandState as S
from leasing.models import Interruption
from leasing.provisioners.fake import World
from marketplace.models import Site
from tests.energy.conftest import QUICK, STANDBY, WATTS, machine, some
from tests.energy.dispatched import a_planned_site
from tests.factories import HOUR, NOON
from tests.leasing.interrupted import a_surplus_lease

pytestmark = pytest.mark.django_db
STAFF = "user:us_dispatcher"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def an_event(site: Site, starts_at: datetime, *, now: datetime, percent: int = 50, hours: float = 2) -> Command:
    shown = curtailing.preview(site=site, percent=percent, hours=hours, starts_at=starts_at, now=now)
    (made,) = curtailing.confirm(token=shown.token, actor=STAFF, now=now)
    return made


def sweep(now: datetime) -> list[Command]:
    """What is due goes to the queues of its sites; the rest of the sweep does not wait for that."""
    sent = carrying_out.due(now=now)
    carrying_out.settle(now=now)
    return sent


def work(commands: Iterable[Command], now: datetime) -> None:
    """A site's worker, by and by."""
    for command in commands:
        carrying_out.carry_out(command=Command.objects.get(pk=command.pk), now=now)


def asleep() -> int:
    return Miner.objects.filter(asleep=True).count()


@pytest.mark.parametrize("minutes_apart", [0, 1])
def test_an_event_that_begins_as_another_ends_keeps_its_miners_down(site: Site, minutes_apart: int) -> None:
    a_planned_site(site)
    ends, begins = NOON + 2 * HOUR, NOON + 2 * HOUR + minutes_apart * MINUTE
    for starts_at in (NOON, begins):
        an_event(site, starts_at, now=NOON)
    work(sweep(NOON), NOON)
    down = asleep()
    assert down == 5
    for at in (ends, begins):
        sent = sweep(at)
        opposite = sweep(at + 5 * SECOND)
        work([*sent, *opposite], at + 10 * SECOND)
    assert asleep() == down, "of the first one nothing is left but what the second one gives back"
    sent = sweep(begins + 2 * HOUR)
    work([*sent, *sweep(begins + 2 * HOUR + 5 * SECOND)], begins + 2 * HOUR + 10 * SECOND)
    assert asleep() == 0


def test_the_end_of_an_event_that_is_told_late_wakes_nobody_in_the_next_one(site: Site) -> None:
    a_planned_site(site)
    for starts_at in (NOON, NOON + 2 * HOUR + 5 * MINUTE):
        an_event(site, starts_at, now=NOON)
    work(sweep(NOON), NOON)
    down = asleep()
    sweep(NOON + 2 * HOUR)
    opposite = Command.objects.get(undoes__isnull=False)
    assert opposite.target == {"new": 4 * WATTS, "old": 4 * WATTS}, "the next one is minutes away"
    late = NOON + 2 * HOUR + 5 * MINUTE
    work(reversed(carrying_out.due(now=late)), late)
    assert asleep() == down
    over = late + 2 * HOUR
    work([*sweep(over), *sweep(over)], over)
    assert asleep() == 0


def a_wake(site: Site) -> Command:
    """A plan would have four sleepers run again."""
    a_planned_site(site)
    Miner.objects.filter(miner_class__slug="old").update(asleep=True, load_watts=STANDBY)
    plan_due(now=NOON)
    return Command.objects.get(state=S.PROPOSED)


def test_what_was_approved_before_an_event_and_is_told_late_wakes_nobody_in_it(site: Site) -> None:
    wake = a_wake(site)
    ordering.approve(command=wake, actor=STAFF, now=NOON)
    event = an_event(site, NOON, now=NOON)
    work([event, wake], NOON)
    wake.refresh_from_db()
    assert asleep() == 7 and wake.outcome["target_watts"] == 4 * STANDBY


def test_an_event_is_made_although_a_proposal_waits_and_replaces_it(site: Site) -> None:
    wake = a_wake(site)
    event = an_event(site, NOON, now=NOON)
    wake.refresh_from_db()
    assert (event.state, wake.state, wake.reason) == (S.APPROVED, S.EXPIRED, "newer")


def away(monkeypatch: pytest.MonkeyPatch, where: str, now: datetime) -> None:
    """A worker sleeps at a failpoint until its command was given up."""
    reached = failpoints.reached

    def slept(place: str) -> None:
        if place == where:
            carrying_out.settle(now=now)
        reached(place)

    monkeypatch.setattr(failpoints, "reached", slept)


@pytest.mark.parametrize("place", ["command.taken", "miners.wanted"])
def test_who_slept_until_his_command_was_given_up_tells_no_miner_anything(
    site: Site, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    a_planned_site(site)
    event = an_event(site, NOON, now=NOON)
    away(monkeypatch, place, NOON + carrying_out.CARRY_OUT)
    work([event], NOON)
    event.refresh_from_db()
    assert (event.state, event.reason) == (S.FAILED, "too late")
    assert not any(machine(miner).said for miner in Miner.objects.all())


@pytest.mark.parametrize("slept_behind_the_check", [False, True])
def test_who_slept_until_his_command_was_given_up_announces_no_interruption(
    acme: Organization, world: World, site: Site, monkeypatch: pytest.MonkeyPatch, *, slept_behind_the_check: bool
) -> None:
    a_surplus_lease(acme)
    a_planned_site(site)
    shown = curtailing.preview(site=site, percent=100, hours=3, starts_at=NOON, now=NOON)
    surplus = curtailing.confirm(token=shown.token, actor=STAFF, now=NOON)[-1]
    assert surplus.kind == "surplus"
    away(monkeypatch, "command.taken", NOON + carrying_out.CARRY_OUT)
    if slept_behind_the_check:
        monkeypatch.setattr(carrying_out, "_ours", lambda _: True)
    work([surplus], NOON)
    surplus.refresh_from_db()
    assert surplus.state == S.FAILED and not Interruption.objects.exists()


def test_of_a_wake_that_is_overtaken_by_a_sleep_nothing_is_sent_any_more(
    site: Site, kind: MinerClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    some(site, kind, 4, asleep=True, load_watts=STANDBY, since=NOON - HOUR)
    reached = failpoints.reached

    def overtaken(place: str) -> None:
        if place == "miners.wanted":
            monkeypatch.setattr(failpoints, "reached", reached)
            commanding.obey(site=site, target={kind.pk: 0}, now=NOON, actor=STAFF, reason="an event", limits=QUICK)

    monkeypatch.setattr(failpoints, "reached", overtaken)
    commanding.obey(site=site, target={kind.pk: 4 * WATTS}, now=NOON, actor=STAFF, reason="a plan", limits=QUICK)
    assert [machine(miner).said for miner in Miner.objects.order_by("pk")] == [["sleep"]] * 4
    assert set(Miner.objects.values_list("asleep", "load_watts", "epoch")) == {(True, STANDBY, 2)}


def test_what_was_read_before_a_sleep_wakes_nobody_after_it(
    site: Site, kind: MinerClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    some(site, kind, 4, since=NOON - HOUR)
    Miner.objects.update(asleep=True, load_watts=STANDBY)

    def overtaken(*units: Any, **given: Any) -> Any:
        Miner.objects.update(epoch=F("epoch") + 1)
        return commanding.choose(*units, **given)

    monkeypatch.setattr(obeying, "choose", overtaken)
    commanding.obey(site=site, target={kind.pk: 4 * WATTS}, now=NOON, actor=STAFF, reason="a plan", limits=QUICK)
    assert asleep() == 4 and not any(machine(miner).said for miner in Miner.objects.all())


def test_a_wake_that_is_given_up_leaves_asleep_whom_it_did_not_tell(
    site: Site, kind: MinerClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    some(site, kind, 4, asleep=True, load_watts=STANDBY, since=NOON - HOUR, read_at=NOON, outcome=Outcome.OBEYED)
    for miner in Miner.objects.all():
        machine(miner).asleep = True
    wanted = {"site": site, "target": {kind.pk: 4 * WATTS}, "now": NOON, "actor": STAFF, "limits": QUICK}
    still = iter([True, False])
    commanding.obey(**wanted, reason="a plan", still=lambda: next(still, False))  # type: ignore[arg-type]
    assert set(Miner.objects.values_list("asleep", "load_watts", "outcome")) == {(True, WATTS, "obeyed")}
    commanding.look(site=site, now=NOON, limits=QUICK)
    assert set(Miner.objects.values_list("asleep", "load_watts", "outcome")) == {(True, STANDBY, "obeyed")}
    commanding.obey(**wanted, reason="a plan")  # type: ignore[arg-type]
    assert asleep() == 0, "another command wakes them"


@pytest.mark.parametrize("holds", [True, False])
def test_who_wakes_in_an_event_is_told_to_sleep_again_by_the_next_look(site: Site, *, holds: bool) -> None:
    a_planned_site(site)
    work([an_event(site, NOON, now=NOON)], NOON)
    strayed = Miner.objects.filter(asleep=True).order_by("pk")[0]
    machine(strayed).asleep = False
    at = NOON + (HOUR if holds else 2 * HOUR)
    reads = {read.miner_id: read for read in commanding.look(site=site, now=at, limits=QUICK)}
    assert machine(strayed).asleep == holds
    assert reads[strayed.pk].outcome == (Outcome.OBEYED if holds else Outcome.LIED)
    strayed.refresh_from_db()
    assert strayed.load_watts == (STANDBY if holds else WATTS)
    others = Miner.objects.filter(asleep=True).exclude(pk=strayed.pk)
    assert [machine(miner).said for miner in others] == [["sleep"]] * 4, "who sleeps is told nothing"


def test_staff_hears_of_an_event_that_no_worker_of_the_site_took(site: Site) -> None:
    a_planned_site(site)
    event = an_event(site, NOON, now=NOON)
    assert sweep(NOON + ordering.TAKE) == []
    event.refresh_from_db()
    assert event.state == S.EXPIRED and Event.objects.get(kind="power_command.expired").notice


def test_an_event_goes_on_being_told_while_another_begins(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    a_planned_site(site)
    first = an_event(site, NOON, now=NOON)
    reached = failpoints.reached

    def another(place: str) -> None:
        if place == "miners.wanted":
            monkeypatch.setattr(failpoints, "reached", reached)
            an_event(site, NOON, now=NOON, percent=75)

    monkeypatch.setattr(failpoints, "reached", another)
    work([first], NOON)
    first.refresh_from_db()
    assert first.state == S.DONE and asleep() == 5
