"""An order uses up what its organization holds of the offer, whichever of its quotes holds it."""

import pytest

from accounts.clock import now as database_now
from accounts.models import Organization
from billing import keeping
from billing.models import Quote
from leasing.models import Claim
from leasing.operations import NodesTaken
from marketplace.models import NodeCalendar, Offer
from tests import factories
from tests.accounts.cast import a_client, a_token
from tests.billing.conftest import NOON, a_quote, funded, give, place
from tests.billing.test_keeping import MINUTE, held, held_nodes, live_nodes

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(db: None) -> Offer:
    """Three on-demand nodes that a quote can hold for ten minutes."""
    return factories.an_offer(factories.a_pool(nodes=3), factories.a_plan(hold_seconds=600))


@pytest.fixture
def other(db: None) -> Organization:
    return funded(100, "Other Ltd")


def test_an_order_with_another_quote_uses_up_what_its_organization_holds_there(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    first = place(a_quote(other, offer))
    holding = held(acme, offer, nodes=2)
    nodes = held_nodes(holding)
    Claim.objects.filter(lease=first).update(released_at=NOON)  # a node with a smaller id is free again
    lease = place(a_quote(acme, offer, nodes=2), now=NOON + MINUTE)
    holding.refresh_from_db()
    assert (set(live_nodes(lease)), holding.holds_until, held_nodes(holding)) == (nodes, None, set())
    assert keeping.again_at(quote=holding, now=NOON + 11 * MINUTE) is None


def test_an_order_of_more_takes_what_is_held_and_what_is_free(acme: Organization, offer: Offer) -> None:
    holding = held(acme, offer, nodes=2)
    assert place(a_quote(acme, offer, nodes=3)).node_count == 3
    assert not NodeCalendar.objects.exclude(held_for="").exists()
    assert not Quote.objects.filter(pk=holding.pk, holds_until__isnull=False).exists()


def test_an_order_in_one_fabric_group_takes_of_what_is_held_only_what_is_in_one(acme: Organization) -> None:
    pool = factories.a_pool(nodes=0)
    east, west, also_west = (factories.a_node(pool, fabric_group=group).pk for group in ("east", "west", "west"))
    offer = factories.an_offer(pool, factories.a_plan(hold_seconds=600))
    assert held_nodes(held(acme, offer, nodes=3)) == {east, west, also_west}
    assert live_nodes(place(a_quote(acme, offer, nodes=2, same_fabric=True))) == [west, also_west]


def test_an_order_that_is_refused_leaves_what_is_held(acme: Organization, other: Organization, offer: Offer) -> None:
    place(a_quote(other, offer))
    holding = held(acme, offer, nodes=2)
    with pytest.raises(NodesTaken):
        place(a_quote(acme, offer, nodes=3))
    holding.refresh_from_db()
    assert (holding.holds_until, len(held_nodes(holding))) == (NOON + 10 * MINUTE, 2)


def test_an_order_with_another_quote_takes_nothing_that_somebody_else_holds(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    held(other, offer, nodes=2)
    with pytest.raises(NodesTaken):
        place(a_quote(acme, offer, nodes=2))


def test_a_hold_that_had_lapsed_before_another_quote_was_ordered_is_followed_by_its_pause(
    acme: Organization, offer: Offer
) -> None:
    lapsed = held(acme, offer)
    place(a_quote(acme, offer, now=NOON + 10 * MINUTE), now=NOON + 10 * MINUTE)
    assert keeping.again_at(quote=lapsed, now=NOON + 11 * MINUTE) == NOON + 20 * MINUTE


def test_the_api_orders_with_a_second_quote_what_the_first_one_holds(acme: Organization, offer: Offer) -> None:
    give(acme, 100, now=database_now())
    script = a_client(a_token(acme, acme.members.get()))
    wish = {"offer": offer.public_id, "nodes": 3}
    holding = script.post("/api/v1/quotes", {**wish, "hold": True}).json()["id"]
    quote = script.post("/api/v1/quotes", wish).json()["id"]
    order = {"quote": quote, "name": "run", "ssh_keys": [factories.a_key(acme).public_id]}
    order["image"] = factories.an_image().slug
    answer = script.post("/api/v1/leases", order, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 201, answer.content
    assert script.get(f"/api/v1/quotes/{holding}").json()["holds_until"] is None
