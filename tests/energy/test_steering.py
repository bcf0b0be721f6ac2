"""A site's battery: what plans propose of it, what it may be told, told once, kept up, read back, and free again."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Event
from energy import carrying_out, curtailing, ordering, storing
from energy.batteries import BatteryRefused, BatteryUnreachable
from energy.batteries.fake import Cells
from energy.dispatching import STEP, plan_due
from energy.models import Command, Feed, FeedKind, Inverter, Outcome, PowerPlan, Reading, SitePolicy
from energy.queries.standing import Standing, standing
from energy.states import CommandState as S
from energy.steering import REVERT, BatteryRead, Limits, judge, look, looking, metered, steer, want
from marketplace.models import Node, Site
from marketplace.states import NodeState
from tests import factories
from tests.batteries import running
from tests.energy.conftest import MW, STANDBY, WATTS, a_battery, a_contract, a_feed, a_steered_battery, told
from tests.energy.dispatched import USD, a_planned_site
from tests.factories import HOUR, NOON

pytestmark = pytest.mark.django_db
STAFF, MINUTE = "user:us_dispatcher", timedelta(minutes=1)
DRAWN = 8 * WATTS  # by the site's miners, which is all that it draws
SOON = Limits(pause=0.01, ramp=0.02, look_every=0.01)


@pytest.fixture
def battery(site: Site) -> Cells:
    """20 kW for two hours, half full and just read, at a site that draws 28 kW."""
    a_planned_site(site)
    cells = a_steered_battery(site)
    look(site=site, now=NOON)
    return cells


def a_peak(usd: int) -> None:
    """An hour at another price, then two days at the usual one."""
    feed = Feed.objects.get(slug="macon-price")
    feed.readings.all().delete()
    told(feed, usd * USD, NOON)
    told(feed, 40 * USD, NOON + HOUR, hours=47)


def proposed(*, usd: int = 60) -> Command:
    a_peak(usd)
    plan_due(now=NOON)
    return Command.objects.get(kind="battery")


def pass_to(now: datetime) -> None:
    """The sweep, with every site's worker."""
    for command in carrying_out.due(now=now):
        carrying_out.carry_out(command=command, now=now)
    carrying_out.settle(now=now)


def here(site: Site, now: datetime = NOON) -> Standing:
    found = standing(site, now=now)
    assert found is not None
    return found


def test_a_dear_hour_is_proposed_told_once_read_back_kept_up_and_over_by_itself(site: Site, battery: Cells) -> None:
    command = proposed()
    assert (command.target, command.before, command.watts) == ({"watts": 20_000}, {}, 20_000)
    assert command.cost_micros == 8 * USD * 20_000 // 4 // 10**6, "its wear, for a quarter of an hour"
    assert "0.005 MWh out of it; then 0.015 MWh of its 0.040 MWh are in it" in command.touches[0]
    pass_to(NOON)
    assert not battery.said, "nobody approved it"
    ordering.approve(command=command, actor=STAFF, now=NOON + 2 * MINUTE)
    first, second = carrying_out.due(now=NOON + 2 * MINUTE)[0], carrying_out.due(now=NOON + 2 * MINUTE)[0]
    for row in (first, second):
        carrying_out.carry_out(command=row, now=NOON + 2 * MINUTE)
    command.refresh_from_db()
    assert (command.state, command.outcome["load_watts"]) == (S.DONE, 20_000)
    assert battery.said == [("set", 20_000)] and battery.reverts_in == REVERT.seconds
    assert command.ends_at == NOON + 2 * MINUTE + STEP, "a quarter of an hour from when it was told"
    look(site=site, now=NOON + 15 * MINUTE)
    assert battery.reverts_in == 120, "wound again, and never beyond its end"
    pass_to(command.ends_at)
    look(site=site, now=command.ends_at)
    assert battery.said[-1] == ("release", 0) and Inverter.objects.get().wanted_watts is None
    assert not Command.objects.filter(undoes=command).exists()
    with pytest.raises(ordering.CannotCommand, match="It is over"):
        ordering.undo(command=command, actor=STAFF, now=command.ends_at)


def test_undone_it_is_free_at_once(site: Site, battery: Cells) -> None:
    command = proposed()
    ordering.approve(command=command, actor=STAFF, now=NOON)
    pass_to(NOON)
    command.refresh_from_db()
    opposite = ordering.undo(command=command, actor=STAFF, now=NOON + MINUTE)
    pass_to(NOON + MINUTE)
    opposite.refresh_from_db()
    assert opposite.touches == [ordering.OWN_CONTROL]
    assert (opposite.state, battery.told_watts) == (S.DONE, None)
    again = steer(site=site, watts=None, until=NOON, actor=STAFF, reason="a test", now=NOON + 2 * MINUTE)
    assert again.outcome == Outcome.OBEYED and battery.said == [("set", 20_000), ("release", 0)], "it is free already"
    assert Event.objects.filter(kind="battery.commanded").count() == 3


def test_a_cheap_hour_charges_it(site: Site, battery: Cells) -> None:
    command = proposed(usd=10)
    assert command.target == {"watts": -20_000} and command.watts == -20_000 and command.cost_micros == 0
    assert "takes 0.020 MW" in command.touches[0]


@pytest.mark.parametrize(
    ("watts", "reserve", "stale", "why"),
    [
        (19_999, 0, False, "It moves 20,000 W; the site's policy allows its battery 19,999 W."),
        (20_000, 38, False, "It leaves 37 % in the battery; the site's policy keeps 38 %."),
        (20_000, 37, True, "Too old: hash-price-feed."),
        (20_000, 37, False, ""),
    ],
)
def test_a_policy_lets_the_battery_go_by_itself_within_its_power_and_reserve(
    site: Site, battery: Cells, *, watts: int, reserve: int, stale: bool, why: str
) -> None:
    SitePolicy.objects.create(
        site=site, automatic=True, most_battery_watts=watts, battery_reserve_percent=reserve, least_notice_seconds=60
    )
    if stale:
        Reading.objects.filter(feed__slug="hash-price-feed").update(ends_at=NOON - 3 * HOUR, starts_at=NOON - 4 * HOUR)
    command = proposed()
    assert (command.outcome.get("waits", ""), command.state) == (why, S.PROPOSED if why else S.APPROVED)
    assert why or (command.due_at, command.ends_at) == (NOON + MINUTE, NOON + MINUTE + STEP)


def test_it_gives_no_more_than_the_site_draws_and_takes_no_more_than_the_grid_brings(site: Site) -> None:
    a_planned_site(site, interconnect_watts=DRAWN + 5_000, largest_supply_watts=0)
    cells = a_steered_battery(site, watts=40_000, reserve_percent=10)
    look(site=site, now=NOON)
    assert storing.bounded(here(site), 40_000) == (DRAWN, "The site draws 28,000 W without it, and sells nothing.")
    assert storing.bounded(here(site), -40_000)[0] == -5_000
    cells.most = 3_000
    for permille, given, taken in ((500, 3_000, -3_000), (100, 0, -3_000), (1000, 3_000, 0)):
        cells.permille = permille
        look(site=site, now=NOON)
        assert [storing.bounded(here(site), watts)[0] for watts in (40_000, -40_000)] == [given, taken]
    assert storing.lasting(here(site), 2) == 36_000, "down to its reserve, in two hours"
    a_contract(site, starts_at=NOON, interconnect_watts=DRAWN, largest_supply_watts=DRAWN, house_watts=10_000)
    assert storing.lasting(here(site), 2) == 35_000, "it keeps what would carry the house for an hour"


def test_what_it_holds_is_a_feed_with_its_age_and_where_the_next_plan_begins(site: Site, battery: Cells) -> None:
    assert (here(site).stored.wh, here(site).stored.by) == (20_000, "by its charge")
    battery.permille, battery.watts = 250, -4_000
    look(site=site, now=NOON + MINUTE)
    found = here(site, NOON + MINUTE)
    assert (found.stored.wh, found.battery_watts) == (10_000, -4_000)
    charge = Feed.objects.get(kind=FeedKind.CHARGE)
    assert [row.value for row in charge.readings.order_by("starts_at")] == [500, 250]
    battery.broken = BatteryUnreachable("It does not answer.")
    look(site=site, now=NOON + HOUR, limits=SOON)
    late = here(site, NOON + HOUR)
    assert (late.stored.wh, late.stored.age) == (0, None) and charge.name in late.stale
    plan_due(now=NOON + HOUR)
    assert {row["name"]: row["stale"] for row in PowerPlan.objects.get().inputs}[charge.name]
    assert not Command.objects.filter(kind="battery").exists(), "nobody knows what it holds"


@pytest.mark.parametrize(
    ("cells", "outcome", "detail"),
    [
        ({"deaf": True}, Outcome.LIED, "It took the command of 20,000 W and gives 0 W."),
        ({"broken": BatteryRefused("It is locked.")}, Outcome.REFUSED, "It is locked."),
        ({"broken": BatteryUnreachable("It is gone.")}, Outcome.UNREACHABLE, "It is gone."),
    ],
)
def test_what_does_not_obey_is_not_delivered(
    site: Site, battery: Cells, cells: dict[str, object], outcome: Outcome, detail: str
) -> None:
    vars(battery).update(cells)
    read = steer(
        site=site, watts=20_000, until=NOON + STEP, actor=STAFF, reason="a test", now=NOON + MINUTE, limits=SOON
    )
    assert (read.outcome, read.detail) == (outcome, detail)
    row = Inverter.objects.get()
    assert (row.outcome, row.detail, row.wanted_watts) == (outcome, detail, 20_000), "it is told again"
    assert here(site, NOON + MINUTE).battery_watts == 0


def test_a_command_that_is_refused_or_bounded_has_failed_and_says_why(site: Site, battery: Cells) -> None:
    command = proposed()
    ordering.approve(command=command, actor=STAFF, now=NOON)
    battery.permille = 0
    pass_to(NOON)
    command.refresh_from_db()
    assert (command.state, command.outcome["told_watts"]) == (S.FAILED, 0)
    assert command.outcome["refused"] == "It holds 0 Wh, and its reserve is 0 Wh."
    assert Event.objects.get(kind="power_command.failed").notice


def test_a_worker_that_dies_after_telling_leaves_a_failed_command_and_a_battery_that_is_released_in_time(
    site: Site, battery: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    command = proposed()
    ordering.approve(command=command, actor=STAFF, now=NOON)
    with monkeypatch.context() as killed:
        killed.setattr(carrying_out, "_finish", die)
        with pytest.raises(KeyboardInterrupt):
            pass_to(NOON)
    pass_to(NOON + carrying_out.CARRY_OUT)
    command.refresh_from_db()
    assert (command.state, command.reason) == (S.FAILED, "too late")
    look(site=site, now=NOON + STEP)
    assert battery.said == [("set", 20_000), ("release", 0)]


def test_a_meter_of_its_own_is_believed_before_it(site: Site, battery: Cells) -> None:
    meter = a_feed(FeedKind.DISCHARGING, site=site, age_limit_seconds=600)
    told(meter, 0, NOON - 3 * HOUR)
    command = proposed()
    ordering.approve(command=command, actor=STAFF, now=NOON)
    pass_to(NOON)
    command.refresh_from_db()
    assert command.state == S.SENT, "the battery says so, and its meter does not yet"
    told(meter, 0, NOON + 2 * MINUTE)
    pass_to(NOON + 2 * MINUTE)
    read = look(site=site, now=NOON + 3 * MINUTE, limits=SOON)
    assert (read.outcome, read.detail) == (
        Outcome.LIED,
        "It took the command of 20,000 W and gives, by its meter, 0 W.",
    )
    assert metered(site, since=NOON, now=NOON + 3 * MINUTE) == 0
    told(meter, 19_500, NOON + 4 * MINUTE)
    pass_to(NOON + 4 * MINUTE)
    command.refresh_from_db()
    assert (command.state, command.outcome["metered_watts"]) == (S.DONE, 19_500)


def test_a_real_one_is_steered_over_its_network_and_one_that_only_says_so_is_found_out(
    site: Site, settings: Settings
) -> None:
    settings.BATTERY_NETWORKS = ["127.82.0.0/16"]
    a_planned_site(site)
    a_battery(site, watts=10 * MW, watt_hours=20 * MW)
    with running(speed=200) as there:
        Inverter.objects.create(site=site, address=there.address, port=there.port)
        told_it: dict[str, Any] = {"site": site, "until": NOON + STEP, "actor": STAFF, "reason": "a test", "now": NOON}
        quick = Limits(ramp=1.0, look_every=0.05)
        assert steer(watts=-4 * MW, **told_it, limits=quick).outcome == Outcome.OBEYED
        assert there.look()["watts"] == here(site).battery_watts == -4 * MW
        there.behave("stubborn")
        read = steer(watts=-2 * MW, **told_it, limits=quick)
        assert read.outcome == Outcome.LIED and here(site).battery_watts > -2 * MW
        there.behave("honest")
        assert steer(watts=None, **told_it, limits=quick).outcome == Outcome.OBEYED
        there.behave("half")
        assert look(site=site, now=NOON, limits=SOON).outcome == Outcome.UNREACHABLE


def test_of_two_wishes_at_once_the_later_one_is_told_last(
    site: Site, battery: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*given: Any) -> BatteryRead:
        if len(battery.said) == 1:
            want(site=site, watts=None, until=NOON, now=NOON)
        return judge(*given)

    monkeypatch.setattr(looking, "judge", meanwhile)
    steer(site=site, watts=20_000, until=NOON + STEP, actor=STAFF, reason="a test", now=NOON)
    assert battery.said == [("set", 20_000), ("release", 0)] and Inverter.objects.get().wanted_watts is None


def test_a_grid_event_uses_it_after_miners_before_idle_nodes_and_never_charges_it(site: Site, battery: Cells) -> None:
    factories.a_node(factories.a_pool(nodes=0), bmc_address="https://10.0.0.2")
    small = curtailing.preview(site=site, percent=25, hours=2, starts_at=NOON, now=NOON)
    assert [(row["kind"], row["target"]) for row in small.commands][1:] == [("battery", {"watts": 0})], "it only rests"
    event = curtailing.preview(site=site, percent=100, hours=20, starts_at=NOON, now=NOON)
    assert [cut.use for cut in event.shed.cuts] == ["mining", "mining", "battery", "idle"]
    told_battery = event.commands[1]
    assert (told_battery["target"], told_battery["cost_micros"]) == ({"watts": 1_000}, 8 * USD * 20_000 // 10**6)
    assert event.cost_micros == sum(row["cost_micros"] for row in event.commands)
    words = "then 0.000 MWh of its 0.040 MWh are in it, and its reserve is 0.000 MWh; it is not charged"
    assert words in told_battery["touches"][0]
    curtailing.confirm(token=event.token, actor=STAFF, now=NOON)
    for command in carrying_out.due(now=NOON):
        if command.kind != Command.Kind.IDLE:
            carrying_out.carry_out(command=command, now=NOON)
    assert battery.watts == 1_000 and set(Command.objects.values_list("state", flat=True)) == {S.DONE, S.APPROVED}
    assert storing.bounded(here(site), -5_000) == (0, "A grid event holds: the battery is not charged.")
    Node.objects.update(state=NodeState.RETIRED)
    look(site=site, now=NOON + MINUTE)
    assert battery.watts == 8 * STANDBY, "it gives no more than the site draws by now"
    a_peak(10)
    plan_due(now=NOON)
    assert Command.objects.filter(kind="battery").count() == 1, "no plan charges it while the event holds"
    carrying_out.settle(now=NOON + 20 * HOUR)
    look(site=site, now=NOON + 20 * HOUR)
    assert not battery.told_watts and [row.kind for row in Command.objects.exclude(undoes=None)] == ["miners"]


def test_a_site_without_a_driver_asks_its_staff_and_the_meter_confirms(site: Site) -> None:
    a_planned_site(site)
    told(a_feed(FeedKind.CHARGING, site=site), 50_000, NOON - 3 * HOUR, hours=4)
    event: dict[str, Any] = {"site": site, "percent": 100, "hours": 1.0, "starts_at": NOON, "now": NOON}
    assert [row["kind"] for row in curtailing.preview(**event).commands] == ["miners"], "nothing is known of a battery"
    a_battery(site, watts=20_000, watt_hours=40_000)
    assert [row["kind"] for row in curtailing.preview(**event).commands] == ["miners", "battery"]
    Feed.objects.get(kind=FeedKind.CHARGING).readings.all().delete()
    wish = ordering.Wish(
        kind="battery", why="By hand.", target={"watts": 5_000}, before={"watts": 0}, due_at=NOON, ends_at=NOON + HOUR
    )
    command = ordering.order(site=site, wish=wish, inputs={}, actor=STAFF, now=NOON)
    assert command is not None
    pass_to(NOON)
    notice = Event.objects.get(kind="site.battery_wanted").notice
    assert notice and "set the battery to 0.01 MW" in notice["title"]
    told(a_feed(FeedKind.DISCHARGING, site=site, age_limit_seconds=600), 5_000, NOON + MINUTE)
    pass_to(NOON + MINUTE)
    command.refresh_from_db()
    assert command.state == S.DONE
    pass_to(NOON + HOUR)
    assert Command.objects.get(undoes=command).target == {"watts": 0}
