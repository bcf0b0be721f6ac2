"""A worker that switches one node after another, for minutes, holds each from when it took it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from accounts import clock
from accounts.models import Organization
from leasing import containing, operations, schedule, switching
from leasing.models import Machine, Standby
from leasing.models.work import Worked
from leasing.operations.standing_by import stand_by
from leasing.power.fake import BOARDS, Board
from leasing.provisioners.fake import World
from leasing.states import StandbyState
from leasing.tasks import work_site
from leasing.working import WORK_FOR
from marketplace.models import Node
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, work_all

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOON + 2 * HOUR


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[timedelta]]:
    """For how long each row was still the worker's when it began to act; each act takes five minutes by the clock."""
    found, moment = list[timedelta](), [LATER]
    monkeypatch.setattr(clock, "now", lambda: moment[0])

    def slowly(row: Worked) -> None:
        assert row.work_until is not None
        found.append(row.work_until - moment[0])
        moment[0] += timedelta(minutes=5)

    monkeypatch.setattr(containing, "switch_off", slowly)
    monkeypatch.setattr(switching, "act", slowly)
    monkeypatch.setattr(switching, "AT_ONCE", 1)
    yield found
    BOARDS.clear()


def test_nodes_that_are_cut_off_from_their_former_tenants(
    acme: Organization, world: World, left: list[timedelta]
) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=2))
    lease = active(acme, offer, nodes=2)
    world.cut_off.update(Node.objects.values_list("public_id", flat=True))
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    schedule.give_up_overdue(now=LATER)
    work_site(site=offer.pool.site.slug)
    assert left == [WORK_FOR, WORK_FOR]
    assert Machine.objects.filter(contained_at__isnull=False).count() == 2


def test_nodes_on_standby(world: World, left: list[timedelta]) -> None:
    pool = factories.a_pool(nodes=0)
    for address in ("https://10.0.0.2", "https://10.0.0.3"):
        BOARDS[address] = Board()
        node = factories.a_node(pool, bmc_address=address)
        stand_by(node=node, begins_at=NOON, ends_at=LATER + 6 * HOUR, requested_by="system:tests", now=NOON)
    schedule.standby_due(now=NOON)
    work_site(site=pool.site.slug)
    assert left == [WORK_FOR, WORK_FOR]
    assert Standby.objects.filter(state=StandbyState.OFF).count() == 2
