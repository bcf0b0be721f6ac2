"""Agreed time that is handed back is written down, and others can book it at once."""

from datetime import datetime, timedelta

import pytest
from django.db import transaction

from accounts.models import Organization, Stale
from leasing import operations, schedule
from leasing.models import ChangeKind, Claim, Lease, LeaseChange
from leasing.operations import NodesTaken, WindowRefused, calendar, next_end
from leasing.operations.ending import end_locked
from leasing.provisioners.fake import World
from leasing.states import LeaseState
from marketplace.models import NodeCalendar, Offer, PlanKind
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing import stages
from tests.leasing.conftest import order, work_all

pytestmark = pytest.mark.django_db
ACTOR = "user:us_tests"
MINUTE = timedelta(minutes=1)
START, END = NOON + HOUR, NOON + 11 * HOUR


@pytest.fixture
def reserved(db: None) -> Offer:
    """One node by the hour."""
    return factories.an_offer(factories.a_pool(), factories.a_plan(PlanKind.RESERVED))


@pytest.fixture
def lease(acme: Organization, reserved: Offer, world: World) -> Lease:
    """Active from 13:00 to 23:00."""
    lease = order(acme, reserved, starts_at=START, ends_at=END)
    schedule.start_due(now=START)
    work_all(reserved, now=START)
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE
    return lease


def shorten(lease: Lease, ends_at: datetime, now: datetime = START) -> LeaseChange | None:
    return operations.shorten(lease=lease, ends_at=ends_at, actor=ACTOR, now=now)


def taken(lease: Lease) -> tuple[datetime, datetime]:
    """What the only node's calendar says, which must be what the claim says."""
    claim, calendar = Claim.objects.get(lease=lease, released_at=None), NodeCalendar.objects.get()
    (busy,) = calendar.busy
    assert (busy.lower, busy.upper) == (claim.period.lower, claim.period.upper)
    return claim.period.lower, claim.period.upper


def test_a_shorter_lease_ends_earlier_and_its_hosts_are_told(lease: Lease) -> None:
    change = shorten(lease, START + 4 * HOUR)
    assert change and (change.kind, change.nodes) == (ChangeKind.SHORTENED, [lease.machines.get().node_id])
    assert (change.new_ends_at, change.old_ends_at) == (START + 4 * HOUR, END)
    assert taken(lease) == (START, START + 4 * HOUR + 15 * MINUTE)
    version = lease.setup_version
    lease.refresh_from_db()
    assert lease.ends_at == lease.guaranteed_until == lease.last_moment == START + 4 * HOUR
    assert lease.setup_version == version + 1
    schedule.refresh_machines(now=START)
    work_all(lease.offer, now=START)
    assert lease.machines.get().setup_applied == lease.setup_version
    schedule.end_due(now=START + 4 * HOUR)
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.RECLAIMING, "period_over")


def test_the_time_behind_the_new_end_can_be_booked_at_once(lease: Lease, reserved: Offer) -> None:
    other = factories.an_organization("Other")
    window = {"starts_at": START + 5 * HOUR, "ends_at": END}
    with pytest.raises(NodesTaken):
        order(other, reserved, **window)
    shorten(lease, START + 4 * HOUR)
    assert order(other, reserved, **window).state == LeaseState.SCHEDULED


def test_the_time_of_a_returned_lease_can_be_booked_at_once(lease: Lease, reserved: Offer) -> None:
    change = operations.give_back(lease=lease, actor=ACTOR, now=START + 5 * MINUTE)
    assert change and (change.kind, change.new_ends_at) == (ChangeKind.RETURNED, START + 5 * MINUTE)
    other = factories.an_organization("Other")
    wanted = {"starts_at": START + HOUR, "ends_at": END, "now": START + 5 * MINUTE}
    assert order(other, reserved, **wanted).state == LeaseState.SCHEDULED


def test_the_whole_window_of_a_cancelled_lease_can_be_booked_at_once(acme: Organization, reserved: Offer) -> None:
    lease = order(acme, reserved, starts_at=START, ends_at=END)
    change = operations.give_back(lease=lease, actor=ACTOR, now=NOON)
    assert change and (change.kind, change.new_ends_at, change.old_ends_at) == (ChangeKind.CANCELLED, START, END)
    assert order(factories.an_organization("Other"), reserved, starts_at=START, ends_at=END).node_count == 1


@pytest.mark.parametrize(
    ("ends_at", "now", "words"),
    [
        (END, START, None),
        (END + HOUR, START, "before the present one, 2026-03-02 23:00 UTC"),
        (START + 2 * HOUR, START + 2 * HOUR, "after now"),
        (START + 2 * HOUR, START + 2 * HOUR - timedelta(microseconds=1), None),
        (START, START - HOUR, "next end from then on is 2026-03-02 14:00 UTC"),
        (START + HOUR, START, None),
        (START + 90 * MINUTE, START, "next end from then on is 2026-03-02 15:00 UTC"),
    ],
)
def test_a_lease_is_shortened_within_its_terms(
    lease: Lease, ends_at: datetime, now: datetime, words: str | None
) -> None:
    if words is None:
        shorten(lease, ends_at, now)
        lease.refresh_from_db()
        assert lease.ends_at == ends_at
    else:
        with pytest.raises(WindowRefused, match=words):
            shorten(lease, ends_at, now)
        assert taken(lease)[1] == END + 15 * MINUTE


def test_lengths_stay_multiples_where_the_terms_want_them(acme: Organization) -> None:
    days = {"length_steps": [[0, 86_400]], "min_seconds": 86_400, "granularity_seconds": 86_400}
    plan = factories.a_plan(PlanKind.RESERVED, offset_seconds=41_400, **days)
    offer = factories.an_offer(factories.a_pool(), plan)
    begin = NOON + DAY - 30 * MINUTE
    lease = order(acme, offer, starts_at=begin, ends_at=begin + 5 * DAY)
    assert next_end(lease, begin + 25 * HOUR) == begin + 2 * DAY
    assert next_end(lease, NOON) == begin + DAY
    with pytest.raises(WindowRefused, match="next end"):
        shorten(lease, begin + 2 * DAY + HOUR, NOON)
    shorten(lease, begin + 2 * DAY, NOON)


def test_what_was_left_of_the_first_day_comes_on_top_of_the_multiples(acme: Organization) -> None:
    weeks = {"length_steps": [[14 * 86_400, 7 * 86_400]], "min_seconds": 86_400, "granularity_seconds": 86_400}
    plan = factories.a_plan(PlanKind.RESERVED, offset_seconds=41_400, may_start_now=True, **weeks)
    at_once, begin = NOON + DAY - 105 * MINUTE, NOON + DAY - 30 * MINUTE  # 10:15, and the 11:30 behind it
    lease = order(acme, factories.an_offer(factories.a_pool(), plan), starts_at=at_once, ends_at=begin + 21 * DAY)
    assert next_end(lease, begin + 13 * DAY + HOUR) == begin + 14 * DAY
    assert next_end(lease, begin + 14 * DAY + HOUR) == begin + 21 * DAY
    shorten(lease, begin + 14 * DAY, NOON)


def test_after_a_start_off_the_multiples_the_end_that_is_named_can_be_chosen(acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(), factories.a_plan(PlanKind.RESERVED, may_start_now=True))
    lease = order(acme, offer, starts_at=NOON + 20 * MINUTE, ends_at=NOON + 9 * HOUR)
    with pytest.raises(WindowRefused, match="2026-03-02 14:00 UTC"):
        shorten(lease, NOON + HOUR, NOON)
    shorten(lease, NOON + 2 * HOUR, NOON)


def test_an_open_ended_lease_and_one_that_is_over_are_not_shortened(acme: Organization, lease: Lease) -> None:
    open_ended = order(acme, factories.an_offer(factories.a_pool(site=factories.a_site("valdosta"))))
    with pytest.raises(WindowRefused, match="no agreed end"):
        shorten(open_ended, NOON + HOUR, NOON)
    operations.end(lease=lease, reason="period_over", actor=ACTOR, now=START + HOUR)
    with pytest.raises(WindowRefused, match="The lease is over"):
        shorten(lease, START + 4 * HOUR, START + HOUR)


def test_only_the_nodes_that_serve_are_freed(acme: Organization, world: World) -> None:
    """One that was replaced is being wiped: its claim is not the customer's to give back."""
    offer = factories.an_offer(factories.a_pool(nodes=2), factories.a_plan(PlanKind.RESERVED))
    lease = order(acme, offer, starts_at=START, ends_at=END)
    schedule.start_due(now=START)
    operations.fail_start(machine=lease.machines.get(), reason="broken", now=START)
    before = Claim.objects.order_by("pk").first()
    work_all(offer, now=START + MINUTE)
    change = shorten(lease, START + 4 * HOUR, START + MINUTE)
    assert before and change and change.nodes == [lease.machines.order_by("-pk")[0].node_id] != [before.node_id]


def test_a_lease_is_called_off_only_as_it_was_read(acme: Organization) -> None:
    lease = stages.scheduled(acme, NOON)
    node_ids = calendar.claimed(lease)
    stale = Lease.objects.get(pk=lease.pk)
    stale.version -= 1
    with pytest.raises(Stale), transaction.atomic():
        end_locked(lease=stale, node_ids=node_ids, reason="returned", actor=ACTOR, now=NOON)
    assert not Claim.objects.exclude(released_at=None).exists()
    end_locked(lease=lease, node_ids=node_ids, reason="returned", actor=ACTOR, now=NOON)
    fresh = Lease.objects.get(pk=lease.pk)
    assert (fresh.state, fresh.version, fresh.reason) == (lease.state, lease.version, lease.reason)
    moves = [
        fresh.transitions.get(seq=fresh.version),
        *(m.transitions.get(seq=m.version) for m in fresh.machines.all()),
    ]
    assert {(move.at, move.reason, move.actor) for move in moves} == {(NOON, "returned", ACTOR)}
    assert {(move.old, move.new) for move in moves} == {("scheduled", "cancelled"), ("pending", "withdrawn")}
