"""Sweeps run side by side, and a customer cancels meanwhile. First shown to go wrong without the guarded end."""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from accounts.models import Organization
from accounts.operations import Words
from billing import filling, waiting
from billing.models import Mode, StandingOrder, StandingOrderState
from billing.waiting import NotWaiting, Wish
from leasing.models import Lease
from leasing.operations import Setup
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import NOON, funded
from tests.leasing.test_fabric import a_grouped_offer, groups_of
from tests.together import deadlocks, meeting, overlaps, together

pytestmark = pytest.mark.django_db(transaction=True)

SWEEPS = 8
ACTOR = "user:us_tests"


@pytest.fixture
def no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code, which ends an order whatever its state is by then."""

    def end_blindly(
        *,
        order: StandingOrder,
        state: StandingOrderState,
        actor: str,
        now: datetime,
        notice: Words | None = None,
        **fields: Any,
    ) -> bool:
        known = {"ended_at": now, "environment": "", **fields}
        if state == StandingOrderState.FILLED:
            StandingOrder.objects.filter(pk=order.pk, state="waiting").update(state=state, **known)
        return True

    monkeypatch.setattr(waiting, "end", end_blindly)
    monkeypatch.setattr(StandingOrder, "waiting", True)


def an_offer(nodes: int) -> Offer:
    return factories.an_offer(factories.a_pool(nodes=nodes), factories.a_plan(hold_seconds=600))


def join(organization: Organization, nodes: int = 1, *, same_fabric: bool = False) -> StandingOrder:
    return waiting.join(
        organization=organization,
        actor=ACTOR,
        created_by=organization.members.get(),
        wish=Wish(mode=Mode.BOOK, nodes=nodes, same_fabric=same_fabric, max_micros_per_node_hour=4_000_000),
        name="run",
        setup=Setup("run", [factories.a_key(organization)], factories.an_image()),
        now=NOON,
    )


def sweep(_: int) -> int:
    return sum(filling.fill(order=order, now=NOON) for order in filling.in_line())


def test_without_the_guard_two_sweeps_fill_an_order_twice(no_guard: None, monkeypatch: pytest.MonkeyPatch) -> None:
    in_line = filling.in_line
    monkeypatch.setattr(filling, "in_line", meeting(lambda: list(in_line())))
    an_offer(nodes=SWEEPS)
    join(funded(1000))
    together(SWEEPS, sweep)
    assert Lease.objects.count() > 1


def test_sweeps_side_by_side_fill_an_order_once(transactional_db: None) -> None:
    an_offer(nodes=SWEEPS)
    order, before = join(funded(1000)), deadlocks()
    assert sum(ended for ended in together(SWEEPS, sweep) if isinstance(ended, int)) == 1
    order.refresh_from_db()
    assert Lease.objects.get() == order.lease
    assert deadlocks() == before


def test_many_customers_under_many_sweeps_get_each_one_lease_and_nothing_twice(transactional_db: None) -> None:
    an_offer(nodes=10)
    orders = [join(funded(1000, f"Customer {number}"), nodes=1 + number % 3) for number in range(8)]
    before = deadlocks()
    ended = together(SWEEPS, sweep)
    assert not [error for error in ended if isinstance(error, Exception)]
    filled = StandingOrder.objects.filter(state="filled")
    assert sum(int(count) for count in ended if isinstance(count, int)) == filled.count() == Lease.objects.count()
    assert sum(filled.values_list("nodes", flat=True)) == 10  # 1, 2, 3, 1, 2, and the next small one
    assert (overlaps(), deadlocks() - before) == (0, 0)
    assert {order.pk for order in orders[:5]} <= set(filled.values_list("pk", flat=True))


def test_who_waits_for_one_group_is_never_filled_from_two(transactional_db: None) -> None:
    a_grouped_offer(east=3, none=2, west=3)
    ones = [join(funded(1000, f"Single {number}")) for number in range(3)]
    pairs = [join(funded(1000, f"Pair {number}"), nodes=2, same_fabric=True) for number in range(4)]
    before = deadlocks()
    together(SWEEPS, sweep)
    for lease in Lease.objects.filter(node_count=2):
        assert len(groups_of(lease)) == 2 and len({*groups_of(lease)}) == 1 and "" not in groups_of(lease)
    filled = set(StandingOrder.objects.filter(state="filled").values_list("pk", flat=True))
    assert {order.pk for order in ones} <= filled
    assert 1 <= len(filled & {order.pk for order in pairs}) <= 2  # no group has four nodes
    assert (overlaps(), deadlocks() - before) == (0, 0)


def cancel_and_fill(orders: list[StandingOrder]) -> Counter[str]:
    """For each of them one sweep and one customer who leaves the line."""

    def one(number: int) -> Any:
        order = StandingOrder.objects.select_related("organization", "image").get(pk=orders[number // 2].pk)
        if number % 2:
            return waiting.cancel(order=order, actor=ACTOR, now=NOON)
        return filling.fill(order=order, now=NOON)

    return Counter(type(result).__name__ for result in together(2 * len(orders), one))


def test_without_the_guard_a_cancelled_order_is_filled_all_the_same(no_guard: None) -> None:
    an_offer(nodes=SWEEPS)
    orders = [join(funded(1000, f"Customer {number}")) for number in range(SWEEPS)]
    ended = cancel_and_fill(orders)
    assert ended["NotWaiting"] < Lease.objects.count()  # who cancelled without being told has a lease


def test_an_order_is_either_cancelled_or_filled(transactional_db: None) -> None:
    an_offer(nodes=SWEEPS)
    orders, before = [join(funded(1000, f"Customer {number}")) for number in range(SWEEPS)], deadlocks()
    ended = cancel_and_fill(orders)
    filled = StandingOrder.objects.filter(state="filled").count()
    assert ended[NotWaiting.__name__] == filled == Lease.objects.count()
    assert StandingOrder.objects.filter(state="cancelled").count() == SWEEPS - filled
    assert set(ended) <= {"NoneType", "bool", NotWaiting.__name__}
    assert (overlaps(), deadlocks() - before) == (0, 0)
