"""Planned work: a window in a node's calendar, begun at its time, finished by who did it, told to whom it concerns."""

from typing import Any

import pytest

from accounts.models import Event, Organization
from leasing import operations, schedule
from leasing.models import Claim, MaintenanceState
from leasing.operations import NodesTaken
from leasing.operations.calendar import claims_in
from leasing.operations.maintaining import (
    NotOpen,
    WindowTaken,
    cancel_maintenance,
    extend_maintenance,
    finish_maintenance,
)
from leasing.operations.upkeep import drain, quarantine, release_from_quarantine
from leasing.provisioners.fake import World
from leasing.queries.fleet import maintenance_of
from leasing.states import LeaseState
from marketplace.models import Node, NodeCalendar, Offer
from marketplace.queries import BadPeriod, Window
from marketplace.states import NodeState
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active, hold, work_all
from tests.leasing.staff import STAFF, by_staff, kinds, plan, reserved

pytestmark = pytest.mark.django_db


def test_a_window_takes_the_node_and_nobody_can_book_it(acme: Organization, offer: Offer, node: Node) -> None:
    plan(node, NOON + DAY, NOON + DAY + 4 * HOUR)
    with pytest.raises(NodesTaken) as refused:
        reserved(acme, offer, NOON + DAY - 2 * HOUR)
    assert refused.value.windows[0].ends_at <= NOON + DAY
    assert hold(acme, offer).guaranteed_until == NOON + DAY - 900 * (HOUR / 3600)


def test_a_window_over_a_lease_is_refused_with_who_has_it_and_the_next_time_that_is_free(
    acme: Organization, offer: Offer, node: Node
) -> None:
    lease = reserved(acme, offer, NOON + DAY)
    work = plan(node, NOON + DAY + 9 * HOUR, NOON + DAY + 10 * HOUR)
    with pytest.raises(WindowTaken) as refused:
        plan(node, NOON + DAY + 7 * HOUR, NOON + DAY + 10 * HOUR)
    assert [(claim.lease, getattr(claim, "maintenance", None)) for claim in refused.value.claims] == [
        (lease, None),
        (None, work),
    ]
    free_from = refused.value.free_from
    assert free_from == NOON + DAY + 10 * HOUR
    assert claims_in(node=node, window=Window(free_from, free_from + 3 * HOUR)) == []
    assert plan(node, free_from, free_from + 3 * HOUR).starts_at == free_from


@pytest.mark.parametrize(
    ("starts", "ends", "field"),
    [(-2 * HOUR, -HOUR, "ends_at"), (2 * HOUR, HOUR, "ends_at"), (61 * DAY, 62 * DAY, "starts_at")],
)
def test_a_window_that_makes_no_sense_names_the_field(node: Node, starts: Any, ends: Any, field: str) -> None:
    with pytest.raises(BadPeriod) as refused:
        plan(node, NOON + starts, NOON + ends)
    assert refused.value.field == field
    assert not Claim.objects.exists()


def test_work_begins_at_its_time_and_when_it_is_done_the_rest_is_free_and_the_node_is_verified(node: Node) -> None:
    work = plan(node, NOON + HOUR, NOON + 5 * HOUR)
    schedule.run_due(now=NOON)
    node.refresh_from_db()
    assert node.state == NodeState.AVAILABLE
    for _ in range(2):
        schedule.run_due(now=NOON + HOUR)
    node.refresh_from_db()
    assert (node.state, node.reason) == (NodeState.MAINTENANCE, work.public_id)
    done = [finish_maintenance(maintenance=work, actor=STAFF, now=NOON + 2 * HOUR) for _ in range(2)]
    node.refresh_from_db()
    assert (done, node.state) == ([True, False], NodeState.VERIFYING)
    assert list(NodeCalendar.objects.get().busy) == []
    assert kinds(node.public_id)[:3] == [
        "node.maintenance_planned",
        "node.maintenance_begun",
        "node.maintenance_done",
    ]


def test_work_waits_until_the_last_tenant_is_wiped(acme: Organization, offer: Offer, node: Node, world: World) -> None:
    lease = active(acme, offer, ends_at=NOON + HOUR)
    plan(node, NOON + 2 * HOUR, NOON + 5 * HOUR)
    schedule.run_due(now=NOON + HOUR)
    schedule.run_due(now=NOON + 2 * HOUR)
    node.refresh_from_db()
    lease.refresh_from_db()
    assert (lease.state, node.state) == (LeaseState.ENDED, NodeState.WIPE_FAILED)  # nobody worked, the wipe is late
    operations.wipe_again(machine=lease.machines.get(), actor=STAFF, now=NOON + 2 * HOUR)
    work_all(offer, now=NOON + 2 * HOUR)
    schedule.run_due(now=NOON + 2 * HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.MAINTENANCE


def test_work_begins_on_a_node_that_was_drained_for_it(node: Node) -> None:
    by_staff(drain, node, to=NodeState.MAINTENANCE, reason="Early.")
    work = plan(node, NOON + HOUR, NOON + 2 * HOUR)
    schedule.run_due(now=NOON + HOUR)
    work.refresh_from_db()
    assert work.state == MaintenanceState.UNDER_WAY


def test_releasing_a_node_finishes_the_work_that_is_under_way_on_it(node: Node) -> None:
    work = plan(node, NOON, NOON + 2 * HOUR)
    schedule.run_due(now=NOON)
    by_staff(release_from_quarantine, node)
    work.refresh_from_db()
    assert (work.state, node.state) == (MaintenanceState.DONE, NodeState.VERIFYING)


def test_a_node_that_was_quarantined_during_the_work_stays_so_when_the_work_is_done(node: Node) -> None:
    work = plan(node, NOON, NOON + 2 * HOUR)
    schedule.run_due(now=NOON)
    by_staff(quarantine, node, reason="The new fan is worse.")
    assert finish_maintenance(maintenance=work, actor=STAFF, now=NOON + HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.QUARANTINED


def test_staff_is_reminded_once_of_work_that_is_late_and_again_after_it_was_extended(node: Node) -> None:
    work = plan(node, NOON, NOON + HOUR)
    for _ in range(3):
        schedule.run_due(now=NOON + HOUR)
    assert kinds(node.public_id).count("node.maintenance_overdue") == 1
    extend_maintenance(maintenance=work, ends_at=NOON + 3 * HOUR, actor=STAFF, now=NOON + HOUR)
    for _ in range(2):
        schedule.run_due(now=NOON + 3 * HOUR)
    assert kinds(node.public_id).count("node.maintenance_overdue") == 2


def test_work_is_extended_as_far_as_nobody_is_behind_it_and_never_over_a_booking(
    acme: Organization, offer: Offer, node: Node
) -> None:
    work = plan(node, NOON, NOON + HOUR)
    lease = reserved(acme, offer, NOON + 4 * HOUR)
    extend_maintenance(maintenance=work, ends_at=NOON + 4 * HOUR, actor=STAFF, now=NOON)
    with pytest.raises(WindowTaken) as refused:
        extend_maintenance(maintenance=work, ends_at=NOON + 5 * HOUR, actor=STAFF, now=NOON)
    assert [claim.lease for claim in refused.value.claims] == [lease]
    extend_maintenance(maintenance=work, ends_at=NOON + 2 * HOUR, actor=STAFF, now=NOON)
    work.refresh_from_db()
    assert (work.ends_at, work.claim.period.upper) == (NOON + 2 * HOUR, NOON + 2 * HOUR)
    assert list(NodeCalendar.objects.get().busy) == [work.claim.period, lease.claims.get().period]


def test_work_that_was_called_off_leaves_the_node_free_and_cannot_be_extended(
    acme: Organization, offer: Offer, node: Node
) -> None:
    work = plan(node, NOON + HOUR, NOON + 5 * HOUR)
    assert [cancel_maintenance(maintenance=work, actor=STAFF, now=NOON) for _ in range(2)] == [True, False]
    assert reserved(acme, offer, NOON + HOUR, hours=4).state == LeaseState.SCHEDULED
    with pytest.raises(NotOpen, match="is cancelled"):
        extend_maintenance(maintenance=work, ends_at=NOON + DAY, actor=STAFF, now=NOON)
    schedule.run_due(now=NOON + HOUR)
    work.refresh_from_db()
    assert work.state == MaintenanceState.CANCELLED


def test_the_customer_before_a_window_is_told_and_an_open_ended_lease_is_guaranteed_no_longer(
    acme: Organization, offer: Offer, node: Node, world: World
) -> None:
    lease = active(acme, offer)
    begins = NOON + 8 * DAY
    later = NOON + 2 * DAY
    work = plan(node, begins, begins + HOUR, now=later)
    told = {event.kind: event for event in Event.objects.filter(subject=lease.public_id, notice__isnull=False)}
    planned = told["lease.maintenance_planned"]
    assert planned.notice is not None and "A fan is replaced. Your lease runs on until then" in planned.notice["text"]
    assert planned.actor == "system:leasing"
    ending = told["lease.guarantee_ending"].notice
    assert ending is not None and ending["text"].startswith("Maintenance of a node is planned behind this lease.")
    lease.refresh_from_db()
    assert lease.guaranteed_until == begins - 900 * (HOUR / 3600)
    assert list(maintenance_of(lease)) == [work]
    cancel_maintenance(maintenance=work, actor=STAFF, now=later)
    lease.refresh_from_db()
    assert (lease.guaranteed_until, lease.guarantee_notice_at) == (later + 7 * DAY, None)
    assert "lease.maintenance_cancelled" in kinds(lease.public_id)
    assert list(maintenance_of(lease)) == []


def test_only_the_last_lease_before_a_window_is_told(acme: Organization, offer: Offer, node: Node) -> None:
    first, last = reserved(acme, offer, NOON + DAY), reserved(acme, offer, NOON + 2 * DAY)
    behind = reserved(acme, offer, NOON + 5 * DAY)
    plan(node, NOON + 3 * DAY, NOON + 4 * DAY)
    told = Event.objects.get(kind="lease.maintenance_planned")
    assert told.subject == last.public_id
    assert told.notice is not None and "Your lease ends before that, at 2026-03-04 20:00 UTC" in told.notice["text"]
    assert [lease for lease in (first, last, behind) if maintenance_of(lease)] == [last]
