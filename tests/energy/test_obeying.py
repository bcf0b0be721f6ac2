"""A command from its target to its verdicts: on miners in memory, and on a rack of sockets where many misbehave."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import Event
from energy import commanding, tasks
from energy.commanding import Limits, MinerRead, Report, judge
from energy.commanding.judging import Asked, Heard
from energy.miners import MinerBusy, MinerRefused, MinerState
from energy.miners.fake import silent
from energy.models import Dialect, Miner, MinerClass, Outcome, Source
from marketplace.models import Site
from tests.energy.conftest import QUICK, STANDBY, WATTS, a_class, machine, some
from tests.factories import HOUR, NOON
from tests.miners import running

pytestmark = pytest.mark.django_db


def obey(site: Site, kind: MinerClass, watts: int, **given: Any) -> Report:
    wanted: dict[str, Any] = {"actor": "user:us_tests", "reason": "test", "now": NOON, "limits": QUICK}
    return commanding.obey(site=site, target={kind.pk: watts}, **{**wanted, **given})


def test_miners_sleep_until_the_target_is_met_and_wake_when_there_is_power(site: Site, kind: MinerClass) -> None:
    miners = some(site, kind, 4)
    report = obey(site, kind, 2 * WATTS + 2 * STANDBY)
    assert report.met and report.load_watts == 7_100
    assert report.counts == {"obeyed": 2, "refused": 0, "unreachable": 0, "lied": 0}
    assert [machine(miner).asleep for miner in miners] == [True, True, False, False]
    rows = Miner.objects.order_by("name").values_list("asleep", "outcome", "load_watts", "epoch", "read_asleep")
    assert list(rows) == [(True, "obeyed", 50, 1, True)] * 2 + [(False, "", 3500, 0, None)] * 2

    assert obey(site, kind, 4 * WATTS, now=NOON + HOUR).load_watts == 14_000
    assert [machine(miner).asleep for miner in miners] == [False] * 4
    assert Miner.objects.filter(since=NOON + HOUR, load_source=Source.MINER).count() == 2


def test_the_same_command_again_tells_nobody_anything(site: Site, kind: MinerClass) -> None:
    miners = some(site, kind, 2)
    obey(site, kind, WATTS)
    assert obey(site, kind, WATTS).reads == ()
    assert [machine(miner).said for miner in miners] == [["sleep"], ["sleep"]]
    assert Event.objects.filter(kind="miners.commanded").count() == 1


def test_it_is_on_record_who_wanted_what_and_what_came_of_it(site: Site, kind: MinerClass) -> None:
    some(site, kind, 1)
    obey(site, kind, 0, actor="user:us_ada", reason="grid event")
    event = Event.objects.get(kind="miners.commanded")
    assert (event.actor, event.subject, event.organization) == ("user:us_ada", site.slug, None)
    assert event.data["reason"] == "grid event" and event.data["outcomes"]["obeyed"] == 1


def test_what_does_not_obey_is_load_and_others_sleep_in_its_place(site: Site, kind: MinerClass) -> None:
    refuses, dead, deaf, *good = some(site, kind, 6)
    machine(refuses).broken = [MinerRefused("It refuses: scripted.")]
    machine(dead).always_broken = silent()
    machine(deaf).deaf_to = frozenset({"sleep"})
    report = obey(site, kind, 3 * WATTS + 3 * STANDBY)
    assert report.met and report.counts == {"obeyed": 3, "refused": 1, "unreachable": 1, "lied": 1}
    found = {row.name: (row.outcome, row.load_watts, row.load_source) for row in Miner.objects.all()}
    assert found[refuses.name] == ("refused", WATTS, "miner")
    assert found[dead.name] == ("unreachable", WATTS, "nameplate")
    assert found[deaf.name] == ("lied", WATTS, "miner")
    assert [machine(miner).asleep for miner in good] == [True] * 3
    assert "is awake and draws 3,500 W" in Miner.objects.get(pk=deaf.pk).detail

    machine(dead).always_broken, machine(deaf).deaf_to = None, frozenset()
    again = obey(site, kind, 3 * WATTS + 3 * STANDBY, now=NOON + HOUR)
    assert all("sleep" in machine(miner).said for miner in (refuses, dead, deaf)), "they are told once more"
    assert again.met and sum(machine(miner).asleep for miner in (refuses, dead, deaf, *good)) == 3


def test_a_sites_target_is_met_by_another_class_where_one_does_not_obey(site: Site, kind: MinerClass) -> None:
    worse = a_class("worse", efficiency=29.5)
    (deaf,), (efficient,) = some(site, worse, 1, net=1), some(site, kind, 1)
    machine(deaf).deaf_to = frozenset({"sleep"})
    report = commanding.obey(site=site, target=4000, actor="system:tests", reason="test", now=NOON, limits=QUICK)
    assert report.met and machine(efficient).asleep and not machine(deaf).asleep


def test_a_busy_miner_is_asked_again(site: Site, kind: MinerClass) -> None:
    (miner,) = some(site, kind, 1)
    machine(miner).broken = [MinerBusy("busy"), silent()]
    assert obey(site, kind, 0).counts["obeyed"] == 1


def test_a_meter_catches_who_lies_about_its_power(site: Site, kind: MinerClass) -> None:
    liar, honest, spare = some(site, kind, 3)

    def meter(miners: Collection[int]) -> Mapping[int, int]:
        return {pk: WATTS if pk == liar.pk else STANDBY for pk in miners}

    report = obey(site, kind, WATTS + 2 * STANDBY, meter=meter)
    assert report.counts == {"obeyed": 2, "refused": 0, "unreachable": 0, "lied": 1}
    assert Miner.objects.get(pk=liar.pk).load_source == Source.METER
    assert [machine(miner).asleep for miner in (liar, honest, spare)] == [True] * 3


def test_a_miner_of_the_world_outside_is_never_spoken_to(site: Site, kind: MinerClass, settings: Settings) -> None:
    (miner,) = some(site, kind, 1)
    settings.MINER_NETWORKS = ["192.168.0.0/16"]
    report = obey(site, kind, 0)
    assert not report.met and "in none of the networks of miners" in report.reads[0].detail
    assert machine(miner).said == []


def test_a_miner_that_may_not_be_told_anything_is_load(site: Site, kind: MinerClass) -> None:
    some(site, kind, 1, controlled=False)
    report = obey(site, kind, 0)
    assert (report.reads, report.load_watts, report.met) == ((), WATTS, False)


def test_of_two_commands_the_later_ones_verdict_stands(site: Site, kind: MinerClass) -> None:
    (miner,) = some(site, kind, 1)

    def overtaken(_: Collection[int]) -> Mapping[int, int]:
        Miner.objects.filter(pk=miner.pk).update(epoch=2, asleep=False)
        return {}

    obey(site, kind, 0, meter=overtaken)
    row = Miner.objects.get(pk=miner.pk)
    assert (row.asleep, row.outcome, row.load_watts) == (False, "", WATTS)


def test_a_look_finds_who_strayed_and_who_came_back(site: Site, kind: MinerClass) -> None:
    woke, slept, refused, fine = some(site, kind, 4, since=NOON - HOUR)
    Miner.objects.exclude(pk=slept.pk).update(asleep=True)
    Miner.objects.filter(pk=refused.pk).update(outcome=Outcome.REFUSED, detail="It refuses.")
    machine(slept).asleep = machine(fine).asleep = True
    reads = {read.miner_id: read for read in commanding.look(site=site, now=NOON, limits=QUICK)}
    assert [reads[m.pk].outcome for m in (woke, slept, refused, fine)] == ["lied", "lied", "refused", "obeyed"]
    assert reads[slept.pk].load_watts == WATTS, "it may come back at any moment"
    assert Miner.objects.get(pk=fine.pk).read_at is not None


def test_sites_with_miners_are_looked_at_by_their_own_workers(
    site: Site, kind: MinerClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    some(site, kind, 2)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.look_at_site, "apply_async", lambda **message: sent.append(message))
    tasks.look_at_miners()
    assert [(message["kwargs"], message["queue"]) for message in sent] == [({"site": "macon"}, "site.macon")]
    tasks.look_at_site(site="macon")
    assert Miner.objects.filter(outcome=Outcome.OBEYED).count() == 2


ASLEEP = Asked(miner_id=1, asleep=True, watts=WATTS, standby_watts=STANDBY)
AWAKE = replace(ASLEEP, asleep=False)
SLEEPS, HASHES = MinerState(True, 50, 0.0), MinerState(False, 3450, 200.0)


@pytest.mark.parametrize(
    ("asked", "heard", "metered", "outcome", "watts", "source"),
    [
        (ASLEEP, Heard(state=SLEEPS), None, "obeyed", 50, "miner"),
        (ASLEEP, Heard(state=SLEEPS), 3480, "lied", 3480, "meter"),
        (ASLEEP, Heard(state=HASHES), None, "lied", 3450, "miner"),
        (ASLEEP, Heard(state=MinerState(True, 3450, 0.0)), None, "lied", 3450, "miner"),
        (ASLEEP, Heard(state=MinerState(True, None, 0.0)), None, "obeyed", 50, "nameplate"),
        (ASLEEP, Heard(state=MinerState(False, None, 99.0)), None, "lied", 3500, "nameplate"),
        (ASLEEP, Heard(state=SLEEPS, refusal="no"), None, "obeyed", 50, "miner"),
        (ASLEEP, Heard(state=HASHES, refusal="no"), None, "refused", 3450, "miner"),
        (ASLEEP, Heard(silence="quiet"), None, "unreachable", 3500, "nameplate"),
        (ASLEEP, Heard(silence="quiet"), 40, "unreachable", 40, "meter"),
        (AWAKE, Heard(state=HASHES), None, "obeyed", 3450, "miner"),
        (AWAKE, Heard(state=SLEEPS), None, "lied", 3500, "nameplate"),
        (replace(AWAKE, rising=True), Heard(state=SLEEPS), None, "obeyed", 3500, "nameplate"),
        (replace(AWAKE, rising=True), Heard(state=SLEEPS, refusal="no"), None, "refused", 3500, "nameplate"),
        (AWAKE, Heard(silence="quiet"), None, "unreachable", 3500, "nameplate"),
    ],
)
def test_a_verdict_believes_a_meter_first_and_silence_never(
    asked: Asked, heard: Heard, metered: int | None, outcome: str, watts: int, source: str
) -> None:
    read: MinerRead = judge(asked, heard, metered=metered, at=NOON)
    assert (read.outcome, read.load_watts, read.source) == (outcome, watts, source)
    assert bool(read.detail) == (outcome != "obeyed")


BEHAVIOURS = ("refusing", "silent", "half", "garbage", "endless", "stubborn", "lying")


def test_a_rack_of_sockets_where_half_misbehave_is_brought_below_its_target(site: Site, settings: Settings) -> None:
    settings.MINER_NETWORKS = ["127.0.0.0/8"]
    kind = a_class("s21", dialect=Dialect.LUXOS)
    with running("s21:20", speed=100) as rack:
        rows = [
            Miner(site=site, miner_class=kind, name=f"{number:02}", address=address, port=rack.port, load_watts=WATTS)
            for number, address in enumerate(rack.addresses)
        ]
        Miner.objects.bulk_create([_since(row) for row in rows])
        for address, behaviour in zip(rack.addresses, BEHAVIOURS, strict=False):
            rack.behave(behaviour, address)
        by_pk = {row.pk: row.address for row in Miner.objects.all()}

        def meter(miners: Collection[int]) -> Mapping[int, int]:
            drawn = rack.metered()
            return {pk: drawn[by_pk[pk]] for pk in miners}

        limits = Limits(timeout=0.5, attempts=1, look_every=0.05, grace=0.5)
        report = obey(site, kind, 8 * WATTS + 12 * 60, meter=meter, limits=limits)
        drawn = sum(rack.metered().values())
    assert report.counts == {"obeyed": 12, "refused": 1, "unreachable": 4, "lied": 2}
    assert report.met and drawn <= report.target_watts
    assert abs(drawn - report.load_watts) < 500


def _since(row: Miner) -> Miner:
    row.since = NOON - timedelta(hours=1, minutes=-int(row.name))
    return row
