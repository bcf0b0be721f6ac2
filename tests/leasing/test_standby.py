"""Nodes that nobody needs lose their power for a while: kept free, seen off, switched on, proven, and offered again."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from accounts.clock import now as database_now
from accounts.models import Event, Organization
from leasing import schedule, switching
from leasing.models import Claim, Standby
from leasing.operations import CannotStandBy, NodesTaken, power_again, stand_by
from leasing.operations.maintaining import finish_maintenance
from leasing.operations.standing_by import BACK, OFF_LIMIT, ON_LIMIT
from leasing.power import Overtaken
from leasing.power.fake import BOARDS, Board
from leasing.provisioners.fake import World
from leasing.queries.standby import idle_nodes, idle_watts, sites_switching
from leasing.states import StandbyState as S
from marketplace.models import Node, Offer, PlanKind
from marketplace.states import NodeState
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, enrol_all, hold

pytestmark = pytest.mark.django_db(transaction=True)
BMC, STAFF = "https://10.0.0.2", "user:us_dispatcher"
END = NOON + 3 * HOUR
IDLE_W = 2_040  # a fifth of 10,200


@pytest.fixture
def board(world: World) -> Iterator[Board]:
    BOARDS[BMC] = Board()
    yield BOARDS[BMC]
    BOARDS.clear()


@pytest.fixture
def offer(board: Board) -> Offer:
    pool = factories.a_pool(nodes=0)
    factories.a_node(pool, bmc_address=BMC)
    return factories.an_offer(pool)


@pytest.fixture
def node(offer: Offer) -> Node:
    return offer.pool.nodes.get()


def planned(node: Node, *, starts_in: timedelta = timedelta()) -> Standby:
    return stand_by(node=node, begins_at=NOON + starts_in, ends_at=END, requested_by="system:tests", now=NOON)


def pass_to(node: Node, now: object) -> tuple[str, str, int]:
    """The sweep and the site's worker. Returns the standby's state, the node's, and what counts as idle load."""
    site = node.pool.site
    schedule.standby_due(now=now)  # type: ignore[arg-type]
    switching.switch_due(site=site, now=now)  # type: ignore[arg-type]
    node.refresh_from_db()
    return Standby.objects.get().state, node.state, idle_watts(site=site)


def test_it_is_load_until_it_is_seen_off_and_from_the_command_to_wake_and_is_proven_before_it_is_offered(
    acme: Organization, node: Node, offer: Offer, board: Board, world: World
) -> None:
    planned(node, starts_in=HOUR)
    with pytest.raises(NodesTaken):
        hold(acme, factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED)), starts_at=NOON, ends_at=END)
    assert pass_to(node, NOON) == (S.PLANNED, NodeState.AVAILABLE, IDLE_W) and board.said == []
    schedule.standby_due(now=NOON + HOUR)
    assert sites_switching(now=NOON + HOUR) == [node.pool.site] and idle_watts(site=node.pool.site) == IDLE_W
    assert pass_to(node, NOON + HOUR) == (S.OFF, NodeState.MAINTENANCE, 0)
    world.cut_off.add(node.public_id)  # it boots
    assert pass_to(node, END) == (S.SWITCHING_ON, NodeState.MAINTENANCE, IDLE_W)
    world.cut_off.clear()
    Standby.objects.update(next_attempt_at=END)  # the pause is counted on the database's clock
    assert pass_to(node, END + HOUR / 60) == (S.OVER, NodeState.VERIFYING, IDLE_W)
    assert board.said == ["GracefulShutdown", "On"]
    enrol_all(now=database_now())
    node.refresh_from_db()
    assert node.state == NodeState.AVAILABLE and not Claim.objects.filter(released_at=None).exists()


def test_who_takes_no_gentle_word_is_switched_off_hard(node: Node, board: Board) -> None:
    board.deaf_to = frozenset({"GracefulShutdown"})
    planned(node)
    assert pass_to(node, NOON)[0] == S.OFF and board.said == ["GracefulShutdown", "ForceOff"]


def test_one_that_keeps_its_power_counts_and_is_offered_again_and_staff_hears_of_it(node: Node, board: Board) -> None:
    board.deaf_to = frozenset({"GracefulShutdown", "ForceOff"})
    planned(node)
    assert pass_to(node, NOON) == (S.SWITCHING_OFF, NodeState.MAINTENANCE, IDLE_W)
    assert pass_to(node, NOON + OFF_LIMIT) == (S.OVER, NodeState.VERIFYING, IDLE_W)
    notice = Event.objects.get(kind="node.not_off").notice
    assert notice and "still has power" in notice["text"] and "took ForceOff" in notice["text"]


def test_one_that_does_not_come_back_stays_in_maintenance_and_staff_hears_of_it(
    node: Node, board: Board, world: World
) -> None:
    planned(node)
    pass_to(node, NOON)
    world.cut_off.add(node.public_id)
    pass_to(node, END)
    assert pass_to(node, END + ON_LIMIT) == (S.FAILED, NodeState.MAINTENANCE, IDLE_W)
    assert "stays in maintenance" in Event.objects.get(kind="node.not_back").notice["text"]  # type: ignore[index]


def test_a_worker_that_died_is_followed_by_another_and_one_that_slept_switches_nothing(
    node: Node, board: Board
) -> None:
    row, site = planned(node), node.pool.site
    schedule.standby_due(now=NOON)
    slept = switching.take(site=site, now=NOON)
    assert slept and switching.take(site=site, now=NOON) is None
    other = switching.take(site=site, now=NOON + 2 * HOUR / 60)
    assert other is not None and not switching.apply(standby=slept, error=None, now=NOON)
    power_again(standby=row, actor=STAFF, now=NOON)
    for late in (slept, other):
        with pytest.raises(Overtaken):
            switching.act(late)
    assert board.said == [] and pass_to(node, NOON)[:2] == (S.OVER, NodeState.VERIFYING)


def test_called_off_before_it_begins_the_node_is_free_again(acme: Organization, node: Node, offer: Offer) -> None:
    row = planned(node, starts_in=HOUR)
    for _ in range(2):
        assert power_again(standby=row, actor=STAFF, now=NOON).state == S.CALLED_OFF
    assert hold(acme, offer).state == "held"


def test_a_window_that_staff_ends_gives_it_its_power_back(node: Node, board: Board) -> None:
    row = planned(node)
    pass_to(node, NOON)
    row.maintenance.refresh_from_db()
    finish_maintenance(maintenance=row.maintenance, actor=STAFF, now=NOON + HOUR)
    assert pass_to(node, NOON + HOUR)[0] == S.OVER and board.state == "on"


def test_only_a_node_on_sale_that_nobody_has_until_it_would_be_back_is_idle(
    acme: Organization, node: Node, offer: Offer
) -> None:
    site, later = node.pool.site, factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED))
    dark = factories.a_node(offer.pool)
    assert list(idle_nodes(site=site, until=END, now=NOON)) == [node], "the other one has no controller"
    with pytest.raises(CannotStandBy, match="no management controller"):
        planned(dark)
    Node.objects.filter(pk=dark.pk).update(state=NodeState.RETIRED)
    begins = END + BACK - HOUR / 4
    begins = begins.replace(minute=0) + HOUR * (begins.minute > 0) - HOUR
    hold(acme, later, starts_at=begins, ends_at=begins + HOUR)
    assert not idle_nodes(site=site, until=END + BACK, now=NOON)
    with pytest.raises(CannotStandBy, match="somebody has it"):
        planned(node)
    assert list(idle_nodes(site=site, until=begins, now=NOON)) == [node]


def test_a_node_in_a_tenants_hands_is_not_idle_load(acme: Organization, offer: Offer) -> None:
    active(acme, offer)
    assert idle_watts(site=offer.pool.site) == 0
