"""Orders for nodes of one fabric group: all of one group, or none."""

from typing import Any

import pytest

from accounts.models import Organization
from leasing import operations
from leasing.models import Claim, Lease, Machine
from leasing.operations import NodesTaken, NoEqualNode
from leasing.provisioners.fake import World
from marketplace.models import Node, Offer, PlanKind
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, hold
from tests.leasing.test_swapping import DOWN, down

pytestmark = pytest.mark.django_db


def a_grouped_offer(**groups: int) -> Offer:
    """So many nodes of each group, interleaved in the order of their ids; "none" are in no group."""
    pool = factories.a_pool(nodes=0)
    for n in range(max(groups.values())):
        for group, size in groups.items():
            if n < size:
                factories.a_node(pool, fabric_group="" if group == "none" else group)
    return factories.an_offer(pool)


def groups_of(lease: Lease) -> list[str]:
    held = Claim.objects.filter(lease=lease, released_at=None).order_by("pk")
    return list(held.values_list("node__fabric_group", flat=True))


def test_the_smallest_group_that_fits_is_taken(acme: Organization) -> None:
    offer = a_grouped_offer(large=4, none=3, small=2, tiny=1)
    assert groups_of(hold(acme, offer, nodes=2, same_fabric=True)) == ["small", "small"]
    assert groups_of(hold(acme, offer, nodes=2, same_fabric=True)) == ["large", "large"]


def test_nodes_that_are_free_in_several_groups_are_refused_with_that_word(acme: Organization) -> None:
    offer = a_grouped_offer(east=2, west=2, none=2)
    with pytest.raises(NodesTaken) as taken:
        hold(acme, offer, nodes=3, same_fabric=True)
    assert taken.value.scattered and taken.value.windows == ()
    assert not Lease.objects.exists() and not Claim.objects.exists()


def test_a_refusal_names_the_next_windows_in_one_group(acme: Organization) -> None:
    offer = factories.an_offer(a_grouped_offer(east=2, west=2).pool, factories.a_plan(PlanKind.RESERVED))
    window: dict[str, Any] = {"starts_at": NOON + 4 * HOUR, "ends_at": NOON + 6 * HOUR}
    hold(acme, offer, nodes=2, **window)  # the first two by their ids: one of each group
    for scattered in (True, False):
        with pytest.raises(NodesTaken) as taken:
            hold(acme, offer, nodes=2, same_fabric=True, **window)
        assert taken.value.scattered is scattered
        first = taken.value.windows[0]
        assert first.starts_at == NOON + 7 * HOUR  # a quarter of an hour of cleaning, then a whole hour
        if scattered:
            hold(acme, offer, **window)  # from now on too few are free in whatever groups
    period = {"starts_at": first.starts_at, "ends_at": first.starts_at + 2 * HOUR}
    assert groups_of(hold(acme, offer, nodes=2, same_fabric=True, **period)) == ["east", "east"]


def test_nodes_that_are_taken_are_not_called_scattered(acme: Organization) -> None:
    offer = a_grouped_offer(east=2)
    hold(acme, offer, nodes=1)
    with pytest.raises(NodesTaken) as taken:
        hold(acme, offer, nodes=2, same_fabric=True)
    assert not taken.value.scattered


def test_who_asks_for_no_group_gets_any_nodes(acme: Organization) -> None:
    offer = a_grouped_offer(east=1, none=1, west=1)
    assert sorted(groups_of(hold(acme, offer, nodes=3))) == ["", "east", "west"]


def test_a_replacement_is_of_the_same_group(acme: Organization, world: World) -> None:
    failed = down(acme, nodes=2, free=2)
    Lease.objects.update(same_fabric=True)
    Node.objects.filter(machines__lease=failed.lease).update(fabric_group="east")
    other, spare = Node.objects.exclude(machines__lease=failed.lease).order_by("pk")
    Node.objects.filter(pk=other.pk).update(fabric_group="west")
    with pytest.raises(NoEqualNode):
        operations.swap(machine=Machine.objects.get(pk=failed.pk), actor="user:us_ana", now=DOWN)
    Node.objects.filter(pk=spare.pk).update(fabric_group="east")
    assert operations.swap(machine=Machine.objects.get(pk=failed.pk), actor="user:us_ana", now=DOWN).node == spare


def test_the_machines_of_a_lease_show_their_group(acme: Organization, world: World) -> None:
    lease = active(acme, a_grouped_offer(east=2, none=1), nodes=2, same_fabric=True)
    assert {machine.node.fabric_group for machine in lease.machines.all()} == {"east"}
    assert lease.starts_at == NOON
