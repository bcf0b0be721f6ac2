"""Several agreed leases move to the same nodes at the same instant, from and to different ones."""

import pytest

from billing import moving
from leasing.models import Claim, Lease
from leasing.operations import NodesTaken
from leasing.provisioners.fake import World
from marketplace.models import NodeCalendar, PlanKind
from tests import factories
from tests.billing.conftest import a_quote, funded, place
from tests.factories import DAY, HOUR, NOON
from tests.races.test_extending import nobody_overlaps
from tests.together import deadlocks, together

pytestmark = pytest.mark.django_db(transaction=True)

MOVERS = 6


def test_as_many_get_there_as_there_are_nodes_and_the_others_stay(world: World) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=4), factories.a_plan(PlanKind.RESERVED))
    begin, leases, quotes = NOON + 10 * DAY, [], []
    for number in range(MOVERS):
        organization = funded(1000, f"Mover {number}")
        own = NOON + (number // 2 + 1) * DAY  # two leases of two nodes each day
        leases.append(place(a_quote(organization, offer, nodes=2, starts_at=own, ends_at=own + HOUR)))
        quotes.append(a_quote(organization, offer, nodes=2, starts_at=begin, ends_at=begin + HOUR))
    before = deadlocks()

    def act(number: int) -> None:
        moving.move(lease=leases[number], quote=quotes[number], actor="user:us_tests", now=NOON)

    ended = together(MOVERS, act)
    assert ended.count(None) == 2
    assert all(isinstance(result, NodesTaken) for result in ended if result is not None)
    assert Lease.objects.filter(starts_at=begin).count() == 2
    assert Claim.objects.filter(released_at=None).count() == 2 * MOVERS
    for calendar in NodeCalendar.objects.all():
        live = Claim.objects.filter(node=calendar.node, released_at=None).order_by("period")
        assert list(calendar.busy) == list(live.values_list("period", flat=True))
    nobody_overlaps()
    assert deadlocks() == before
