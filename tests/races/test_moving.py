"""Several agreed leases move to the same nodes at the same instant, from and to different ones."""

from threading import Thread
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

import leasing.operations.moving
from billing import moving
from leasing import schedule
from leasing.models import Claim, Lease
from leasing.operations import NodesTaken, calendar
from leasing.provisioners.fake import World
from leasing.queries.moving import why_not_moved
from marketplace.models import NodeCalendar, PlanKind
from tests import factories
from tests.billing.conftest import a_quote, funded, place
from tests.factories import DAY, HOUR, NOON
from tests.leasing.test_fabric import a_grouped_offer, groups_of
from tests.races.test_calendar import somebody_waits
from tests.races.test_extending import nobody_overlaps
from tests.together import deadlocks, meeting, together
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

MOVERS = 6


@pytest.mark.parametrize("same_fabric", [False, True], ids=["any nodes", "one fabric group"])
def test_as_many_get_there_as_there_are_nodes_and_the_others_stay(world: World, *, same_fabric: bool) -> None:
    offer = factories.an_offer(a_grouped_offer(east=2, west=2).pool, factories.a_plan(PlanKind.RESERVED))
    two: dict[str, Any] = {"nodes": 2, "same_fabric": same_fabric}
    begin, leases, quotes = NOON + 10 * DAY, [], []
    for number in range(MOVERS):
        organization = funded(1000, f"Mover {number}")
        own = NOON + (number // 2 + 1) * DAY  # two leases of two nodes each day
        leases.append(place(a_quote(organization, offer, **two, starts_at=own, ends_at=own + HOUR)))
        quotes.append(a_quote(organization, offer, **two, starts_at=begin, ends_at=begin + HOUR))
    before = deadlocks()

    def act(number: int) -> None:
        moving.move(lease=leases[number], quote=quotes[number], actor="user:us_tests", now=NOON)

    ended = together(MOVERS, act)
    assert ended.count(None) == 2
    assert all(isinstance(result, NodesTaken) for result in ended if result is not None)
    assert Lease.objects.filter(starts_at=begin).count() == 2
    assert Claim.objects.filter(released_at=None).count() == 2 * MOVERS
    if same_fabric:
        assert all(len({*groups_of(lease)}) == 1 for lease in leases)
    for row in NodeCalendar.objects.all():
        live = Claim.objects.filter(node=row.node, released_at=None).order_by("period")
        assert list(row.busy) == list(live.values_list("period", flat=True))
    nobody_overlaps()
    assert deadlocks() == before


def test_without_the_lock_two_choose_the_same_node_and_only_the_constraint_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=3), factories.a_plan(PlanKind.RESERVED))
    own, begin = NOON + DAY, NOON + 10 * DAY
    place(a_quote(funded(1000, "There before"), offer, nodes=2, starts_at=begin, ends_at=begin + HOUR))
    movers = [funded(1000, f"Mover {number}") for number in range(2)]
    leases = [place(a_quote(mover, offer, starts_at=own, ends_at=own + HOUR)) for mover in movers]
    quotes = [a_quote(mover, offer, starts_at=begin, ends_at=begin + HOUR) for mover in movers]
    monkeypatch.setattr(calendar, "lock", lambda node_ids: None)
    monkeypatch.setattr(leasing.operations.moving, "why_not_moved", meeting(why_not_moved))

    def act(number: int) -> None:
        moving.move(lease=leases[number], quote=quotes[number], actor="user:us_tests", now=NOON)

    ended = together(2, act)
    assert [type(result) for result in ended if result is not None] == [IntegrityError]
    nobody_overlaps()


def test_a_lease_that_is_moved_as_its_start_comes_does_not_start_before_its_new_one(world: World) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(PlanKind.RESERVED))
    organization, later = funded(1000), NOON + DAY
    lease = place(a_quote(organization, offer, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR))
    quote = a_quote(organization, offer, starts_at=later, ends_at=later + HOUR)

    def sweep() -> None:
        schedule.start_due(now=NOON + HOUR)
        connection.close()

    with transaction.atomic():
        moving.move(lease=lease, quote=quote, actor="user:us_tests", now=NOON)
        other = Thread(target=sweep)
        other.start()
        until(somebody_waits)
    other.join()
    lease.refresh_from_db()
    assert (lease.state, lease.starts_at) == ("scheduled", later)
