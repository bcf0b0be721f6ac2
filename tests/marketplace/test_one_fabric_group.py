"""Times at which several nodes of one fabric group are free: as windows, as a calendar, and across sites."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from html import unescape
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from psycopg.types.multirange import TimestamptzMultirange
from psycopg.types.range import Range
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from leasing.models import Claim
from marketplace.models import Node, NodeCalendar, Offer, PlanKind
from marketplace.queries import (
    HORIZON,
    Criteria,
    Search,
    Window,
    aligned,
    calendar,
    earliest,
    free_windows,
    offer_row,
    openings,
    search,
    terms_of,
)
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import acme, hold
from tests.leasing.test_fabric import a_grouped_offer

__all__ = ["acme"]
pytestmark = pytest.mark.django_db
CLEANING = timedelta(minutes=15)


@pytest.fixture
def offer(db: None) -> Offer:
    """Two nodes in the east, two in the west and one of no group, to be reserved."""
    return factories.an_offer(a_grouped_offer(east=2, none=1, west=2).pool, factories.a_plan(PlanKind.RESERVED))


def take(group: str, *hours: tuple[int, int], nodes: int = 1, since: datetime = NOON) -> None:
    """Somebody has as many nodes of the group, from one hour to another."""
    for row in NodeCalendar.objects.filter(node__fabric_group=group).order_by("pk")[:nodes]:
        row.busy = TimestamptzMultirange([Range(since + start * HOUR, since + end * HOUR) for start, end in hours])
        row.save()


def windows(offer: Offer, nodes: int = 2, *, same_fabric: bool = True) -> list[tuple[float, float]]:
    """Of the day from noon on, as hours after noon."""
    reach: dict[str, Any] = {"starts_at": NOON, "until": NOON + DAY, "now": NOON}
    terms = terms_of(plan=offer.plan, at=NOON)
    free = free_windows(offer=offer, terms=terms, nodes=nodes, same_fabric=same_fabric, **reach)
    return [((one.starts_at - NOON) / HOUR, (one.ends_at - NOON) / HOUR) for one in free]


def test_nodes_that_are_free_in_several_groups_make_no_window(offer: Offer) -> None:
    for group in ("east", "west"):
        take(group, (4, 6))
    assert windows(offer, same_fabric=False) == [(0, 24)]
    assert windows(offer) == [(0, 3.75), (6, 24)]
    assert windows(offer, nodes=3) == []


def test_each_group_has_its_own_windows_and_those_within_another_are_left_out(offer: Offer) -> None:
    take("east", (0, 2), (12, 20))
    take("west", (6, 14))
    assert windows(offer) == [(0, 5.75), (2, 11.75), (14, 24)]


def test_nobody_changes_from_one_group_to_another_within_a_window(offer: Offer) -> None:
    take("east", (12, 24))
    take("west", (0, 12))
    assert windows(offer) == [(0, 11.75), (12, 24)]
    assert windows(offer, same_fabric=False) == [(0, 24)]


@pytest.mark.parametrize("seed", range(20))
def test_the_earliest_start_is_in_the_first_window_of_any_group_that_is_long_enough(offer: Offer, seed: int) -> None:
    chance, pool = Random(seed), offer.pool
    terms = factories.the_terms(offer.plan, starts_at=NOON - DAY, granularity_seconds=chance.choice([1, 3600, 86_400]))
    for row in NodeCalendar.objects.filter(pool=pool):
        hours = chance.sample(range(1, 300), chance.randint(0, 12))
        row.busy = TimestamptzMultirange(
            [Range(NOON + hour * HOUR, NOON + (hour + chance.randint(1, 30)) * HOUR) for hour in hours]
        )
        row.save()
    for _ in range(10):
        length, wished = chance.randint(1, 24) * HOUR, NOON + chance.randint(0, 6000) * timedelta(minutes=1)
        asked: dict[str, Any] = {"nodes": 2, "same_fabric": True, "now": NOON}
        walked = free_windows(offer=offer, terms=terms, starts_at=wished, until=wished + HORIZON, **asked)
        assert list(walked) == of_each_group(offer, wished, ("east", "west"))
        starts = ((aligned(terms, window.starts_at), window.ends_at) for window in walked)
        first = next((start for start, ends_at in starts if start + length <= ends_at), None)
        wish = Search(7, offer.pool_id, terms, Window(wished, wished + length))
        assert earliest(searches=[wish], **asked).get(7) == first


def of_each_group(offer: Offer, since: datetime, groups: Iterable[str]) -> list[Window]:
    """The windows of two nodes, asked for as if each group were all that there is."""
    found: list[Window] = []
    for group in groups:
        others = Node.objects.filter(pool=offer.pool).exclude(fabric_group=group)
        others.update(cordoned_at=NOON)
        reach: dict[str, Any] = {"starts_at": since, "until": since + HORIZON, "now": NOON}
        found += free_windows(offer=offer, terms=terms_of(plan=offer.plan, at=NOON), nodes=2, **reach)
        others.update(cordoned_at=None)
    return sorted(
        window
        for window in set(found)
        if not any(
            other.starts_at <= window.starts_at and window.ends_at <= other.ends_at and other != window
            for other in found
        )
    )


def test_the_calendar_counts_the_group_that_has_most_nodes_free_in_the_hour(offer: Offer) -> None:
    take("east", (4, 6), nodes=2)
    take("west", (5, 7))
    days: dict[str, Any] = {"starts_on": NOON.date(), "days": 1, "zone": ZoneInfo("UTC"), "now": NOON}
    (day,) = calendar(offer=offer, same_fabric=True, **days)
    assert [hour.free for hour in day.hours[15:20]] == [2, 2, 1, 2, 2]
    (day,) = calendar(offer=offer, **days)
    assert [hour.free for hour in day.hours[15:20]] == [5, 3, 2, 4, 5]


def test_an_offer_without_groups_is_never_free_in_one(offer: Offer) -> None:
    Node.objects.update(fabric_group="")
    wish = Criteria(nodes=2, same_fabric=True)
    assert windows(offer) == [] and search(criteria=wish, now=NOON) == []
    (day,) = calendar(offer=offer, starts_on=NOON.date(), days=1, zone=ZoneInfo("UTC"), same_fabric=True, now=NOON)
    assert {hour.free for hour in day.hours} == {0}
    assert openings(criteria=wish, length=HOUR, until=NOON + DAY, now=NOON) == []


def test_an_offer_is_found_for_as_many_nodes_as_its_largest_free_group_has(offer: Offer, acme: Organization) -> None:
    wish = Criteria(nodes=2, same_fabric=True, starts_at=NOON + HOUR, ends_at=NOON + 3 * HOUR)
    assert offer_row(offer=offer, criteria=wish, now=NOON).free == 2
    for group in ("east", "west"):
        take(group, (0, 8))
    row = offer_row(offer=offer, criteria=wish, now=NOON)
    assert (row.free, row.enough, row.free_from, row.nodes_total) == (1, False, NOON + 8 * HOUR, 5)
    assert offer_row(offer=offer, criteria=Criteria(nodes=2, starts_at=NOON + HOUR), now=NOON).free == 3
    assert [row.offer for row in search(criteria=wish, now=NOON)] == [offer]
    assert search(criteria=Criteria(nodes=3, same_fabric=True, starts_at=NOON + HOUR), now=NOON) == []


def test_of_a_single_node_no_group_is_asked(offer: Offer) -> None:
    Node.objects.update(fabric_group="")
    assert {row.free for row in search(criteria=Criteria(nodes=1, same_fabric=True), now=NOON)} == {5}
    answer = APIClient().get(f"/api/v1/offers/{offer.public_id}/windows", {"nodes": 1, "same_fabric": True}).json()
    assert answer["windows"] and answer["same_fabric"] is False


def test_every_opening_for_one_group_can_be_booked_in_one(offer: Offer, acme: Organization) -> None:
    other = factories.an_offer(factories.a_pool(nodes=2, site=factories.a_site("itaipu")), offer.plan, micros=2_000_000)
    take("east", (0, 30))
    take("west", (20, 50))
    (found,) = openings(
        criteria=Criteria(nodes=2, same_fabric=True), length=24 * HOUR, until=NOON + 9 * DAY, now=NOON
    )  # the cheaper offer has no groups
    assert (found.hit.offer_id, found.starts_at) == (offer.pk, NOON + 30 * HOUR)
    lease = hold(acme, offer, nodes=2, same_fabric=True, starts_at=found.starts_at, ends_at=found.ends_at)
    assert set(Claim.objects.filter(lease=lease).values_list("node__fabric_group", flat=True)) == {"east"}
    either = openings(criteria=Criteria(nodes=2), length=24 * HOUR, until=NOON + 9 * DAY, now=NOON)
    assert [one.hit.offer_id for one in either] == [other.pk, offer.pk]


# In the API and on the pages


@pytest.fixture
def tomorrow(offer: Offer) -> datetime:
    """A full hour from which on one node in each group is taken, for two hours."""
    begin = (now() + 24 * HOUR).replace(minute=0, second=0, microsecond=0)
    for group in ("east", "west"):
        take(group, (0, 2), since=begin)
    return begin


def ask(path: str, **query: Any) -> Any:
    return APIClient().get(f"/api/v1/{path}", query).json()


def test_the_api_answers_windows_calendar_and_earliest_start_of_one_group(offer: Offer, tomorrow: datetime) -> None:
    mine, wish = f"offers/{offer.public_id}", {"nodes": 2, "same_fabric": "true"}
    assert len(ask(f"{mine}/windows", nodes=2)["windows"]) == 1
    shown = ask(f"{mine}/windows", **wish)
    edges = [(one["starts_at"], one["ends_at"]) for one in shown["windows"]]
    assert shown["same_fabric"] is True
    assert [moment(edges[0][1]), moment(edges[1][0])] == [tomorrow - HOUR, tomorrow + 2 * HOUR]

    days = ask(f"{mine}/calendar", starts_on=f"{tomorrow:%Y-%m-%d}", days=1, **wish)
    (hour,) = [one for one in days["days"][0]["hours"] if moment(one["starts_at"]) == tomorrow]
    assert (hour["free"], hour["enough"], days["same_fabric"]) == (1, False, True)

    begin = f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}"
    (opening,) = ask("earliest", hours=3, starts_at=begin, **wish)["results"]
    assert moment(opening["starts_at"]) == tomorrow + 2 * HOUR
    period = {"starts_at": begin, "ends_at": f"{tomorrow + HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    (found,) = ask("offers", **wish, **period)["results"]
    assert (found["free"], moment(found["free_from"])) == (1, tomorrow + 2 * HOUR)
    assert ask(mine, **wish, **period)["free"] == 1


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def page(path: str, **query: Any) -> str:
    return unescape(Client().get(path, query).content.decode())


def test_the_page_of_an_offer_shows_and_leads_to_times_in_one_group(offer: Offer, tomorrow: datetime) -> None:
    address = f"/offers/{offer.public_id}/"
    plain = page(address, nodes=2, day=f"{tomorrow:%Y-%m-%d}")
    ticked = page(address, nodes=2, same_fabric="on", day=f"{tomorrow:%Y-%m-%d}")
    start = f"starts_at={tomorrow:%Y-%m-%dT%H}%3A00"
    assert "When 2 nodes are free in one fabric group" in ticked and "in one fabric group" not in plain
    assert start in plain and start not in ticked
    assert "same_fabric=on" in ticked and "same_fabric" not in plain.replace('name="same_fabric"', "").replace(
        "id_same_fabric", ""
    )
    assert 'name="same_fabric"' in plain
    Node.objects.update(fabric_group="")
    assert "same_fabric" not in page(address, nodes=2)  # nothing to choose


def test_the_pages_that_search_pass_the_wish_on(offer: Offer, tomorrow: datetime) -> None:
    begin = f"{tomorrow:%Y-%m-%dT%H:%M}"
    found = page("/find/", nodes=2, hours=3, same_fabric="on", starts_at=begin)
    assert "1 offer for 2 nodes in one fabric group, 3 hours" in found
    assert f"nodes=2&same_fabric=on&starts_at={tomorrow + 2 * HOUR:%Y-%m-%dT%H}%3A00" in found
    nothing = page("/find/", nodes=3, hours=3, same_fabric="on")
    assert "3 nodes in one fabric group for 3 hours" in nothing and "nodes=3&same_fabric=on" in nothing
    listed = page("/", plan="reserved", nodes=2, same_fabric="on", starts_at=begin)
    assert f"/offers/{offer.public_id}/?nodes=2&same_fabric=on" in listed
    assert "/find/?" in listed and "same_fabric=on" in listed.split("/find/?")[1].split('"')[0]
