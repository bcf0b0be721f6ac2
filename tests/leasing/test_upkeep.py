"""Staff's side of a node's life: cordon, drain, quarantine."""

import pytest

from accounts.models import Event, IllegalMove, Organization
from leasing import operations, schedule
from leasing.models import MaintenanceState
from leasing.operations import NodesTaken
from leasing.operations.rebooking import rebook
from leasing.operations.upkeep import cordon, drain, quarantine, release_from_quarantine, uncordon
from leasing.provisioners.fake import World
from leasing.states import LeaseState, MachineState
from marketplace.models import Node, NodeCalendar, Offer
from marketplace.states import NodeState
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active, hold, work_all
from tests.leasing.staff import STAFF, by_staff, give_back, kinds, plan, reserved

pytestmark = pytest.mark.django_db


def test_a_cordoned_node_takes_no_new_lease_and_the_one_that_it_has_goes_on(
    acme: Organization, offer: Offer, node: Node, world: World
) -> None:
    lease = active(acme, offer)
    by_staff(cordon, node, reason="A fan is loud.")
    schedule.run_due(now=NOON + HOUR)
    lease.refresh_from_db()
    assert (lease.state, node.cordon_reason) == (LeaseState.ACTIVE, "A fan is loud.")
    give_back(lease, now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.AVAILABLE
    with pytest.raises(NodesTaken):
        hold(acme, offer, starts_at=NOON + 2 * HOUR, now=NOON + 2 * HOUR)


def test_cordoning_twice_is_recorded_once_and_uncordoning_brings_the_node_back(
    acme: Organization, offer: Offer, node: Node
) -> None:
    for _ in range(2):
        by_staff(cordon, node, reason="A fan is loud.")
    for _ in range(2):
        by_staff(uncordon, node)
    assert kinds(node.public_id) == ["node.cordoned", "node.uncordoned"]
    assert set(Event.objects.values_list("actor", flat=True)) == {STAFF}
    assert hold(acme, offer).state == LeaseState.HELD


def test_a_retired_node_is_not_cordoned(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(state=NodeState.RETIRED)
    with pytest.raises(IllegalMove, match="is retired; it cannot become cordoned"):
        by_staff(cordon, node, reason="x")


@pytest.mark.parametrize("to", [NodeState.MAINTENANCE, NodeState.QUARANTINED, NodeState.RETIRED])
def test_an_idle_node_is_drained_at_once(node: Node, to: NodeState) -> None:
    by_staff(drain, node, to=to, reason="To be looked at.")
    assert (node.state, node.after_lease, node.cordoned_at) == (to, "", None)
    assert kinds(node.public_id)[0] == "node.draining"


def test_a_drained_node_goes_where_it_shall_in_the_moment_in_which_its_last_tenant_is_wiped(
    acme: Organization, offer: Offer, node: Node, world: World
) -> None:
    lease = active(acme, offer)
    stays = by_staff(drain, node, to=NodeState.MAINTENANCE, reason="A fan is loud.").staying
    assert ([claim.lease for claim in stays], node.state) == ([lease], NodeState.LEASED)
    give_back(lease, now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    node.refresh_from_db()
    assert (node.state, node.cordoned_at, node.after_lease) == (NodeState.MAINTENANCE, None, "")
    assert [row.new for row in node.transitions.all()][-2:] == [NodeState.AVAILABLE, NodeState.MAINTENANCE]


def test_a_node_whose_wipe_cannot_be_proven_is_not_drained_by_it(
    acme: Organization, offer: Offer, node: Node, world: World
) -> None:
    lease = active(acme, offer)
    by_staff(drain, node, to=NodeState.RETIRED, reason="Old.")
    world.lying_wipes = 1
    give_back(lease, now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    schedule.run_due(now=NOON + HOUR)
    node.refresh_from_db()
    assert (node.state, node.after_lease) == (NodeState.WIPE_FAILED, NodeState.RETIRED)
    operations.wipe_again(machine=lease.machines.get(), actor=STAFF, now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.RETIRED


def test_a_booking_of_a_drained_node_moves_to_an_equal_one(acme: Organization, offer: Offer, node: Node) -> None:
    lease = reserved(acme, offer, NOON + DAY)
    before = lease.claims.get()
    other = factories.a_node(offer.pool)
    cleared = by_staff(drain, node, to=NodeState.MAINTENANCE, reason="A fan is loud.")
    live = lease.claims.get(released_at=None)
    assert (live.node, live.period, cleared.staying) == (other, before.period, [])
    assert node.state == NodeState.MAINTENANCE
    machines = lease.machines.order_by("pk").values_list("node", "state")
    assert list(machines) == [(node.pk, MachineState.WITHDRAWN), (other.pk, MachineState.PENDING)]
    told = Event.objects.get(kind="lease.rebooked")
    assert (told.organization, told.notice, told.actor) == (acme, None, "system:leasing")
    assert list(NodeCalendar.objects.get(pk=node.pk).busy) == []


def test_a_booking_without_an_equal_node_for_all_of_its_period_stays_and_the_drain_waits_for_it(
    acme: Organization, offer: Offer, node: Node
) -> None:
    lease = reserved(acme, offer, NOON + DAY)
    other = factories.a_node(offer.pool)
    plan(other, NOON + DAY + 7 * HOUR, NOON + 2 * DAY)
    cleared = by_staff(drain, node, to=NodeState.QUARANTINED, reason="Odd noises.")
    assert ([claim.lease for claim in cleared.staying], cleared.moved) == ([lease], [])
    assert (node.state, node.after_lease) == (NodeState.AVAILABLE, NodeState.QUARANTINED)
    schedule.run_due(now=NOON + HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.AVAILABLE
    give_back(lease, now=NOON + HOUR)
    schedule.run_due(now=NOON + HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.QUARANTINED


def test_a_booking_whose_time_has_come_while_its_node_is_still_being_wiped_starts_elsewhere(
    acme: Organization, offer: Offer, node: Node, world: World
) -> None:
    first = active(acme, offer, ends_at=NOON + HOUR)
    lease = reserved(acme, offer, NOON + 2 * HOUR)
    give_back(first, now=NOON + HOUR)
    schedule.run_due(now=NOON + 2 * HOUR)
    other = factories.a_node(offer.pool)
    by_staff(drain, node, to=NodeState.MAINTENANCE, reason="Slow.", now=NOON + 2 * HOUR)
    assert lease.machines.get(node=other).state == MachineState.PREPARING
    work_all(offer, now=NOON + 2 * HOUR)
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE


def test_a_lease_that_is_on_the_node_is_never_moved(acme: Organization, offer: Offer, world: World) -> None:
    lease = active(acme, offer)
    factories.a_node(offer.pool)
    assert rebook(claim=lease.claims.get(), now=NOON) is None
    assert lease.claims.count() == 1


def test_draining_twice_changes_nothing_more_and_uncordoning_calls_it_off(
    acme: Organization, offer: Offer, node: Node, world: World
) -> None:
    lease = active(acme, offer)
    for _ in range(2):
        by_staff(drain, node, to=NodeState.RETIRED, reason="Old.")
    by_staff(uncordon, node)
    assert kinds(node.public_id) == ["node.draining", "node.uncordoned"]
    give_back(lease, now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    node.refresh_from_db()
    assert node.state == NodeState.AVAILABLE


def test_a_node_that_is_retired_by_a_drain_has_no_work_planned_any_more(node: Node) -> None:
    work = plan(node, NOON + DAY, NOON + DAY + HOUR)
    by_staff(drain, node, to=NodeState.RETIRED, reason="Old.")
    work.refresh_from_db()
    assert (node.state, work.state) == (NodeState.RETIRED, MaintenanceState.CANCELLED)


def test_a_node_out_of_stock_is_not_drained(node: Node) -> None:
    by_staff(quarantine, node, reason="Odd noises.")
    with pytest.raises(IllegalMove):
        by_staff(drain, node, to=NodeState.MAINTENANCE, reason="x")
    assert node.cordoned_at is None


def test_a_quarantined_node_is_out_of_stock_its_bookings_move_and_it_comes_back_through_verification(
    acme: Organization, offer: Offer, node: Node
) -> None:
    lease = reserved(acme, offer, NOON + DAY)
    factories.a_node(offer.pool)
    for _ in range(2):
        cleared = by_staff(quarantine, node, reason="Xid 79 twice.")
    assert (node.state, cleared.staying) == (NodeState.QUARANTINED, [])
    assert lease.machines.get(state=MachineState.PENDING).node != node
    assert Event.objects.get(kind="node.quarantined").data["reason"] == "Xid 79 twice."
    by_staff(release_from_quarantine, node)
    assert node.state == NodeState.VERIFYING


def test_a_node_that_somebody_is_on_is_not_quarantined(
    acme: Organization, offer: Offer, node: Node, world: World
) -> None:
    active(acme, offer)
    with pytest.raises(IllegalMove, match="is leased"):
        by_staff(quarantine, node, reason="x")
    with pytest.raises(IllegalMove, match="is leased"):
        by_staff(release_from_quarantine, node)
