"""A quote for nodes of one fabric group holds all of one group, or none."""

import pytest

from accounts.models import Organization
from billing import keeping
from leasing.operations import NodesTaken
from leasing.operations import keeping as nodes_kept
from marketplace.models import Node, Offer
from tests import factories
from tests.billing.conftest import NOON, a_quote, place
from tests.billing.test_keeping import MINUTE, held, held_nodes, live_nodes

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(db: None) -> Offer:
    """Three nodes of a large group and two of a small one, in turns, that a quote can hold for ten minutes."""
    pool = factories.a_pool(nodes=0)
    for group in ("large", "small", "large", "small", "large"):
        factories.a_node(pool, fabric_group=group)
    return factories.an_offer(pool, factories.a_plan(hold_seconds=600))


def of(group: str) -> set[int]:
    return set(Node.objects.filter(fabric_group=group).values_list("pk", flat=True))


def test_it_holds_the_smallest_group_that_fits_and_its_order_takes_these(acme: Organization, offer: Offer) -> None:
    quote = held(acme, offer, nodes=2, same_fabric=True)
    assert held_nodes(quote) == of("small")
    lease = place(quote, now=NOON + MINUTE)
    assert (set(live_nodes(lease)), held_nodes(quote)) == (of("small"), set())


def test_another_wish_takes_the_place_of_the_first(acme: Organization, offer: Offer) -> None:
    first = held(acme, offer, nodes=2, same_fabric=True)
    second = held(acme, offer, nodes=3, same_fabric=True)
    assert (held_nodes(first), held_nodes(second)) == (set(), of("large"))


@pytest.mark.parametrize("passing", [True, False], ids=["passing over what is locked", "waiting for it"])
def test_nodes_of_several_groups_are_not_held_as_one(
    acme: Organization, offer: Offer, monkeypatch: pytest.MonkeyPatch, *, passing: bool
) -> None:
    if not passing:
        monkeypatch.setattr(nodes_kept, "_at_once", lambda **_: [])
    three = a_quote(acme, offer, nodes=3, same_fabric=True)
    Node.objects.filter(pk=min(of("large"))).update(cordoned_at=NOON)
    with pytest.raises(NodesTaken) as taken:
        keeping.hold_nodes(quote=three, now=NOON)
    assert taken.value.scattered and held_nodes(three) == set()
    assert held_nodes(held(acme, offer, nodes=2, same_fabric=True)) == of("large") - {min(of("large"))}
