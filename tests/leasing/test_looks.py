"""The newest word about nodes: what one look changes, and what a late or repeated one does not."""

from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection

from leasing.models import NodeHealth
from leasing.telemetry.looks import Look, upsert_health
from marketplace.models import Node
from tests import factories
from tests.factories import NOON

TURN = timedelta(seconds=15)


@pytest.fixture
def node(db: None) -> Node:
    return factories.a_node(factories.a_pool(0))


def look(node: Node, at: datetime, cause: str = "", *, detail: str = "", boot_id: str = "boot-1") -> Look:
    return (node.pk, at, cause, detail, boot_id)


def test_good_looks_are_counted_and_a_bad_one_keeps_the_last_good_moment(node: Node) -> None:
    assert upsert_health([look(node, NOON)]) == []
    assert upsert_health([look(node, NOON + TURN)]) == []
    [turn] = upsert_health([look(node, NOON + 2 * TURN, "unreachable", detail="no answer", boot_id="")])

    assert turn == (node.pk, NOON + 2 * TURN, "unreachable", "", NOON + TURN)
    health = NodeHealth.objects.get(node=node)
    assert (health.good_looks, health.bad_looks, health.last_good_at) == (0, 1, NOON + TURN)
    assert (health.cause, health.detail, health.boot_id) == ("unreachable", "no answer", "boot-1")


def test_a_node_that_is_well_again_is_returned_with_what_it_had_and_since_when(node: Node) -> None:
    upsert_health([look(node, NOON)])
    upsert_health([look(node, NOON + TURN, "unreachable")])
    assert upsert_health([look(node, NOON + 2 * TURN, "gpu_lost")]) == [], "one trouble after another is no turn"
    [turn] = upsert_health([look(node, NOON + 3 * TURN)])

    assert turn == (node.pk, NOON + 3 * TURN, "", "gpu_lost", NOON)
    health = NodeHealth.objects.get(node=node)
    assert (health.good_looks, health.bad_looks, health.last_good_at) == (1, 0, NOON + 3 * TURN)


def test_a_node_whose_first_look_is_bad_was_never_well(node: Node) -> None:
    [turn] = upsert_health([look(node, NOON, "unreachable")])
    assert (turn.was, turn.last_good_at) == ("", None)
    assert NodeHealth.objects.get(node=node).bad_looks == 1


@pytest.mark.parametrize("late", [NOON, NOON - TURN], ids=["the same again", "an older one"])
def test_a_look_that_is_not_newer_changes_nothing(node: Node, late: datetime) -> None:
    upsert_health([look(node, NOON)])
    before = NodeHealth.objects.values().get(node=node)
    assert upsert_health([look(node, late, "unreachable")]) == []
    assert NodeHealth.objects.values().get(node=node) == before


def test_of_two_looks_in_one_call_the_newer_counts_and_long_details_are_cut(node: Node) -> None:
    upsert_health([look(node, NOON + TURN, "gpu_lost", detail="x" * 500), look(node, NOON)])
    health = NodeHealth.objects.get(node=node)
    assert (health.seen_at, health.cause, len(health.detail)) == (NOON + TURN, "gpu_lost", 200)


def test_nobody_looked_so_nothing_is_written(db: None) -> None:
    assert upsert_health([]) == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_look_at_the_same_nodes_in_opposite_orders_never_deadlock() -> None:
    nodes = [factories.a_node(factories.a_pool(0)) for _ in range(20)]
    together, troubles = Barrier(2), []

    def watch(mine: list[Node], shift: timedelta) -> None:
        try:
            for turn in range(20):
                together.wait(timeout=30)
                upsert_health([look(node, NOON + turn * TURN + shift) for node in mine])
        except Exception as error:  # noqa: BLE001  reported below
            troubles.append(error)
        finally:
            connection.close()

    workers = [Thread(target=watch, args=(nodes, TURN / 2)), Thread(target=watch, args=(nodes[::-1], TURN / 3))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert troubles == []
    assert set(NodeHealth.objects.values_list("seen_at", flat=True)) == {NOON + 19 * TURN + TURN / 2}
