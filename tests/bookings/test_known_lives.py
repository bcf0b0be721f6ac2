"""Lives that somebody once got wrong, or that show that the desk would see it."""

from threading import Barrier
from typing import Any

import pytest

from accounts.models import Organization
from billing import checkout, operations
from billing.models import LedgerAccount
from billing.queries import wallet
from tests.bookings.actions.asking import Keep, Order
from tests.bookings.actions.leases import Extend, ExtendItself, Move, Shorten
from tests.bookings.life import Life
from tests.bookings.notes import HOUR, Disagrees
from tests.bookings.world import POOR

BOTH = 2
# $108 each, all of it next month, out of a project's budget of $150.
ONE_DAY = Order(who=POOR, nodes=1, ahead=12, hours=30, project="lab")


@pytest.fixture
def life(transactional_db: None) -> Life:
    return Life()


@pytest.fixture
def no_lock(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders of one customer that do not wait for each other: both look at money and budgets, then both order."""
    both, look = Barrier(BOTH), wallet

    def looked(**wanted: Any) -> Any:
        seen = look(**wanted)
        both.wait(timeout=30)
        return seen

    monkeypatch.setattr(operations, "lock_wallet", _look_without_locking)
    monkeypatch.setattr(checkout, "wallet", looked)


def _look_without_locking(*, organization: Organization) -> LedgerAccount:
    return LedgerAccount.objects.get(organization=organization, kind="wallet")


def test_of_two_orders_at_once_for_which_a_budget_has_room_once_one_is_refused(life: Life) -> None:
    life.step([ONE_DAY] * BOTH)
    assert len(life.desk.bookings) == 1


def test_without_the_lock_on_the_wallet_the_desk_finds_no_order_that_explains_both(life: Life, no_lock: None) -> None:
    with pytest.raises(Disagrees, match="no order explains"):
        life.step([ONE_DAY] * BOTH)


def test_of_two_quotes_of_one_customer_at_once_one_holds_its_nodes_and_the_desk_knows_which(life: Life) -> None:
    """Each takes the place of the other: what is free afterwards depends on which came last."""
    for _ in range(3):
        life.step([Keep(who=0, nodes=3, ahead=29, hours=1), Keep(who=0, nodes=1, ahead=3, hours=4)])
        life.step([Order(who=1, nodes=4, ahead=3, hours=1)])


def test_what_a_customer_keeps_is_free_for_its_own_lease_and_used_up_by_it(life: Life) -> None:
    life.step([Order(who=0, nodes=4, ahead=2, hours=2)])
    life.step([Keep(who=0, nodes=3, ahead=5, hours=1)])
    life.step([Extend(lease=0, hours=3)])
    life.step([Order(who=1, nodes=4, ahead=10, hours=1)])
    life.step([Keep(who=0, nodes=4, ahead=20, hours=1)])
    life.step([Move(lease=0, ahead=20, hours=1)])
    row = life.desk.bookings[min(life.desk.bookings)]
    assert row.ends_at == row.starts_at + HOUR and not life.desk.holds


def test_a_shortened_lease_does_not_extend_itself_over_the_time_that_was_handed_back(life: Life) -> None:
    life.step([Order(who=0, nodes=1, ahead=1, hours=6)])
    life.step([ExtendItself(lease=0, hours=2)])
    life.step([Shorten(lease=0, hours=3)])
    for _ in range(8):
        life.live_until(life.now + HOUR)
    (row,) = life.desk.bookings.values()
    assert row.stopped == row.starts_at + 3 * HOUR
