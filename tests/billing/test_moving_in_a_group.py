"""A lease that was ordered in one fabric group moves to one, with all of its nodes, or stays where it is."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from billing import keeping
from leasing.models import Lease
from leasing.operations import NodesTaken, WindowRefused
from marketplace.forms import MINUTE
from marketplace.models import Node, Offer, PlanKind
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.conftest import HOUR, NOON, a_quote, assert_books_balance, funded, give, place
from tests.billing.test_api import post
from tests.billing.test_moving import calendars_agree, listed, move, nodes
from tests.billing.test_pages import hidden
from tests.factories import DAY
from tests.leasing.test_fabric import a_grouped_offer, groups_of

pytestmark = pytest.mark.django_db
START, LATER = NOON + DAY, NOON + 3 * DAY


@pytest.fixture
def acme(db: None) -> Organization:
    return funded(1000)


@pytest.fixture
def other(db: None) -> Organization:
    return funded(1000, "Other Ltd")


@pytest.fixture
def offer(db: None) -> Offer:
    """Three nodes in the east, two in the west and one of no group, to be reserved."""
    plan = factories.a_plan(PlanKind.RESERVED, hold_seconds=600)
    return factories.an_offer(a_grouped_offer(east=3, none=1, west=2).pool, plan)


def two(organization: Organization, offer: Offer, at: datetime = START, hours: int = 2, **more: Any) -> Any:
    """A quote for two nodes of one group."""
    wish = {"nodes": 2, "same_fabric": True, **more}
    return a_quote(organization, offer, starts_at=at, ends_at=at + hours * HOUR, **wish)


def taken(organization: Organization, offer: Offer, group: str, at: datetime = LATER, nodes: int = 1) -> None:
    """Somebody has nodes of the group, for two hours."""
    others = Node.objects.exclude(fabric_group=group)
    others.update(cordoned_at=NOON)
    place(a_quote(organization, offer, nodes=nodes, starts_at=at, ends_at=at + 2 * HOUR))
    others.update(cordoned_at=None)


def test_it_keeps_its_nodes_where_they_are_free_though_a_smaller_group_would_do(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    taken(other, offer, "west", at=START)
    lease = place(two(acme, offer))
    before = nodes(lease)
    assert groups_of(lease) == ["east", "east"]
    move(lease, two(acme, offer, START + HOUR, hours=4))
    assert nodes(lease) == before
    move(lease, two(acme, offer, LATER))
    assert nodes(lease) == before and lease.same_fabric
    calendars_agree()
    assert_books_balance()


def test_where_its_own_group_is_taken_it_goes_to_another_as_a_whole(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    lease = place(two(acme, offer))
    assert groups_of(lease) == ["west", "west"]  # the smallest that will do
    taken(other, offer, "west")
    move(lease, two(acme, offer, LATER))
    assert groups_of(lease) == ["east", "east"]
    assert set(lease.machines.filter(state="pending").values_list("node__fabric_group", flat=True)) == {"east"}
    calendars_agree()


def test_it_does_not_move_to_nodes_of_several_groups_and_hears_when_one_is_free(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    lease = place(two(acme, offer))
    before = nodes(lease)
    taken(other, offer, "west")
    taken(other, offer, "east", nodes=2)
    with pytest.raises(NodesTaken) as refused:
        move(lease, two(acme, offer, LATER))
    assert refused.value.scattered and refused.value.windows[0].starts_at == LATER + 3 * HOUR
    lease.refresh_from_db()
    assert (lease.starts_at, nodes(lease)) == (START, before)
    calendars_agree()


def test_what_is_held_for_it_goes_before_other_groups(acme: Organization, other: Organization, offer: Offer) -> None:
    lease = place(two(acme, offer))
    taken(other, offer, "west", at=LATER - DAY, nodes=2)
    quote = keeping.hold_nodes(quote=two(acme, offer, LATER - DAY), now=NOON)
    move(lease, quote)
    assert groups_of(lease) == ["east", "east"]
    calendars_agree()


def test_the_quote_says_the_same_of_groups_as_the_lease(acme: Organization, offer: Offer) -> None:
    together, either = place(two(acme, offer)), place(two(acme, offer, same_fabric=False))
    with pytest.raises(WindowRefused, match="Quote with same_fabric"):
        move(together, two(acme, offer, LATER, same_fabric=False))
    with pytest.raises(WindowRefused, match="Quote without same_fabric"):
        move(either, two(acme, offer, LATER))


# In the API and on the page


@pytest.fixture
def agreed(acme: Organization, offer: Offer) -> Lease:
    """Two nodes of one group, the day after tomorrow."""
    give(acme, 1_000, now=now())
    return place(two(acme, offer, tomorrow() + DAY, now=now()), now=now())


def scatter(other: Organization, offer: Offer, at: datetime) -> None:
    """For an hour nobody finds two nodes of one group, though three are free."""
    for group, count in (("east", 2), ("west", 1)):
        Node.objects.exclude(fabric_group=group).update(cordoned_at=now())
        place(a_quote(other, offer, now=now(), nodes=count, starts_at=at, ends_at=at + HOUR), now=now())
        Node.objects.update(cordoned_at=None)


def tomorrow() -> datetime:
    return (now() + DAY).replace(minute=0, second=0, microsecond=0)


def test_the_api_moves_it_or_says_that_one_group_is_not_free(
    acme: Organization, other: Organization, offer: Offer, agreed: Lease
) -> None:
    api: APIClient = a_client(a_token(acme, acme.members.get()))
    at = tomorrow()
    wish = {"offer": offer.public_id, "nodes": 2, "same_fabric": True}
    wish |= {"starts_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "ends_at": f"{at + HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    scatter(other, offer, at)
    address = f"leases/{agreed.public_id}/move"
    refused = post(api, address, {"quote": post(api, "quotes", wish).json()["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "nodes_scattered")
    first = refused.json()["windows"][0]
    assert datetime.fromisoformat(first["starts_at"]) == at + 2 * HOUR
    wish |= {"starts_at": first["starts_at"], "ends_at": f"{at + 4 * HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    moved = post(api, address, {"quote": post(api, "quotes", wish).json()["id"]})
    assert (moved.status_code, moved.json()["same_fabric"]) == (200, True)
    agreed.refresh_from_db()
    assert len({*groups_of(agreed)}) == 1


def test_its_page_offers_what_is_free_in_one_group_and_moves_it_there(
    acme: Organization, other: Organization, offer: Offer, agreed: Lease
) -> None:
    browser: Client = a_browser(acme.members.get())
    assert "/move/" in browser.get(f"/leases/{agreed.public_id}/").content.decode()
    at, address = tomorrow(), f"/leases/{agreed.public_id}/move/"
    scatter(other, offer, at)
    for site, groups in (("itaipu", ("north", "south")), ("asia", ("north", "north"))):
        pool = factories.a_pool(nodes=0, site=factories.a_site(site))
        for group in groups:
            factories.a_node(pool, fabric_group=group)
        factories.an_offer(pool, offer.plan)
    wish = {"offer": offer.public_id, "starts_at": f"{at:{MINUTE}}", "ends_at": f"{at + HOUR:{MINUTE}}"}
    page = browser.get(address, wish)
    assert "Only 1 of 2 nodes are free in one fabric group then." in page.content.decode()
    assert [words for _, group in listed(page) for words in group] == [
        "8 × H100 in Macon, Georgia: $3.60 per node-hour, where it is",
        "8 × H100 in Asia, Georgia: $3.60 per node-hour, free",
    ]
    at += 2 * HOUR
    wish = {"offer": offer.public_id, "starts_at": f"{at:{MINUTE}}", "ends_at": f"{at + HOUR:{MINUTE}}"}
    words = browser.get(address, wish).content.decode()
    assert "2 nodes are free in one fabric group then." in words and "of one fabric group, and will be there" in words
    answer = browser.post(address, {**wish, "quote": hidden(words, "quote")})
    assert answer.headers["Location"] == f"/leases/{agreed.public_id}/"
    agreed.refresh_from_db()
    assert agreed.starts_at == at and len({*groups_of(agreed)}) == 1
