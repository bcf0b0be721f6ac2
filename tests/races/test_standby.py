"""A customer orders a node at the instant at which it is to be switched off. First shown without the guard."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from accounts.models import Organization
from leasing.models import Claim, Standby
from leasing.operations import CannotStandBy, NodesTaken, calendar, maintaining, stand_by, standing_by
from marketplace.models import Node, Offer, PlanKind
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import hold
from tests.races.test_upkeep import acme as acme
from tests.races.test_upkeep import no_constraint as no_constraint
from tests.together import deadlocks, meeting, overlaps, together

pytestmark = pytest.mark.django_db(transaction=True)
BEGINS, ENDS = NOON + HOUR, NOON + 2 * HOUR


@pytest.fixture
def offer() -> Offer:
    pool = factories.a_pool(nodes=0)
    factories.a_node(pool, bmc_address="https://10.0.0.2")
    return factories.an_offer(pool, factories.a_plan(PlanKind.RESERVED))


def switch_off(node: Node) -> Standby:
    return stand_by(node=node, begins_at=BEGINS, ends_at=ENDS, requested_by="system:tests", now=NOON)


@pytest.fixture
def no_net(no_constraint: None) -> Iterator[None]:
    """The database without the net below the locks."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE leasing_standbytransition, leasing_standby")


@pytest.mark.usefixtures("no_net")
def test_without_the_guards_a_node_is_both_leased_and_switched_off(
    acme: Organization, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = offer.pool.nodes.get()
    looked = meeting(lambda: None)

    def seen(*_: Any, **__: Any) -> str:
        looked()
        return ""

    def order() -> object:
        lease = hold(acme, offer, starts_at=BEGINS, ends_at=ENDS)
        looked()
        return lease

    monkeypatch.setattr(calendar, "lock_node", lambda row: Node.objects.select_related("pool").get(pk=row.pk))
    monkeypatch.setattr(standing_by, "why_not_idle", seen)
    monkeypatch.setattr(maintaining, "_must_be_free", lambda *_, **__: None)
    results = together(2, lambda number: switch_off(node) if number else order())
    assert [type(result).__name__ for result in results] == ["Lease", "Standby"], results
    assert overlaps() == 1


def test_orders_and_standbys_of_one_node_at_once_end_in_one_of_them(acme: Organization, offer: Offer) -> None:
    node, before = offer.pool.nodes.get(), deadlocks()

    def one(number: int) -> object:
        return switch_off(node) if number % 2 else hold(acme, offer, starts_at=BEGINS, ends_at=ENDS)

    ended = Counter(type(result).__name__ for result in together(24, one))
    assert ended["Lease"] + ended["Standby"] == 1, ended
    assert set(ended) <= {"Lease", "Standby", NodesTaken.__name__, CannotStandBy.__name__}
    assert (Claim.objects.count(), overlaps(), deadlocks() - before) == (1, 0, 0)
