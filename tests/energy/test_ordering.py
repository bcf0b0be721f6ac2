"""Commands to sites: proposed, decided, told once, read back, undone; and the grid event that makes several."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Event, Organization
from energy import carrying_out, curtailing, ordering
from energy.commanding import obeying
from energy.dispatching import STEP, plan_due
from energy.miners import MinerRefused
from energy.models import Command, FeedKind, Miner, SitePolicy
from energy.queries.standing import standing
from energy.states import CommandState as S
from leasing.models import Interruption, Lease
from leasing.provisioners.fake import World
from marketplace.models import Site
from tests import factories
from tests.energy.conftest import STANDBY, WATTS, a_feed, machine, told
from tests.energy.dispatched import a_planned_site
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active
from tests.leasing.interrupted import a_surplus_lease

pytestmark = pytest.mark.django_db
STAFF = "user:us_dispatcher"
MINUTE = timedelta(minutes=1)


def proposed(site: Site, *, usd: int = 90) -> Command:
    a_planned_site(site, usd=usd)
    plan_due(now=NOON)
    return Command.objects.get()


def pass_to(now: object) -> None:
    """The sweep, with every site's worker."""
    for command in carrying_out.due(now=now):  # type: ignore[arg-type]
        carrying_out.carry_out(command=command, now=now)  # type: ignore[arg-type]
    carrying_out.settle(now=now)  # type: ignore[arg-type]


def state(command: Command) -> str:
    command.refresh_from_db()
    return command.state


def test_nothing_is_told_before_a_person_approves_and_then_it_is_told_once_and_read_back(site: Site) -> None:
    command = proposed(site)
    assert command.target == {"old": 4 * STANDBY} and command.before == {"old": 4 * WATTS}
    assert command.outcome == {"waits": "The site's policy is proposals only."}
    pass_to(NOON)
    assert not Miner.objects.filter(asleep=True).exists()
    ordering.approve(command=command, actor=STAFF, now=NOON)
    first, second = carrying_out.due(now=NOON)[0], carrying_out.due(now=NOON)[0]
    carrying_out.carry_out(command=first, now=NOON)
    carrying_out.carry_out(command=second, now=NOON)
    assert state(command) == S.DONE and command.outcome["load_watts"] == 4 * STANDBY
    assert set(Miner.objects.filter(asleep=True).values_list("epoch", flat=True)) == {1}, "of two workers one told them"
    assert Event.objects.filter(kind="miners.commanded", data__reason=command.public_id).count() == 1


def test_what_nobody_decides_or_takes_in_time_expires_and_a_newer_proposal_replaces_it(site: Site) -> None:
    command = proposed(site)
    carrying_out.settle(now=NOON + ordering.DECIDE)
    assert state(command) == S.EXPIRED
    plan_due(now=NOON + STEP)
    plan_due(now=NOON + 2 * STEP)
    older, newest = Command.objects.exclude(pk=command.pk).order_by("pk")
    assert (older.state, older.reason) == (S.EXPIRED, "newer")
    with pytest.raises(ordering.CannotCommand, match="too old by now"):
        ordering.approve(command=newest, actor=STAFF, now=NOON + 2 * STEP + ordering.DECIDE)
    late = NOON + 2 * STEP
    ordering.approve(command=newest, actor=STAFF, now=late)
    carrying_out.settle(now=late + ordering.TAKE)
    assert state(newest) == S.EXPIRED and not carrying_out.due(now=late + ordering.TAKE)
    with pytest.raises(ordering.CannotCommand, match="The command is expired"):
        ordering.decline(command=newest, actor=STAFF, now=late)


def test_a_worker_that_dies_leaves_a_failed_command_and_staff_hears_of_it(site: Site) -> None:
    command = proposed(site)
    ordering.approve(command=command, actor=STAFF, now=NOON)
    assert carrying_out.take(command=carrying_out.due(now=NOON)[0], now=NOON)
    carrying_out.settle(now=NOON + carrying_out.CARRY_OUT)
    assert (state(command), command.reason) == (S.FAILED, "too late")
    assert Event.objects.get(kind="power_command.failed").notice


@pytest.mark.parametrize(("dies_at", "asleep"), [("send", False), ("_finish", True)])
def test_a_worker_that_dies_between_taking_and_saying_leaves_miners_counted_as_they_are_and_the_event_ends(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, dies_at: str, asleep: bool
) -> None:
    a_planned_site(site)
    shown = curtailing.preview(site=site, percent=25, hours=3, starts_at=NOON, now=NOON)
    (command,) = curtailing.confirm(token=shown.token, actor=STAFF, now=NOON)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(obeying if dies_at == "send" else carrying_out, dies_at, die)
        with pytest.raises(KeyboardInterrupt):
            carrying_out.carry_out(command=command, now=NOON)
    assert Miner.objects.filter(asleep=True).count() == 3, "what is wanted is written first"
    awake = 5 if asleep else 8
    here = standing(site, now=NOON)
    assert here and here.uses["mining"] == awake * WATTS + (8 - awake) * STANDBY
    carrying_out.settle(now=NOON + carrying_out.CARRY_OUT)
    assert (state(command), command.reason) == (S.FAILED, "too late")
    carrying_out.settle(now=NOON + 3 * HOUR)
    pass_to(NOON + 3 * HOUR)
    assert not Miner.objects.filter(asleep=True).exists(), "what was told is undone, and what was not"


def test_miners_that_do_not_obey_make_it_failed_with_what_was_read(site: Site) -> None:
    command = proposed(site)
    for miner in Miner.objects.filter(miner_class__slug="old"):
        machine(miner).always_broken = MinerRefused("It is locked.")
    ordering.approve(command=command, actor=STAFF, now=NOON)
    pass_to(NOON)
    assert state(command) == S.FAILED and command.outcome["load_watts"] > command.target["old"]


def test_undone_it_is_as_before_and_only_once(site: Site) -> None:
    command = proposed(site)
    with pytest.raises(ordering.CannotCommand, match="Only a command that was carried out"):
        ordering.undo(command=command, actor=STAFF, now=NOON)
    ordering.approve(command=command, actor=STAFF, now=NOON)
    pass_to(NOON)
    command.refresh_from_db()
    opposite = ordering.undo(command=command, actor=STAFF, now=NOON + MINUTE)
    with pytest.raises(ordering.CannotCommand, match="undone already"):
        ordering.undo(command=command, actor=STAFF, now=NOON + MINUTE)
    pass_to(NOON + MINUTE)
    assert state(opposite) == S.DONE and not Miner.objects.filter(asleep=True).exists()


@pytest.mark.parametrize(
    ("automatic", "classes", "most", "usd_old_hours", "why"),
    [
        (False, ["old"], 10**9, 0, "The site's policy is proposals only."),
        (True, ["new"], 10**9, 0, "The site's policy does not name the miners old."),
        (True, ["old"], 5_000, 0, "It changes 13,800 W; the site's policy allows 5,000 W in one step."),
        (True, ["old"], 10**9, 60, "Too old: hash-price-feed, macon-price."),
        (True, ["old"], 10**9, 0, ""),
    ],
)
def test_a_policy_lets_miners_go_by_themselves_within_its_limits_only(
    site: Site, *, automatic: bool, classes: list[str], most: int, usd_old_hours: int, why: str
) -> None:
    kinds = {kind.slug: kind for kind in a_planned_site(site, usd=90)}
    policy = SitePolicy.objects.create(
        site=site, automatic=automatic, most_watts_per_step=most, least_notice_seconds=120
    )
    policy.classes.set([kinds[slug] for slug in classes])
    at = NOON + usd_old_hours * HOUR
    plan_due(now=at)
    command = Command.objects.get()
    assert (command.outcome.get("waits", ""), command.state) == (why, S.PROPOSED if why else S.APPROVED)
    assert why or command.due_at == at + 2 * MINUTE


def test_a_grid_event_turns_down_miners_first_and_never_a_firm_lease(
    acme: Organization, world: World, site: Site
) -> None:
    firm = active(acme, factories.an_offer())
    lease = a_surplus_lease(acme)
    a_planned_site(site)
    starts_at = NOON + 2 * HOUR
    small = curtailing.preview(site=site, percent=25, hours=3, starts_at=starts_at, now=NOON)
    assert [(cut.use, cut.name) for cut in small.shed.cuts] == [("mining", "old")]
    whole = curtailing.preview(site=site, percent=100, hours=3, starts_at=starts_at, now=NOON)
    assert [cut.use for cut in whole.shed.cuts] == ["mining", "mining", "surplus"]
    assert whole.shed.missing_mw * 1e6 == pytest.approx(10_200 + 8 * STANDBY), "the firm lease, and standby"
    assert not any(firm.public_id in words for command in whole.commands for words in command["touches"])
    made = curtailing.confirm(token=whole.token, actor=STAFF, now=NOON + MINUTE)
    assert curtailing.confirm(token=whole.token, actor=STAFF, now=NOON + MINUTE) == [], "twice is once"
    assert [command.kind for command in made] == ["miners", "surplus"]
    pass_to(NOON + MINUTE)
    row = Interruption.objects.get()
    assert (row.lease_id, row.begins_at, row.ends_at) == (lease.pk, starts_at, starts_at + 3 * HOUR)
    assert not Miner.objects.filter(asleep=True).exists(), "not before its time"
    pass_to(starts_at)
    assert Miner.objects.filter(asleep=True).count() == 8
    plan_due(now=starts_at + STEP)
    assert not Command.objects.filter(state=S.PROPOSED).exists(), "no plan wakes them while the event holds"
    for _ in range(2):
        pass_to(starts_at + 3 * HOUR)
    assert not Miner.objects.filter(asleep=True).exists(), "and afterwards they run again"
    assert Lease.objects.get(pk=firm.pk).state == "active"


def test_an_event_has_its_full_length_also_if_its_beginning_has_passed(site: Site) -> None:
    a_planned_site(site)
    begins = {
        -3 * HOUR: NOON,
        -timedelta(seconds=1): NOON,
        0 * HOUR: NOON,
        MINUTE: NOON + MINUTE,
        48 * HOUR: NOON + 48 * HOUR,
    }
    for after, starts_at in begins.items():
        shown = curtailing.preview(site=site, percent=25, hours=1.5, starts_at=NOON + after, now=NOON)
        assert (shown.starts_at, shown.ends_at) == (starts_at, starts_at + 1.5 * HOUR), after
        assert [(row["due_at"], row["ends_at"]) for row in shown.commands] == [
            (starts_at.isoformat(), (starts_at + 1.5 * HOUR).isoformat())
        ]
    with pytest.raises(curtailing.BadEvent, match="within the next two days"):
        curtailing.preview(site=site, percent=25, hours=1.5, starts_at=NOON + 48 * HOUR + MINUTE, now=NOON)


def test_a_preview_that_is_old_or_not_ours_is_refused(site: Site) -> None:
    a_planned_site(site)
    shown = curtailing.preview(site=site, percent=25, hours=3, starts_at=NOON, now=NOON)
    with pytest.raises(curtailing.BadEvent, match="more than five minutes ago"):
        curtailing.confirm(token=shown.token, actor=STAFF, now=NOON + 6 * MINUTE)
    with pytest.raises(curtailing.BadEvent, match="no plan that was shown here"):
        curtailing.confirm(token=shown.token[:-1] + "!", actor=STAFF, now=NOON)


def test_an_event_that_is_called_off_goes_back_whatever_was_told_of_it(
    acme: Organization, world: World, site: Site
) -> None:
    a_surplus_lease(acme)
    a_planned_site(site)
    shown = curtailing.preview(site=site, percent=100, hours=3, starts_at=NOON, now=NOON)
    miners, surplus = curtailing.confirm(token=shown.token, actor=STAFF, now=NOON)
    assert carrying_out.take(command=Command.objects.get(pk=miners.pk), now=NOON), "a worker is telling them"
    carrying_out.carry_out(command=Command.objects.get(pk=surplus.pk), now=NOON)
    for _ in range(2):
        curtailing.call_off(event=miners.event, actor=STAFF, now=NOON + MINUTE)
    pass_to(NOON + MINUTE)
    assert Interruption.objects.get().state == "called_off" and state(surplus) == S.DONE
    assert state(miners) == S.SENT and not hasattr(miners, "undone_by")
    pass_to(NOON + carrying_out.CARRY_OUT)
    assert Command.objects.get(undoes=miners).state == S.APPROVED, "once it is known what came of it"
    with pytest.raises(curtailing.BadEvent, match="no such grid event"):
        curtailing.call_off(event="", actor=STAFF, now=NOON)


@pytest.mark.parametrize("shown_ahead", [False, True])
def test_where_events_overlap_miners_wake_when_the_last_is_over(site: Site, *, shown_ahead: bool) -> None:
    a_planned_site(site)
    asleep = Miner.objects.filter(asleep=True)
    at = NOON if shown_ahead else NOON + HOUR  # by then the first one holds
    for starts_at, now in ((NOON, NOON), (NOON + HOUR, at)):
        shown = curtailing.preview(site=site, percent=50, hours=2, starts_at=starts_at, now=now)
        curtailing.confirm(token=shown.token, actor=STAFF, now=now)
        pass_to(now)
    for _ in range(2):
        pass_to(NOON + HOUR)
    down = asleep.count()
    for _ in range(2):
        pass_to(NOON + 2 * HOUR)
    assert 0 < asleep.count() <= down and Command.objects.filter(undoes__isnull=False).count() == 1
    second = Command.objects.filter(undoes=None).latest("pk")
    here = standing(site, now=NOON + 2 * HOUR)
    assert here and sum(row.watts for row in here.classes) <= sum(second.target.values()), "the second one still holds"
    for _ in range(2):
        pass_to(NOON + 3 * HOUR)
    assert not asleep.exists()


def test_after_an_event_that_nobody_undid_the_next_plan_proposes_to_wake_miners_again(site: Site) -> None:
    a_planned_site(site)
    shown = curtailing.preview(site=site, percent=25, hours=1, starts_at=NOON, now=NOON)
    curtailing.confirm(token=shown.token, actor=STAFF, now=NOON)
    pass_to(NOON)
    carrying_out.settle(now=NOON + HOUR)
    carrying_out.settle(now=NOON + HOUR + ordering.TAKE)  # no worker took the opposite
    assert Miner.objects.filter(asleep=True).exists()
    plan_due(now=NOON + HOUR + STEP)
    again = Command.objects.get(state=S.PROPOSED)
    assert again.watts < 0 and again.target == {"old": 4 * WATTS} and "more" in again.why


def test_leases_that_the_plan_does_not_power_are_proposed_to_a_person_the_cheapest_credit_first(
    acme: Organization, world: World, site: Site
) -> None:
    firm = active(acme, factories.an_offer())
    dear = a_surplus_lease(acme)
    small = factories.a_pool(nodes=1, node_type=factories.a_node_type("h100x4", gpus=4))
    cheap = active(acme, factories.an_offer(small, dear.offer.plan, micros=dear.rate.micros_per_node_hour // 2))
    SitePolicy.objects.create(site=site, automatic=True, most_watts_per_step=10**9).classes.set(a_planned_site(site))
    told(a_feed(FeedKind.GRID_AVAILABLE, site=site), 25_000, NOON)  # 30,600 W are leased
    plan_due(now=NOON)
    (made,) = Command.objects.filter(kind="surplus")
    assert (made.lease, made.state) == (cheap, S.PROPOSED)
    assert made.outcome == {"waits": "Only miners and the battery are told without a person."}
    begins_at = datetime.fromisoformat(made.target["begins_at"])
    assert begins_at >= NOON + ordering.DECIDE + HOUR, "whoever approves in time keeps the notice"
    ordering.approve(command=made, actor=STAFF, now=NOON + 14 * MINUTE)
    pass_to(NOON + 14 * MINUTE)
    row = Interruption.objects.get()
    assert (row.lease, row.begins_at, row.cause) == (cheap, begins_at, "short")
    plan_due(now=NOON + STEP)
    assert not Command.objects.filter(kind="surplus").exclude(pk=made.pk).exists(), "what is announced is counted"
    assert Lease.objects.get(pk=firm.pk).state == "active"
