"""Lives that somebody once got wrong, or that show that the desk would see it."""

from collections.abc import Callable, Mapping
from threading import Barrier
from types import ModuleType
from typing import Any

import pytest

from accounts.models import Organization
from billing import checkout, operations, reselling
from billing.models import LedgerAccount
from billing.queries import freed as freed_time
from billing.queries import wallet
from tests.bookings.actions.asking import Keep, Order, Take
from tests.bookings.actions.leases import Extend, ExtendItself, HandBack, Move, Shorten
from tests.bookings.actions.line import Join
from tests.bookings.life import Life
from tests.bookings.notes import HOUR, Disagrees
from tests.bookings.world import POOR
from tests.factories import MICROS_PER_NODE_HOUR

BOTH = 2
# $108 each, all of it next month, out of a project's budget of $150.
ONE_DAY = Order(who=POOR, nodes=1, ahead=12, hours=30, project="lab")

# What goes wrong: where, and how.
WRONG_BOOKS: Mapping[str, tuple[ModuleType, str, Callable[[Any], Any]]] = {
    "one per cent more is kept": (freed_time, "kept_percent", lambda kept: lambda *of, **at: kept(*of, **at) + 1),
    "use counts twice": (reselling, "used_by_others", lambda used: lambda *of, **upto: 2 * used(*of, **upto)),
    "nobody's use counts": (reselling, "used_by_others", lambda used: lambda *of, **upto: []),
}


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
    life.step([Order(who=0, nodes=4, ahead=14, hours=2)])
    life.step([Keep(who=0, nodes=3, ahead=17, hours=1)])
    life.step([Extend(lease=0, hours=3)])
    life.step([Order(who=1, nodes=4, ahead=22, hours=1)])
    life.step([Keep(who=0, nodes=4, ahead=32, hours=1)])
    life.step([Move(lease=0, ahead=32, hours=1)])
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


def resold(life: Life) -> Life:
    """Six hours are cancelled three hours ahead, so that 30 % are kept. One of them is used by somebody else."""
    life.step([Order(who=0, nodes=1, ahead=3, hours=6)])
    life.step([HandBack(lease=0)])
    life.step([Order(who=1, nodes=4, ahead=3, hours=1)])
    life.live_until(life.now + 5 * HOUR)
    life.check_books()
    return life


def test_of_time_that_is_handed_back_a_part_is_kept_and_comes_back_as_others_use_it(life: Life) -> None:
    (freed,) = resold(life).desk.freed
    assert freed.fee_micros == 6 * MICROS_PER_NODE_HOUR * 30 // 100
    assert [micros for _, micros in freed.credits] == [MICROS_PER_NODE_HOUR * 40 // 100]


@pytest.mark.parametrize("wrong", WRONG_BOOKS, ids=WRONG_BOOKS)
def test_the_desk_sees_a_fee_or_a_credit_that_is_wrong(wrong: str, life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, made = WRONG_BOOKS[wrong]
    monkeypatch.setattr(module, name, made(getattr(module, name)))
    with pytest.raises(Disagrees):
        resold(life)


def test_who_waits_to_be_told_gets_a_quote_that_holds_the_nodes_and_the_line_ends_once(life: Life) -> None:
    life.step([Order(who=1, nodes=4, ahead=1, hours=3)])
    life.step([Join(who=0, nodes=2, ahead=1, hours=2, room=0, tells=True)])
    assert [row.end for row in life.desk.line.values()] == [""] and not life.desk.holds
    life.step([HandBack(lease=0)])
    ((quote, hold),) = life.desk.holds.items()
    assert [row.end for row in life.desk.line.values()] == ["filled"]
    assert (hold.who, len(hold.nodes)) == (0, 2)
    life.step([Take(quote=0)])
    assert life.desk.quotes[quote].lease and not life.desk.holds
    life.check_books()
